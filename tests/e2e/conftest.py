"""The demo's shop, emulator, worker and sweep as real processes, and a real browser in front of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def shop_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the running demo."""
    port = free_port()
    log = tmp_path_factory.mktemp("demo") / "log"
    environment = {**os.environ, "SHOP_PORT": str(port), "AIRALO_PORT": str(free_port()), "ONCE": ""}
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    with log.open("wb") as out:
        demo = subprocess.Popen(
            [sys.executable, str(ROOT / "example_project/demo")], stdout=out, stderr=out, env=environment, cwd=ROOT
        )
    try:
        deadline = time.monotonic() + 300
        while "The shop keeps running" not in log.read_text():
            if demo.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"The demo did not come up:\n{log.read_text()}")
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        demo.send_signal(signal.SIGTERM)
        demo.wait(60)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """Debian's Chromium, driven by Playwright; skips if either is missing."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed (group 'browser')")
    if not CHROMIUM.exists():
        pytest.skip(f"There is no Chromium at {CHROMIUM} (Debian's package 'chromium')")
    # Playwright's loop runs in this thread and makes Django think that it must not use the database here.
    previous = os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=list(FLAGS))
        yield browser
        browser.close()
    if previous is None:
        del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]
