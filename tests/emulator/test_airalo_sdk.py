"""Airalo's own Python SDK against the emulator, unchanged but for the address."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from django_airalo.emulator import Emulator

from .support import Receiver

airalo = pytest.importorskip("airalo", reason="Airalo's SDK (airalo-sdk) is not installed")


def part(name: str) -> Any:
    """Return a module of the SDK, which has no types."""
    return importlib.import_module(f"airalo.{name}")


@pytest.fixture
def client(emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(part("constants.api_constants").ApiConstants, "PRODUCTION_URL", f"{emulator.url}/v2/")
    monkeypatch.setattr(part("helpers.cached").Cached, "_cache_path", tmp_path)  # it would write beside site-packages
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return airalo.Airalo({"client_id": emulator.client_id, "client_secret": emulator.client_secret})


def plain(flat: Any) -> str:
    """Return a package without accents: the SDK's own signature check fails on any non-ASCII text."""
    return str(
        next(
            row["package_id"]
            for row in flat["data"]
            if row["operator"]["title"].isascii() and row["type"] == "sim" and row["countries"] == ["JP"]
        )
    )


def test_token_packages_order_and_async_order_with_its_webhook(
    emulator: Emulator, receiver: Receiver, client: Any
) -> None:
    flat = client.get_sim_packages(flat=True)
    assert len({row["package_id"] for row in flat["data"]}) >= 3000
    assert client.get_all_packages(flat=True, limit=3)["data"]
    package_id = plain(flat)

    order = client.order(package_id, 2, "with the SDK")
    assert len(order["data"]["sims"]) == 2
    assert re.fullmatch(r"\d{8}-\d{6}", order["data"]["code"])

    accepted = client.order_async(package_id, 1, receiver.url, "async with the SDK")
    (delivery,) = receiver.wait(1)
    content = json.loads(delivery.body)
    assert content["request_id"] == accepted["data"]["request_id"]
    checker = part("helpers.signature").Signature(emulator.client_secret)
    assert checker.check_signature(delivery.headers["airalo-signature"], content)
    assert not checker.check_signature(delivery.headers["airalo-signature"], {**content, "request_id": "another"})
    assert [row["description"] for row in emulator.purchases()] == ["with the SDK", "async with the SDK"]


def test_the_sdk_sees_errors_as_errors(client: Any) -> None:
    error = part("exceptions.airalo_exception").APIError
    with pytest.raises(error, match="The selected package is invalid"):
        client.order("no-such-package", 1)
    with pytest.raises(error, match="User is not opted in"):
        client.order_async(plain(client.get_sim_packages(flat=True)), 1)


def test_the_sdk_can_order_in_bulk(emulator: Emulator, client: Any) -> None:
    first, second = list(emulator.world.catalogue.packages)[:2]
    answers = client.order_bulk({first: 1, second: 2})
    assert len(answers[second]["data"]["sims"]) == 2
    assert len(emulator.purchases()) == 2
