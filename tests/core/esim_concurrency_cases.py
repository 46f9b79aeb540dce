"""Threads that want the same eSIM at the same moment. Run by test_concurrency.py, in a database of their own."""

from __future__ import annotations

import pytest

from django_airalo import services
from django_airalo.models import Esim
from django_airalo.services import operations
from django_airalo.services.esims.usage import record_usage
from tests.core.together import together
from tests.esims.usage_support import package_row, packages_answer, usage_answer
from tests.factories import LONG_AGO, EsimFactory
from tests.scripted_server import Answer, ScriptedServer

pytestmark = pytest.mark.django_db(transaction=True)


def usage_server(esim, **usage):
    server = ScriptedServer()
    server.on("/v2/token", Answer(200, {"data": {"access_token": "token" * 30, "expires_in": 86400}}))
    server.on(f"/v2/sims/{esim.iccid}/usage", usage_answer(**usage))
    server.on(f"/v2/sims/{esim.iccid}/packages", packages_answer(package_row(1), package_row(2)))
    return server


def test_due_usage_synced_concurrently_is_requested_once(settings):
    esim = EsimFactory(usage_due_at=LONG_AGO)
    with usage_server(esim) as server:
        settings.AIRALO_BASE_URL = server.url
        outcomes = together(lambda number: operations.sync_due_usage())
        assert sorted(outcomes) == [0] * 7 + [1]
        assert len(server.requests(f"/v2/sims/{esim.iccid}/usage")) == 1
    assert esim.usage_records.count() == 1
    assert esim.packages.count() == 2


def test_same_usage_recorded_concurrently_is_kept_once():
    esim = EsimFactory(usage_due_at=None)
    read = [Esim.objects.get() for _ in range(8)]
    news = {"remaining": 7}
    outcomes = together(lambda number: record_usage(read[number], "active", news, source="look-up"))
    assert not [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    assert esim.usage_records.count() == 1

    def renew(number):
        services.request_usage_sync(esim)
        return record_usage(Esim.objects.get(), "active", {"remaining": 5}, source="look-up")

    outcomes = together(renew)
    assert not [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    assert esim.usage_records.count() == 2


def test_packages_fetched_concurrently_are_kept_once(settings):
    settings.AIRALO_RATE_LIMITS = {"esims": None}
    esim = EsimFactory()
    with usage_server(esim) as server:
        settings.AIRALO_BASE_URL = server.url
        outcomes = together(lambda number: len(services.sync_esim_packages(esim)))
    assert outcomes == [2] * 8
    assert esim.packages.count() == 2
