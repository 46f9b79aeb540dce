"""Airalo's own Node SDK against the emulator, unchanged but for the address. It speaks only HTTPS."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from django_airalo.emulator import Emulator
from tests.skips import ExpectedSkip

from .support import Receiver

VERSION = "1.2.2"


@pytest.fixture(scope="session")
def node_sdk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the SDK: that of AIRALO_NODE_SDK, or a new one that npm fills."""
    if not shutil.which("node"):
        pytest.skip("there is no node")
    given = os.environ.get("AIRALO_NODE_SDK", "")
    if given:
        return Path(given)
    npm = shutil.which("npm")
    if not npm:
        pytest.skip("there is no npm, and AIRALO_NODE_SDK names no folder with airalo-sdk")
    folder = tmp_path_factory.mktemp("node")
    options = ["--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder)]
    command = [npm, "install", *options, f"airalo-sdk@{VERSION}"]
    # The registry is not ours: that it is away is no reason for a red run, not even where nothing may be missing.
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    except subprocess.TimeoutExpired as error:
        raise ExpectedSkip("npm could not install airalo-sdk in five minutes") from error
    if done.returncode:
        raise ExpectedSkip(f"npm could not install airalo-sdk: {done.stderr.strip()[-300:]}")
    return folder


class Sdk:
    """The script with the SDK, as a process to talk to line by line."""

    def __init__(self, arguments: list[str], environment: dict[str, str], folder: Path) -> None:
        self.process = subprocess.Popen(
            ["node", str(Path(__file__).with_name("airalo_node_sdk.js")), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=folder,
            env={**os.environ, **environment},
        )

    def tell(self, *lines: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("".join(f"{line}\n" for line in lines))
        self.process.stdin.flush()

    def said(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        line = self.process.stdout.readline()
        assert line, self.process.stderr.read()
        return dict(json.loads(line))


@pytest.fixture
def sdk(secure: Emulator, certificate: Path, receiver: Receiver, node_sdk: Path, tmp_path: Path) -> Iterator[Sdk]:
    environment = {
        "AIRALO_NODE_SDK": str(node_sdk),
        "NODE_EXTRA_CA_CERTS": str(certificate),
        "AIRALO_SDK_CACHE_PATH": str(tmp_path / "cache"),
    }
    running = Sdk([secure.url, secure.client_id, secure.client_secret, receiver.url], environment, tmp_path)
    yield running
    running.process.kill()
    running.process.communicate()


def test_all_that_the_sdk_can(sdk: Sdk, secure: Emulator, receiver: Receiver) -> None:
    # A package without accents: the SDK's signature check fails on any non-ASCII text.
    secure.options.change(sharing_in_answers=True)
    catalogue = secure.state.catalogue
    topup = next(item for item in catalogue.topups.values() if item.full_title.isascii() and item.coverage.isascii())
    sim = topup.id.removesuffix("-topup")
    other = next(name for name in catalogue.packages if name != sim)
    due_date = (datetime.now(UTC) + timedelta(days=4)).strftime("%Y-%m-%d %H:%M")
    sdk.tell(json.dumps({"sim": sim, "other": other, "topup": topup.id, "due_date": due_date}))

    ordered = sdk.said()
    assert ordered["packages"] >= 3000
    assert min(ordered[name] for name in ("all", "local", "global", "country")) > 0
    assert ordered["iccids"] == [row["iccid"] for row in secure.esims(secure.purchases("with Node")[0]["id"])]
    assert ordered["request_id"] == secure.purchases("async with Node")[0]["request_id"]
    assert all(link.startswith("https://") for link in ordered["sharing"])
    assert ordered["bulk"] == [1, 2]
    assert ordered["async_bulk"] == secure.purchases("async bulk")[0]["request_id"]
    assert "The selected package is invalid" in ordered["async_bulk_refused"]
    assert "The selected package is invalid" in ordered["refused"]

    delivery = receiver.wait(2)[0]
    secure.use(ordered["iccids"][0], data=24)
    sdk.tell(delivery.headers["airalo-signature"], delivery.body.decode())
    assert sdk.said() == {"valid": True}

    owned = sdk.said()
    assert owned["usage"]["status"] == "ACTIVE"
    assert owned["usage"]["remaining"] == topup.amount - 24
    assert topup.id in owned["topups"]
    assert (owned["topup"]["type"], owned["topup"]["description"]) == ("topup", "more")
    assert owned["history"] == ["topup", "sim"]
    assert [row["total"] for row in owned["usages"].values()] == [2 * topup.amount, topup.amount]
    assert owned["language"] == "FR"
    assert "messages.resource_not_found" in owned["unknown"]
    # The SDK asks a second time when anything goes wrong while it fills its cache.
    asked = [row for row in secure.requests("usage") if "/8900000000000000000/" in row["path"]]
    assert [row["status"] for row in asked] == [404, 404]

    rest = sdk.said()
    assert (rest["voucher"]["usage_limit"], rest["voucher"]["amount"]) == (3, 5)
    assert len(rest["esim_vouchers"][0]["codes"]) == 2
    assert [row["to"] for row in rest["rates"]] == ["EUR", "GBP"]
    assert rest["devices"] > 20
    assert rest["cancelled"] == "Future orders cancelled successfully"
    assert "day after tomorrow" in rest["too_soon"]
    assert sdk.process.wait(60) == 0
    assert secure.make_due(rest["future"]) == 1
    receiver.wait(3)
    assert secure.wait_idle(60)
    assert [row["request_id"] for row in secure.purchases("later")] == [rest["future"]]
    # Every order once, although the SDK makes several calls at the same time.
    assert [row["description"] for row in secure.purchases()] == [
        *("with Node", "async with Node", "shared", "bulk", "bulk", "shared bulk", "async bulk", "more", "later")
    ]
