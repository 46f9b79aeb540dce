"""The shop's cache is away: nothing can be sent, and nothing is taken for sent."""

from __future__ import annotations

import pytest
from django.core.cache.backends.locmem import LocMemCache

from django_airalo import services
from django_airalo.client import AiraloClient, use_client
from tests.factories import EsimOrderFactory
from tests.scripted_server import ScriptedServer

pytestmark = pytest.mark.django_db


class BrokenCache(LocMemCache):
    def get(self, *args, **kwargs):
        raise ConnectionError("away")

    add = set = delete = get


@pytest.fixture
def server():
    with ScriptedServer() as server:
        previous = use_client(AiraloClient("client", "secret", server.url, cache=BrokenCache("broken", {})))
        yield server
        use_client(previous)


def test_order_stays_pending_without_cache(server):
    order = services.submit_order(EsimOrderFactory())
    assert order.status == "pending"
    assert "AIRALO_CACHE_ALIAS" in order.error_reason
    assert server.requests() == []


def test_sweep_continues_without_cache(server):
    EsimOrderFactory(unconfirmed=True, due_at="2026-01-01T00:00:00Z")
    EsimOrderFactory()
    report = services.sweep()
    assert (report.put_off, report.submitted) == (1, 1)
    assert server.requests() == []
