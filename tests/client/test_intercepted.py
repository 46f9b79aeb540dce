"""Tools such as vcrpy put their own connections into urllib3's pools: no request of the client passes them by."""

from __future__ import annotations

import pytest
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from tests.scripted_server import ScriptedServer

from .support import MakeClient


class InterceptedError(Exception):
    """What a tool raises that lets nothing leave."""


class _Refusing(HTTPConnection):
    def request(self, *args: object, **kwargs: object) -> None:
        raise InterceptedError


class _RefusingTLS(HTTPSConnection):
    def connect(self) -> None:  # urllib3 connects before it sends
        raise InterceptedError


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_replaced_connections_are_used(
    make_client: MakeClient, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setattr(HTTPConnectionPool, "ConnectionCls", _Refusing)
    monkeypatch.setattr(HTTPSConnectionPool, "ConnectionCls", _RefusingTLS)

    with pytest.raises(InterceptedError):
        make_client(base_url=server.url.replace("http", scheme, 1)).get_balance()

    assert server.requests() == []
