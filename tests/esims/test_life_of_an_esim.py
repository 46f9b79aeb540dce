"""From the order to the end of an eSIM, with the emulator over HTTP: what the shop sees of it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from django_airalo import services
from django_airalo.emulator import Emulator
from django_airalo.models import Esim, EsimOrder
from django_airalo.services import operations
from django_airalo.services.core import database
from tests.factories import LONG_AGO
from tests.rates import NO_LIMITS

pytestmark = pytest.mark.django_db


@pytest.fixture
def emulator(settings):
    with Emulator(webhook_delay=0, rate_limits=False, head_probe=False) as running:
        settings.AIRALO_BASE_URL = running.url
        settings.AIRALO_CLIENT_ID, settings.AIRALO_CLIENT_SECRET = running.client_id, running.client_secret
        settings.AIRALO_RATE_LIMITS = NO_LIMITS
        yield running


def buy(emulator, committed):
    """An eSIM with 1 GB that can be topped up."""
    catalogue = emulator.state.catalogue
    rechargeable = {top_up.operator_id for top_up in catalogue.topups.values()}
    package = next(
        item
        for item in catalogue.packages.values()
        if item.operator_id in rechargeable and item.id.endswith("-7days-1gb")
    )
    with committed():
        order = services.place_order(package_id=package.id)
    assert emulator.wait_idle()
    services.sync_order(order)
    return order.esims.get()


def test_the_life_of_an_esim(emulator, heard, committed):
    def later():
        """An interval passes, and a sweep comes."""
        Esim.objects.exclude(usage_due_at=None).update(usage_due_at=LONG_AGO)
        with committed():
            services.sweep()
        return Esim.objects.get(pk=esim.pk)

    esim = buy(emulator, committed)
    assert (later().usage_status, str(later().data)) == ("not_active", "1 GB of 1 GB left")
    emulator.use(esim.iccid, data=300)
    known = later()
    assert (known.usage_status, str(known.data), known.packages.count()) == ("active", "724 MB of 1 GB left", 1)
    assert known.expires_at
    emulator.use(esim.iccid, data=724)
    assert (later().usage_status, later().data.percentage) == ("finished", 0)
    later()
    asked = len(emulator.requests("usage"))
    # Daily, since it may be topped up elsewhere.
    assert later().usage_due_at > database.db_now() + timedelta(hours=23)
    assert len(emulator.requests("usage")) == asked + 1

    top_up = next(iter(services.list_topup_packages(esim)))
    with committed():
        bought = services.place_topup(esim=esim, package_id=top_up.id)
    assert EsimOrder.objects.get(pk=bought.pk).status == "completed"
    known = later()
    assert (known.usage_status, known.packages.count()) == ("active", 2)
    assert known.remaining

    emulator.recycle(esim.iccid)
    operations.sync_esims()
    known = later()
    assert (known.usage_status, known.usage_due_at) == ("recycled", None)
    assert known.recycled_at

    told = [kwargs["new_status"] for kwargs in heard.of("esim_status_changed")]
    assert told[:4] == ["not_active", "active", "finished", "active"]
    assert [record.status for record in esim.usage_records.order_by("id")][-1] == "recycled"


def test_instructions_and_brand(emulator, committed):
    esim = buy(emulator, committed)
    english, german = services.get_instructions(esim, language="en"), services.get_instructions(esim, language="de-at")
    assert english.guides.ios[0].qr_steps
    assert (german.language, german.guides.language.lower()) == ("de", "de")
    assert operations.set_brand(esim, name=None).brand_settings_name == ""
