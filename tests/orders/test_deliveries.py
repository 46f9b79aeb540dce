"""What Airalo delivers is stored once and completes its order, from any source and in any form."""

from __future__ import annotations

import pytest

from django_airalo.models import Esim
from django_airalo.testing import sim_payload

from .delivery_support import FIRST, codes, poor, sims

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_tasks")]


first = pytest.mark.parametrize("deliver", FIRST.values(), ids=FIRST)


@first
def test_complete_esims_are_stored_with_all_fields(airalo, deliver):
    delivered = sims(2, msisdn="+15550100")
    order = deliver(airalo, delivered, 2)
    assert (order.status, order.attention, order.missing, order.is_complete) == ("completed", "", 0, True)
    assert codes(order) == [(sim["iccid"], sim["qrcode"]) for sim in delivered]
    esim = order.esims.order_by("pk")[0]
    assert esim.apple_installation_url == delivered[0]["direct_apple_installation_url"]
    assert (esim.msisdn, esim.apn["android"]) == ("+15550100", {"apn_type": "manual", "apn_value": "internet"})


@first
def test_missing_apple_link_is_built_from_activation_code(airalo, deliver):
    delivered = poor(sim_payload())
    order = deliver(airalo, [delivered], 1)
    esim = order.esims.get()
    assert (order.attention, order.is_complete) == ("", True)
    assert esim.activation_code == delivered["qrcode"]
    assert esim.apple_installation_url == (
        f"https://esimsetup.apple.com/esim_qrcode_provisioning?carddata={delivered['qrcode']}"
    )


@first
def test_part_delivery_is_stored_flagged_and_scheduled_for_lookup(airalo, deliver):
    order = deliver(airalo, sims(1), 3)
    assert (order.status, order.delivered_quantity, order.missing, order.is_complete) == ("completed", 1, 2, False)
    assert order.attention.startswith("Part delivery: 1 of 3 eSIMs are there.")
    assert order.due_at is not None


@first
@pytest.mark.parametrize(
    "iccid",
    [
        "8900 0000 0000 0000 123",
        "8900-0000-0000-0000-123",
        "8900000000000000123F",
        "8900000000000000123f",
        "89ABC0000000000123",
        "890000000000001",
        "8" * 24,
        "8" * 300,
        "８９００００００００００００００１２３",
        "12/3?x",
        "..",
    ],
)
def test_unusual_iccid_is_stored_as_written_and_flagged(airalo, deliver, iccid):
    delivered = sim_payload(iccid=iccid)
    order = deliver(airalo, [delivered], 1)
    assert codes(order) == [(iccid[:255], delivered["qrcode"])]
    assert order.is_complete
    assert "odd ICCID" in order.attention


@first
@pytest.mark.parametrize("iccid", [None, "", " "])
@pytest.mark.parametrize("number", [4711, None])
def test_esim_without_iccid_is_stored_flagged_and_scheduled_for_lookup(airalo, deliver, iccid, number):
    delivered = sims(2)
    delivered[0] |= {"iccid": iccid, "id": number}
    order = deliver(airalo, delivered, 2)
    assert codes(order) == [("", delivered[0]["qrcode"]), (delivered[1]["iccid"], delivered[1]["qrcode"])]
    assert order.status == "completed"
    assert "Without ICCID: 1 of 2 eSIMs." in order.attention
    assert order.due_at is not None


@first
def test_esim_without_activation_code_is_stored_flagged_and_scheduled_for_lookup(airalo, deliver):
    delivered = sims(2)
    delivered[0] |= dict.fromkeys(("qrcode", "matching_id", "direct_apple_installation_url"))
    order = deliver(airalo, delivered, 2)
    assert codes(order) == [(delivered[0]["iccid"], ""), (delivered[1]["iccid"], delivered[1]["qrcode"])]
    assert order.status == "completed"
    assert f"Without activation code: eSIM {delivered[0]['iccid']}." in order.attention
    assert order.due_at is not None
    assert Esim.objects.get(iccid=delivered[0]["iccid"]).details_due_at is not None


@first
@pytest.mark.parametrize(
    "change",
    [
        {"qrcode": "1$rsp.example.com$CODE-1"},
        {"qrcode": "lpa:1$rsp.example.com$CODE-1"},
        {"qrcode": None},
        {"qrcode": ""},
        {"qrcode": ["LPA:1$rsp.example.com$CODE-1"]},
        {"qrcode": "https://www.example.com/qr"},
        {"qrcode": None, "matching_id": None},
        {"qrcode": None, "matching_id": None, "lpa": "LPA:1$rsp.example.com$CODE-1"},
        {"matching_id": None, "lpa": None},
    ],
)
def test_activation_code_is_rebuilt_from_available_parts(airalo, deliver, change):
    code = "LPA:1$rsp.example.com$CODE-1"
    link = f"https://esimsetup.apple.com/esim_qrcode_provisioning?carddata={code}"
    parts = {"qrcode": code, "matching_id": "CODE-1", "direct_apple_installation_url": link}
    order = deliver(airalo, sims(1, **parts | change), 1)
    esim = order.esims.get()
    assert (esim.activation_code, esim.smdp_address, esim.matching_id) == (code, "rsp.example.com", "CODE-1")
    assert (esim.apple_installation_url, order.attention) == (link, "")


@first
def test_activation_code_of_unknown_format_is_stored_and_flagged(airalo, deliver):
    order = deliver(airalo, [poor(sim_payload(qrcode="<svg>", lpa=None, matching_id=None))], 1)
    esim = order.esims.get()
    assert (esim.activation_code, esim.apple_installation_url) == ("<svg>", "")
    assert "has an unknown form" in order.attention
    assert "<svg>" not in order.attention


@first
def test_surplus_esims_are_stored_and_flagged(airalo, deliver):
    order = deliver(airalo, sims(3), 2)
    assert (order.delivered_quantity, order.missing, order.is_complete) == (3, 0, True)
    assert order.attention == "Airalo delivered 3 eSIMs, 2 were ordered."
    assert order.due_at is None


@first
def test_esims_with_same_iccid_and_different_codes_are_both_stored(airalo, deliver):
    delivered = sims(2, iccid="8900000000000000123")
    order = deliver(airalo, delivered, 2)
    assert codes(order) == [("8900000000000000123", sim["qrcode"]) for sim in delivered]
    assert "two eSIMs with the ICCID 8900000000000000123" in order.attention
    assert order.is_complete


@first
def test_repeated_esim_is_stored_once(airalo, deliver):
    delivered = sim_payload()
    order = deliver(airalo, [delivered, {**delivered, "iccid": delivered["iccid"] + "F"}, delivered], 3)
    assert codes(order) == [(delivered["iccid"], delivered["qrcode"])]
    assert order.missing == 2


@first
@pytest.mark.parametrize(
    "shape",
    [
        lambda sim: {"0": sim},
        lambda sim: {"7": sim},
        lambda sim: sim,
        lambda sim: {"data": [sim]},
        lambda sim: [sim, None],
        lambda sim: [sim | {"id": str(sim["id"])}],
        lambda sim: [sim | {"id": "a-uuid"}],
        lambda sim: [sim | {"iccid": int(sim["iccid"])}],
        lambda sim: [sim | {"apn": [], "is_roaming": "maybe", "msisdn": 15550100, "created_at": 5}],
    ],
)
def test_sims_in_unusual_shape_are_parsed(airalo, deliver, shape):
    sim = sim_payload()
    order = deliver(airalo, shape(sim), 1)
    assert codes(order) == [(sim["iccid"], sim["qrcode"])]
    assert order.is_complete
