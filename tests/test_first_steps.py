"""What a reader copies first sells more than one eSIM and top-ups, and shows a code to its owner only.

A receiver that raises is signalled again, without end.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from django_airalo import services
from django_airalo.models import EsimOrder, OrderEvent
from django_airalo.signals import esim_order_completed, esim_order_failed
from tests.pages import DOCS, PAGES, ROOT, python_blocks

TUTORIAL = DOCS / "tutorial" / "sell-your-first-esim.md"
#: What a page says to put at the end of a file.
APPENDED = re.compile(r"<!-- quickstart: append (\S+) -->\n```\w+\n(.*?)\n```\n", re.DOTALL)
#: The blocks with a receiver that need no models of a shop.
BLOCKS = {
    f"{page.relative_to(ROOT)} {number}": code
    for page in PAGES
    for number, code in enumerate(python_blocks(page.read_text()))
    if re.search(r"receiver\(.*esim_order_completed|esim_order_completed\.connect", code)
    and not re.search(r"\bshop\.|TestCase", code)
}


@contextmanager
def connected(code: str) -> Iterator[None]:
    """Run a block of a page, with its receivers connected for the time being."""
    signals = (esim_order_completed, esim_order_failed)
    before = {signal: list(signal.receivers) for signal in signals}
    namespace: dict[str, Any] = {"__name__": "page"}
    exec(compile(code, "page", "exec"), namespace)  # noqa: S102  the sample of our own docs
    assert len(esim_order_completed.receivers) == len(before[esim_order_completed]) + 1
    try:
        yield
    finally:
        for signal in signals:
            signal.receivers = before[signal]
            signal.sender_receivers_cache.clear()


@pytest.mark.django_db
@pytest.mark.parametrize("name", BLOCKS)
def test_a_receiver_of_the_pages_takes_two_esims_and_a_topup(
    name, airalo, capsys, django_user_model, django_capture_on_commit_callbacks
):
    user = django_user_model.objects.create_user("ada", "ada@example.com")
    with connected(BLOCKS[name]):
        with django_capture_on_commit_callbacks(execute=True):
            order = services.place_order(package_id="test", quantity=2, user=user, idempotency_key="line-1")
        airalo.deliver(order)
        first, second = order.esims.all()
        with django_capture_on_commit_callbacks(execute=True):
            services.place_topup(first, package_id="test-topup", idempotency_key="line-2")
    assert set(EsimOrder.objects.values_list("status", flat=True)) == {"completed"}
    assert set(OrderEvent.objects.values_list("signal_error", flat=True)) == {""}
    if name.startswith("README.md"):
        assert capsys.readouterr().out.splitlines() == [
            f"Order {key} has the eSIM {esim.iccid}"
            for key, esim in (("line-1", first), ("line-1", second), ("line-2", first))
        ]


@pytest.mark.django_db
def test_the_receiver_of_the_readme_takes_a_refused_order(airalo, capsys, django_capture_on_commit_callbacks):
    (code,) = (code for name, code in BLOCKS.items() if name.startswith("README.md"))
    with connected(code), django_capture_on_commit_callbacks(execute=True):
        services.place_order(package_id="test", quantity=51, idempotency_key="line-1", on_refusal="record")
    assert capsys.readouterr().out.startswith("Order line-1 failed, pay the customer back: quantity: 51 is not")


def test_receivers_were_found_on_the_pages():
    assert {name.partition(" ")[0] for name in BLOCKS} == {
        "README.md",
        "docs/reference/signals.md",
        "docs/how-to/order-other-ways.md",
        "docs/how-to/read-replicas.md",
    }


def test_the_shop_of_the_tutorial(tmp_path: Path):
    """Made of the blocks of the page, and tested as its developer would."""

    def run(*arguments: str) -> None:
        command = [sys.executable, "-m", "django", *arguments]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRALO")}
        environment |= {"PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}", "DJANGO_SETTINGS_MODULE": "shop.settings"}
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

    run("startproject", "shop", str(tmp_path), "--settings", "django.conf.global_settings")
    for name, text in APPENDED.findall(TUTORIAL.read_text()):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{file.read_text() if file.exists() else ''}\n{text}\n")
    (tmp_path / "shop" / "tests.py").write_text((ROOT / "tests" / "tests_of_the_tutorial.py").read_text())
    run("makemigrations", "shop")
    run("check", "--fail-level", "WARNING")
    run("test", "shop")
