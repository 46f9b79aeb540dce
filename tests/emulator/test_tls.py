"""HTTPS."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests

from django_airalo.emulator import Emulator


def test_the_emulator_speaks_https(secure: Emulator, certificate: Path) -> None:
    assert secure.url.startswith("https://127.0.0.1:")
    fields = {
        "client_id": secure.client_id,
        "client_secret": secure.client_secret,
        "grant_type": "client_credentials",
    }
    answer = requests.post(f"{secure.url}/v2/token", data=fields, verify=str(certificate), timeout=60)
    assert answer.status_code == 200
    with pytest.raises(requests.exceptions.SSLError):  # for whoever does not trust the certificate
        requests.post(f"{secure.url}/v2/token", data=fields, timeout=60)


def test_a_certificate_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be used"):
        Emulator(tls_certificate=tmp_path / "none.pem").start()
