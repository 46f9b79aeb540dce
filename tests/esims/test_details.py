"""Each eSIM is asked for by itself after its delivery, ever less often if that brings nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db.models import TextField, Value

from django_airalo import services
from django_airalo.client.payloads import SimData
from django_airalo.exceptions import MissingIccidError
from django_airalo.models import Esim
from django_airalo.services import operations
from django_airalo.services.core import database
from django_airalo.services.esims.details import record_details
from django_airalo.testing import sim_payload
from tests.factories import ago
from tests.orders.delivery_support import LATER, by_look_up, by_webhook, codes, other_code, poor, reread, shown_at_sims

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_tasks")]


@pytest.mark.parametrize("deliver", [by_webhook, by_look_up])
def test_each_esim_is_asked_for_once_after_its_delivery(airalo, heard, committed, deliver):
    sim = sim_payload()
    order = deliver(airalo, [poor(sim)], 1)
    shown_at_sims(airalo, sim, confirmation_code="5751", brand_settings_name="Example")
    Esim.objects.update(details_due_at=ago(1))
    with committed():
        assert operations.sync_due_details() == 1
        assert operations.sync_due_details() == 0
    esim = order.esims.get()
    assert (esim.confirmation_code, esim.details_due_at) == ("5751", None)
    assert esim.apple_installation_url == sim["direct_apple_installation_url"]
    assert esim.apn["android"] == {"apn_type": "manual", "apn_value": "internet"}
    assert heard.of("esims_changed") == []


def test_details_are_fetched_by_task_after_look_up(airalo, settings, committed):
    settings.AIRALO_TASK_BACKEND = "default"  # which runs tasks at once
    sim = sim_payload()
    shown_at_sims(airalo, sim, confirmation_code="5751")
    with committed():
        order = by_look_up(airalo, [poor(sim)], 1)
    assert order.esims.get().confirmation_code == "5751"


def test_another_confirmation_code_is_signalled_and_the_old_one_kept(airalo, heard, committed):
    sim = sim_payload(confirmation_code="1111")
    order = by_webhook(airalo, [sim], 1)
    shown_at_sims(airalo, sim, confirmation_code="2222")
    with committed():
        services.sync_esim(order.esims.get())
    assert order.esims.get().confirmation_code == "2222"
    (change,) = heard.of("esims_changed")
    assert "1111" in order.events.get(event_id=change["event_id"]).secret


def test_missing_details_are_fetched_less_often_until_given_up(airalo):
    by_look_up(airalo, [poor(sim_payload())], 1)
    airalo.orders.clear()  # so that it is not found
    waits = []
    while Esim.objects.get().details_due_at:
        Esim.objects.update(details_due_at=ago(1))
        operations.sync_due_details()
        due_at = Esim.objects.get().details_due_at
        waits.append(round((due_at - database.db_now()).total_seconds()) if due_at else None)
    assert waits == [60, 300, 1800, 21600, None]


def test_an_esim_without_code_is_asked_for_daily_in_the_end_for_a_month(airalo):
    by_look_up(airalo, [{"id": 5, "iccid": "8900000000000000123"}], 1)
    airalo.orders.clear()
    Esim.objects.update(details_tries=9, details_due_at=ago(1))
    operations.sync_due_details()
    assert Esim.objects.get().details_due_at - database.db_now() > timedelta(hours=23)
    Esim.objects.update(created_at=ago(31 * 86400), details_due_at=ago(1))
    operations.sync_due_details()
    assert Esim.objects.get().details_due_at is None


def test_a_code_that_nothing_confirms_is_flagged_in_the_end(airalo):
    sim = sim_payload()
    order = by_webhook(airalo, [sim], 1)
    LATER["webhook"](airalo, order, [other_code(sim)])
    airalo.orders.clear()
    Esim.objects.update(details_tries=9, details_due_at=ago(1))
    operations.sync_due_details()
    assert "does not confirm it" in reread(order).attention
    assert codes(order) == [(sim["iccid"], sim["qrcode"])]


def test_another_esim_under_the_same_number_changes_nothing(airalo, committed):
    sim = sim_payload()
    order = by_webhook(airalo, [sim], 1)
    LATER["webhook"](airalo, order, [other_code(sim)])
    shown_at_sims(airalo, sim_payload(iccid=sim["iccid"]))
    operations.sync_due_details()
    assert codes(order) == [(sim["iccid"], sim["qrcode"])]
    assert "another eSIM under the ICCID" in reread(order).attention


def test_an_older_answer_replaces_nothing(airalo):
    sim = sim_payload()
    order = by_webhook(airalo, [sim], 1)
    esim, asked_at = order.esims.get(), database.db_now()
    record_details(esim.pk, SimData.from_json(other_code(sim)), asked_at=database.db_now())
    record_details(esim.pk, SimData.from_json(sim), asked_at=asked_at)
    assert order.esims.get().matching_id == "NEW"


def test_codes_whose_key_is_lost_are_kept_again(airalo, heard, committed):
    sim = sim_payload()
    order = by_webhook(airalo, [sim], 1)
    shown_at_sims(airalo, sim)
    Esim.objects.update(activation_code=Value("f1:lost", output_field=TextField()))
    with committed():
        services.sync_esim(Esim.objects.without_secrets().get())
    assert order.esims.get().activation_code == sim["qrcode"]
    assert heard.of("esims_changed") == []


def test_nothing_is_asked_of_airalo_without_a_number(airalo):
    esim = by_webhook(airalo, [sim_payload(iccid=None)], 1).esims.get()
    for ask in (services.sync_usage, services.sync_esim_packages, services.sync_esim, services.get_instructions):
        with pytest.raises(MissingIccidError, match="no ICCID"):
            ask(esim)
    for ask in (lambda: operations.set_brand(esim, name="Example"), lambda: services.list_topup_packages(esim)):
        with pytest.raises(MissingIccidError, match="no ICCID"):
            ask()
    with pytest.raises(ValidationError, match="no ICCID"):
        services.place_topup(esim, package_id="test-mobile-7days-1gb-topup")
    with pytest.raises(ValidationError, match="without ICCID"):
        services.request_refund([esim], reason="NO_COVERAGE")


@pytest.mark.parametrize("blank", [None, ""])
def test_details_that_leave_codes_out_overwrite_none(airalo, blank):
    sim = sim_payload(confirmation_code="5751")
    order = by_webhook(airalo, [sim], 1)
    codes = ("activation_code", "smdp_address", "matching_id", "confirmation_code", "apple_installation_url")
    before = Esim.objects.values(*codes).get()
    assert all(before.values())
    shown_at_sims(airalo, dict.fromkeys(sim, blank) | {"iccid": sim["iccid"]})
    services.sync_esim(order.esims.get())
    assert Esim.objects.values(*codes).get() == before
