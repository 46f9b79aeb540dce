"""The admin of eSIMs: usage, brand."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_airalo.models import Esim
from tests.esims.usage_support import TOO_MANY, usage_answer
from tests.factories import EsimFactory, EsimPackageFactory, UsageRecordFactory, ago
from tests.scripted_server import Answer

from .support import act, url

pytestmark = pytest.mark.django_db


def test_refresh_usage_requests_only_stale_usage(root, server):
    stale, fresh = EsimFactory(), EsimFactory(usage_synced_at=ago(60))
    server.on(f"/v2/sims/{stale.iccid}/usage", usage_answer())
    _, said = act(root, Esim, "refresh_usage", stale, fresh)
    assert said == ["2 eSIMs are up to date."]
    stale.refresh_from_db()
    assert (stale.usage_status, stale.usage_records.count()) == ("active", 1)
    assert not server.requests(f"/v2/sims/{fresh.iccid}/usage")


def test_refresh_usage_reports_429(root, server):
    unknown, busy = EsimFactory(), EsimFactory()
    server.on(f"/v2/sims/{busy.iccid}/usage", TOO_MANY)
    _, said = act(root, Esim, "refresh_usage", unknown, busy)
    assert len(said) <= 2
    assert any(text.startswith(f"{busy.iccid}: ") for text in said)


@pytest.mark.parametrize(("typed", "brand"), [(" Ours ", "Ours"), ("", "")])
def test_set_brand_stores_brand(root, server, typed, brand):
    esim = EsimFactory(brand_settings_name="Old")
    answer = {"data": {"brand_settings_name": brand or None}, "meta": {"message": "success"}}
    server.on(f"/v2/sims/{esim.iccid}/brand", Answer(200, answer))
    data = {"action": "set_brand", "_selected_action": [esim.pk], "brand": typed}
    root.post(url(Esim), data, follow=True)
    esim.refresh_from_db()
    assert esim.brand_settings_name == brand


def test_esim_page_shows_usage_and_packages(root):
    esim = EsimFactory(usage_status="active", remaining=512, total=1024, total_voice=10, remaining_voice=7)
    UsageRecordFactory(esim=esim, remaining=700)
    UsageRecordFactory(esim=esim, source="low data", level="<75%>", remaining=None, total=None)
    EsimPackageFactory(esim=esim, title="Extra <b>data</b>")
    page = root.get(url(Esim, "change", esim.pk)).content.decode()
    for shown in ("512 MB of 1 GB left", "7 minutes of 10 minutes left", "700 MB of 2 GB left", "Extra &lt;b&gt;"):
        assert shown in page
    assert "&lt;75%&gt;" in page


def test_esim_page_makes_no_more_queries_for_more_history(root):
    def queries(esim):
        with CaptureQueriesContext(connection) as captured:
            assert root.get(url(Esim, "change", esim.pk)).status_code == 200
        return len(captured)

    few, many = EsimFactory(), EsimFactory()
    for esim, count in ((few, 1), (many, 30)):
        for _ in range(count):
            UsageRecordFactory(esim=esim)
            EsimPackageFactory(esim=esim)
    queries(few)
    assert queries(few) == queries(many)


@pytest.mark.parametrize(
    ("end", "found"), [("1", {"ends today"}), ("3", {"ends today", "ends soon"}), ("low", {"low"}), ("x", None)]
)
def test_filter_finds_esims_that_end_soon_or_are_low(root, end, found):
    active = {"usage_status": "active", "remaining": 900, "total": 1000}
    esims = {
        "far": EsimFactory(**active, expires_at=ago(-10 * 86400)),
        "ends today": EsimFactory(**active, expires_at=ago(-3600)),
        "ends soon": EsimFactory(**active, expires_at=ago(-2 * 86400)),
        "low": EsimFactory(usage_status="active", remaining=249, total=1000),
        "unlimited": EsimFactory(usage_status="active", remaining=0, total=1000, is_unlimited=True),
        "over": EsimFactory(usage_status="expired", remaining=1, total=1000, expires_at=ago(-3600)),
    }
    rows = set(root.get(url(Esim), {"end": end}).context["cl"].queryset)
    assert rows == {esims[name] for name in (esims if found is None else found)}
