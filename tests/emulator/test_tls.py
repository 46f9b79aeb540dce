"""HTTPS, and Airalo's Node SDK, which speaks nothing else."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from django_airalo.emulator import Emulator

from .certificate import self_signed
from .support import Receiver

# The folder in which `npm install airalo-sdk` was run.
NODE_SDK = os.environ.get("AIRALO_NODE_SDK", "")
has_node_sdk = bool(shutil.which("node")) and Path(NODE_SDK, "node_modules", "airalo-sdk").is_dir()


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return self_signed(tmp_path / "certificate.pem")


@pytest.fixture
def secure(certificate: Path) -> Iterator[Emulator]:
    with Emulator(tls_certificate=certificate, webhook_delay=0.0) as running:
        yield running


def test_the_emulator_speaks_https(secure: Emulator, certificate: Path) -> None:
    assert secure.url.startswith("https://127.0.0.1:")
    fields = {
        "client_id": secure.client_id,
        "client_secret": secure.client_secret,
        "grant_type": "client_credentials",
    }
    answer = requests.post(f"{secure.url}/v2/token", data=fields, verify=str(certificate), timeout=5)
    assert answer.status_code == 200
    with pytest.raises(requests.exceptions.SSLError):  # for whoever does not trust the certificate
        requests.post(f"{secure.url}/v2/token", data=fields, timeout=5)


def test_a_certificate_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be used"):
        Emulator(tls_certificate=tmp_path / "none.pem").start()


@pytest.mark.skipif(not has_node_sdk, reason="AIRALO_NODE_SDK names no folder with airalo-sdk from npm, or no node")
def test_airalos_node_sdk_works_unchanged_but_for_the_address(
    secure: Emulator, certificate: Path, receiver: Receiver, tmp_path: Path
) -> None:
    script = Path(__file__).with_name("airalo_node_sdk.js")
    process = subprocess.Popen(
        ["node", str(script), secure.url, secure.client_id, secure.client_secret, receiver.url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "NODE_EXTRA_CA_CERTS": str(certificate), "AIRALO_SDK_CACHE_PATH": str(tmp_path / "cache")},
    )
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        said: dict[str, Any] = json.loads(process.stdout.readline())
        (delivery,) = receiver.wait(1)
        process.stdin.write(f"{delivery.headers['airalo-signature']}\n{delivery.body.decode()}\n")
        process.stdin.flush()
        checked = json.loads(process.stdout.readline())
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.communicate()
    assert said["packages"] >= 3000
    assert said["iccids"] == [row["iccid"] for row in secure.esims()][:2]
    assert said["request_id"] == secure.purchases("async with Node")[0]["request_id"]
    assert "The selected package is invalid" in said["refused"]
    assert checked == {"valid": True}
