"""TLS: what fails before the request leaves, and what fails after."""

from __future__ import annotations

import datetime
import ipaddress
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from django_airalo.client import AiraloClient
from django_airalo.exceptions import AiraloAPIError, AiraloConnectionError, AiraloTokenError
from tests.scripted_server import Answer, ScriptedServer

from .support import ACCEPTED, PATIENT, MakeClient, assert_no_secret, seed_token, token_answer


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1, signed by itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def tls_server(certificate: Path) -> Iterator[ScriptedServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with ScriptedServer(context) as running:
        running.on("/v2/token", token_answer(1))
        running.on("/v2/orders-async", Answer(202, ACCEPTED))
        yield running


@pytest.fixture
def make_tls_client(
    make_client: MakeClient, tls_server: ScriptedServer, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> MakeClient:
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)

    def make(base_url: str = tls_server.url, *, trusting: bool = True, timeout: Any = PATIENT) -> AiraloClient:
        # requests prefers the environment to session.verify.
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate) if trusting else "")
        return make_client(base_url=base_url, timeout=timeout)

    return make


def test_a_purchase_over_tls(make_tls_client: MakeClient, tls_server: ScriptedServer) -> None:
    accepted = make_tls_client().submit_order_async(package_id="p", quantity=1)

    assert accepted.request_id == "Zq-7_aB3dEfGhIjKlMnOpQrSt"
    assert {request.connection for request in tls_server.requests()} == {1}  # reused


def test_untrusted_certificate_sends_nothing(make_tls_client: MakeClient, tls_server: ScriptedServer) -> None:
    client = make_tls_client(trusting=False)

    with pytest.raises(AiraloTokenError):
        client.submit_order_async(package_id="p", quantity=1)
    seed_token(client)
    with pytest.raises(AiraloConnectionError, match="nothing was sent") as caught:
        client.submit_order_async(package_id="p", quantity=1)

    assert caught.value.may_have_acted is False
    assert tls_server.requests("/v2/orders-async") == []
    assert_no_secret(caught.value)


@pytest.mark.parametrize(
    "garbage",
    [
        b"HTTP/1.1 502 Bad Gateway\r\n\r\n",  # read as a record of a wrong TLS version
        b"\x17\x03\x03\x00\x20" + b"\x00" * 32,  # a record that cannot be decrypted
        b"\x15\x03\x03\x00\x02\x02\x28",  # an alert in the clear: handshake failure
    ],
)
def test_a_tls_error_after_the_request_left_leaves_the_outcome_open(
    make_tls_client: MakeClient, tls_server: ScriptedServer, garbage: bytes
) -> None:
    tls_server.on("/v2/orders-async", Answer(garbage=garbage))

    with pytest.raises(AiraloConnectionError) as caught:
        make_tls_client().submit_order_async(package_id="p", quantity=1)

    assert len(tls_server.requests("/v2/orders-async")) == 1
    assert caught.value.may_have_acted is True


def test_tls_to_a_port_that_speaks_plain_http(
    make_tls_client: MakeClient, make_client: MakeClient, server: ScriptedServer
) -> None:
    client = make_tls_client(server.url.replace("http:", "https:"))
    seed_token(client)

    with pytest.raises(AiraloConnectionError) as caught:
        client.submit_order_async(package_id="p", quantity=1)

    assert caught.value.may_have_acted is False
    assert server.requests() == []


@pytest.mark.parametrize("hangs_up", [True, False], ids=["hangs up", "is silent"])
def test_a_handshake_that_is_never_finished(make_tls_client: MakeClient, hangs_up: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = make_tls_client(f"https://127.0.0.1:{listener.getsockname()[1]}", timeout=(0.3, 0.3))
        seed_token(client)
        if hangs_up:
            listener.close()
        with pytest.raises(AiraloAPIError) as caught:
            client.submit_order_async(package_id="p", quantity=1)

    assert caught.value.may_have_acted is False
