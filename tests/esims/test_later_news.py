"""What Airalo says of an eSIM later fills blanks, is added, and replaces a code only if Airalo confirms it."""

from __future__ import annotations

import json

import pytest

from django_airalo import services
from django_airalo.activation_codes import apple_link
from django_airalo.models import Esim, OrderEvent
from django_airalo.services import operations
from django_airalo.testing import sim_payload
from tests.factories import ago
from tests.orders.delivery_support import LATER, by_webhook, codes, other_code, poor, reread, shown_at_sims, sims

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_tasks")]


later = pytest.mark.parametrize("again", LATER.values(), ids=LATER)


@later
def test_blanks_are_filled_silently(airalo, heard, committed, again):
    sim = sim_payload(msisdn="+15550100", confirmation_code="5751")
    kept = poor(sim) | {"iccid": None, "apn_value": None, "is_roaming": None, "confirmation_code": None}
    order = by_webhook(airalo, [kept], 1)
    heard.clear()
    with committed():
        again(airalo, order, [sim])
    esim = reread(order).esims.get()
    assert (esim.iccid, esim.msisdn, esim.confirmation_code) == (sim["iccid"], "+15550100", "5751")
    assert (esim.apn["android"], esim.is_roaming) == ({"apn_type": "manual", "apn_value": "internet"}, True)
    assert reread(order).attention == ""  # the number came
    assert [name for name, arguments in heard if arguments["order"] == order] == []


@later
def test_nothing_is_overwritten_by_a_blank(airalo, again):
    sim = sim_payload(msisdn="+15550100", confirmation_code="5751")
    order = by_webhook(airalo, [sim], 1)
    before = Esim.objects.values().get()
    again(airalo, order, [dict.fromkeys(sim, None) | {"id": sim["id"]}])
    again(airalo, order, [dict.fromkeys(sim, "") | {"iccid": sim["iccid"]}])
    after = Esim.objects.values().get()
    assert after == before
    assert reread(order).attention == ""


@later
def test_the_rest_is_added_signalled_once_and_the_flag_goes_away(airalo, heard, committed, again):
    delivered = sims(3)
    order = by_webhook(airalo, delivered[:1], 3)
    assert heard.names(order).count("esim_order_completed") == 1
    for count in (1, 2, 2, 3, 3):
        with committed():
            again(airalo, reread(order), delivered[:count])
    order = reread(order)
    assert codes(order) == [(sim["iccid"], sim["qrcode"]) for sim in delivered]
    assert (order.attention, order.missing, order.is_complete, order.due_at) == ("", 0, True, None)
    changes = heard.of("esims_changed")
    assert [[esim.iccid for esim in change["added"]] for change in changes] == [
        [delivered[1]["iccid"]],
        [delivered[2]["iccid"]],
    ]
    assert [change["changed"] for change in changes] == [[], []]
    assert len({change["event_id"] for change in changes}) == 2
    assert heard.names(order).count("esim_order_completed") == 1


@later
def test_the_first_code_of_an_esim_is_signalled(airalo, heard, committed, again):
    sim = sim_payload()
    order = by_webhook(airalo, [sim | dict.fromkeys(("qrcode", "matching_id", "direct_apple_installation_url"))], 1)
    heard.clear()
    with committed():
        again(airalo, order, [sim])
    order = reread(order)
    assert codes(order) == [(sim["iccid"], sim["qrcode"])]
    assert (order.attention, order.due_at) == ("", None)
    (change,) = heard.of("esims_changed")
    assert ([esim.iccid for esim in change["changed"]], change["added"]) == ([sim["iccid"]], [])


@later
def test_another_code_replaces_the_old_one_when_airalo_confirms_it(airalo, heard, committed, again):
    sim = sim_payload()
    order = by_webhook(airalo, [sim], 1)
    airalo.override_answer("GET", f"/v2/sims/{sim['iccid']}", {"message": "Server Error"}, status=500)
    heard.clear()
    again(airalo, order, [other_code(sim)])
    esim = order.esims.get()
    assert (esim.activation_code, esim.matching_id) == (sim["qrcode"], sim["matching_id"])
    assert esim.other_code_at is not None
    assert heard.of("esims_changed") == []

    shown_at_sims(airalo, other_code(sim))
    Esim.objects.update(details_due_at=ago(1))
    with committed():
        operations.sync_due_details()
    esim = order.esims.get()
    assert (esim.activation_code, esim.matching_id) == (f"LPA:1${sim['lpa']}$NEW", "NEW")
    assert esim.apple_installation_url == apple_link(esim.activation_code)
    assert (esim.other_code_at, esim.details_due_at) == (None, None)
    (change,) = heard.of("esims_changed")
    assert (change["changed"], change["added"]) == ([esim], [])
    old = json.loads(order.events.get(kind="esims_changed").secret)
    assert old[str(esim.pk)]["activation_code"] == sim["qrcode"]
    raw = OrderEvent.objects.filter(kind="esims_changed").extra(select={"raw": "secret"}).values_list("raw", flat=True)
    assert sim["matching_id"] not in raw[0]


@later
def test_an_old_code_that_comes_again_is_not_put_back(airalo, heard, committed, again):
    """A webhook that is repeated five hours after the code was changed; a list that is behind."""
    sim = sim_payload()
    order = by_webhook(airalo, [other_code(sim)], 1)
    shown_at_sims(airalo, other_code(sim))
    heard.clear()
    again(airalo, order, [sim])
    with committed():
        services.sweep()
    esim = order.esims.get()
    assert (esim.activation_code, esim.matching_id) == (f"LPA:1${sim['lpa']}$NEW", "NEW")
    assert (esim.other_code_at, esim.details_due_at) == (None, None)
    assert heard.of("esims_changed") == []
    assert reread(order).attention == ""


@later
def test_the_parts_of_another_code_do_not_mix_with_the_kept_one(airalo, again):
    sim = sim_payload(confirmation_code=None)
    order = by_webhook(airalo, [sim | {"direct_apple_installation_url": None}], 1)
    airalo.override_answer("GET", f"/v2/sims/{sim['iccid']}", {"message": "Server Error"}, status=500)
    before = Esim.objects.values("matching_id", "smdp_address", "apple_installation_url", "confirmation_code").get()
    again(airalo, order, [other_code(sim) | {"confirmation_code": "1234"}])
    after = Esim.objects.values("matching_id", "smdp_address", "apple_installation_url", "confirmation_code").get()
    assert after == before


@later
def test_another_code_of_an_esim_without_number_is_flagged_and_kept_in_the_log(airalo, again):
    sim = sim_payload(iccid=None)
    order = by_webhook(airalo, [sim], 1)
    for _ in range(2):
        again(airalo, order, [other_code(sim)])
    order = reread(order)
    assert "cannot be checked without an ICCID" in order.attention
    (noted,) = order.events.filter(kind="noted").exclude(secret="")
    assert "NEW" in noted.secret
    assert codes(order) == [("", sim["qrcode"])]


@later
def test_another_apn_replaces_none_that_is_known(airalo, again):
    sim = sim_payload()
    order = by_webhook(airalo, [sim], 1)
    before = order.esims.get().apn
    other = {system: {"apn_type": "manual", "apn_value": "other.example"} for system in ("ios", "android")}
    again(airalo, order, [sim | {"apn": other}])
    assert order.esims.get().apn == before
    assert before["android"]["apn_value"] != "other.example"
