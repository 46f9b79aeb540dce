"""One part of Airalo's answers about orders and eSIMs is changed: nothing that was paid for is lost silently.

Whenever a code came, the customer can install the eSIM, or the order is flagged and the code kept for those who may
read it. Where none came, or nothing says whose it is, the order is flagged or looked up, and the look-up completes it.
"""

from __future__ import annotations

import itertools
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from django_airalo import services
from django_airalo.exceptions import AiraloAPIError
from django_airalo.models import Esim, EsimOrder, OrderEvent, UnknownOutcomes, WebhookEvent
from django_airalo.services import operations
from django_airalo.services.core import database
from django_airalo.testing import order_payload, sim_payload, topup_payload, webhook_payload
from django_airalo.testing.payloads import esim_payload, listed_order_payload
from tests.factories import EsimFactory, EsimOrderFactory, due_now
from tests.mutated import mutations

from .future_support import in_days

pytestmark = pytest.mark.django_db

#: Stands for a number that is new in each document, so that no two orders share an eSIM.
NUMBER = "70000000"
#: Parts of which no more than words is kept: they are changed once, in a webhook.
WORDS = (
    *("package", "text", "voice", "esim_type", "validity", "installation_guides", "manual_installation"),
    *("qrcode_installation", "created_at", "imsis", "qrcode_url", "airalo_code", "apn_type", "apn_value", "apn"),
    *("brand_settings_name", "pricing_model", "net_price", "currency", "is_roaming", "voucher_code"),
)
#: Other texts than the good one, in length and kind.
TEXTS = {"Unicode": "é\u202e\u200b𝟙😀", "surrogate": "\ud800", "long": "x" * 70_000, "short": "x"}
#: The names of changes, by what became of the orders.
Fates = dict[str, list[str]]
_numbers = itertools.count(71_000_000)


def template(**overrides: Any) -> dict[str, Any]:
    """Return an order as the answer to it has it, for ``fresh()``."""
    code = f"LPA:1$rsp.example.com$TEST-{NUMBER}1"
    link = f"https://esimsetup.example.com/?carddata={code}"
    sim = sim_payload(
        id=int(f"{NUMBER}3"),
        iccid=f"89000000{NUMBER}001",
        matching_id=f"TEST-{NUMBER}1",
        qrcode=code,
        qrcode_url="https://www.example.com/qr",
        direct_apple_installation_url=link,
    )
    order = order_payload(description="@REFERENCE@ the shop's words", sims=[sim])
    return {**order, "id": int(f"{NUMBER}2"), "code": f"20260102-{NUMBER}", **overrides}


def changed(document: Any, part: int = 0, of: int = 1) -> Iterator[tuple[str, Any]]:
    """Yield the document with one thing changed, in type or length or kind.

    Args:
        part: which of the changes, beginning at 0.
        of: into how many parts they are divided. All sources are read by the same code, so each tests another part.
    """
    return itertools.islice(mutations(document, skip=WORDS, also={str: TEXTS}), part, None, of)


def fresh(document: Any, order: EsimOrder | None = None) -> tuple[Any, str]:
    """Return the document for an order, and the matching id that stands for its code."""
    number = str(next(_numbers))
    text = json.dumps(document).replace(NUMBER, number)
    if order:
        text = text.replace("@REFERENCE@", order.reference).replace("@REQUEST@", order.request_id or "")
    return json.loads(text), f"TEST-{number}1"


def judge(name: str, document: Any, order: EsimOrder, matching_id: str) -> str:
    """Assert that nothing was lost silently. Returns what became of the order."""
    order.refresh_from_db()
    assert order.status in ("completed", "accepted", "unconfirmed"), name
    esims = list(Esim.objects.filter(order=order))
    if [esim.activation_code for esim in esims] == [code_of(matching_id)]:
        assert order.status == "completed", name
        return "installable"
    if order.attention:
        came = matching_id in json.dumps(document)
        assert not came or matching_id in "".join(kept_of(order, esims)), f"{name}: the code is gone"
        return "flagged"
    assert order.due_at is not None, f"{name}: {order.status}, neither flagged nor looked up"
    return "looked up"


def code_of(matching_id: str) -> str:
    return f"LPA:1$rsp.example.com${matching_id}"


def kept_of(order: EsimOrder, esims: list[Esim]) -> Iterator[str]:
    """All that who may read codes can read of an order."""
    for esim in esims:
        yield from (esim.activation_code, esim.matching_id, esim.apple_installation_url)
    yield from OrderEvent.objects.filter(order=order).values_list("secret", flat=True)
    for event in WebhookEvent.objects.filter(order=order):
        yield event.body


def run(airalo, documents, make, deliver) -> Fates:
    """Deliver each document to an order of its own; a look-up completes those that are not complete then."""
    fates: Fates = defaultdict(list)
    for name, document in documents:
        UnknownOutcomes.objects.all().delete()  # three of them would pause what follows
        order = make()
        document, matching_id = fresh(document, order)
        with suppress(AiraloAPIError):  # not understood as a whole
            deliver(order, document)
        fate = judge(name, document, order, matching_id)
        fates[fate].append(name)
        if fate != "installable":
            look_up(airalo, order, name)
    return fates


def look_up(airalo, order: EsimOrder, name: str = "") -> None:
    """Airalo lists the order as it should be: that completes it."""
    listed, matching_id = fresh(template(), order)
    airalo.override_answer("GET", "/v2/orders", page(listed_order_payload(listed)))
    order = services.sync_order(order)
    codes = [esim.activation_code for esim in order.esims.all()]
    assert (order.status, codes) == ("completed", [code_of(matching_id)]), name


def page(*rows: Any) -> dict[str, Any]:
    return {"data": list(rows), "meta": {"current_page": 1, "last_page": 1, "total": len(rows)}}


def accepted() -> EsimOrder:
    return EsimOrderFactory(accepted=True)


#: Changes after which there is no eSIM in the document, or it is no JSON (NaN).
WITHOUT_SIMS = re.compile(r"(data|(data\.|data\.0\.)?sims(\.0)?): |.*: NaN")


def assert_only_without_sims(fates: Fates) -> None:
    """Assert that each order could be installed whose eSIM was still in the document."""
    others = [name for fate in ("flagged", "looked up") for name in fates[fate] if not WITHOUT_SIMS.match(name)]
    assert not others
    assert fates["installable"]


# The answers to orders, and what comes later


@pytest.mark.parametrize("shape", ["enveloped", "flat", "nested"])
def test_changed_webhook_delivers_or_is_followed_up(airalo, settings, shape):
    settings.AIRALO_TASK_BACKEND = None
    part = {"enveloped": 0, "flat": 3, "nested": 6}[shape]

    def deliver(order, document):
        assert airalo.push(document).status_code == 200

    documents = changed(webhook_payload(template(), "@REQUEST@", shape), part, of=9)
    assert_only_without_sims(run(airalo, documents, accepted, deliver))


@pytest.mark.parametrize("own", [{}, {"amount": 1}, [], ["1 GB"], {"data": {}}])
@pytest.mark.parametrize("shape", ["enveloped", "flat", "nested"])
def test_data_field_of_order_is_not_taken_as_envelope(airalo, settings, shape, own):
    settings.AIRALO_TASK_BACKEND = None
    order = accepted()
    document, matching_id = fresh(webhook_payload(template(data=own), order.request_id, shape), order)
    airalo.push(document)
    assert judge(shape, document, order, matching_id) == "installable"


def test_changed_answer_to_sync_order_delivers_or_is_followed_up(airalo):
    def deliver(order, document):
        airalo.answer(200, document, bought=True)
        services.submit_order(order)

    documents = changed({"data": template(), "meta": {"message": "success"}}, 1, of=5)
    fates = run(airalo, documents, lambda: EsimOrderFactory(mode="sync"), deliver)
    assert_only_without_sims(fates)


def test_changed_answer_to_async_order_does_not_lose_it(airalo):
    good = {
        "data": {"request_id": f"request-{NUMBER}", "accepted_at": "2026-01-02 03:04:05"},
        "meta": {"message": "success"},
    }
    for name, document in changed(good, of=2):
        UnknownOutcomes.objects.all().delete()
        document, _ = fresh(document)
        airalo.answer(202, document, bought=True)
        order = services.submit_order(EsimOrderFactory())
        assert order.status in ("accepted", "unconfirmed"), name
        assert order.due_at, name
        payload, matching_id = fresh(template(), order)
        airalo.push(webhook_payload(payload, order.request_id or f"request-{matching_id}"))
        order.refresh_from_db()
        assert [esim.activation_code for esim in order.esims.all()] == [code_of(matching_id)], name
        assert (order.status, order.attention) == ("completed", ""), name


def test_changed_answer_to_topup_does_not_lose_it(airalo):
    good = {"data": topup_payload(description="@REFERENCE@"), "meta": {"message": "success"}}
    for name, document in changed(good, 2, of=5):
        UnknownOutcomes.objects.all().delete()
        order = EsimOrderFactory(
            type="topup", mode="sync", esim=EsimFactory(), package_id="test-mobile-7days-1gb-topup"
        )
        document, _ = fresh(document, order)
        airalo.answer(200, document, bought=True)
        order = services.submit_order(order)
        assert order.status == "completed" or (order.status == "unconfirmed" and order.due_at), (name, order.status)


def test_changed_answer_to_future_order_does_not_lose_it(airalo):
    due = in_days(30)
    good = {
        "data": {
            "request_id": f"request-{NUMBER}",
            "accepted_at": "2026-01-02 03:04:05",
            "due_date": f"{due:%Y-%m-%d %H:%M}",
            "latest_cancellation_date": f"{in_days(29):%Y-%m-%d %H:%M}",
        },
        "meta": {"message": "success"},
    }
    for name, document in changed(good):
        UnknownOutcomes.objects.all().delete()
        document, _ = fresh(document)
        airalo.answer(200, document, bought=True)
        order = services.submit_order(EsimOrderFactory(due_date=due))
        assert order.status in ("scheduled", "unconfirmed"), name
        assert order.due_at, name


def test_changed_list_of_future_orders_keeps_orders_scheduled(airalo):
    date = in_days(30)
    row = {
        "request_id": f"request-{NUMBER}",
        "quantity": 1,
        "description": "@REFERENCE@",
        "status": "pending",
        "package_id": "test",
        "due_date": f"{date:%Y-%m-%d %H:%M}",
        "latest_cancellation_date": f"{date:%Y-%m-%d %H:%M}",
    }
    airalo.override_answer("GET", "/v2/orders", page())
    for name, document in changed(page(row), of=2):
        order = EsimOrderFactory(scheduled=True, request_id=f"request-{next(_numbers)}", due_date=date)
        text = json.dumps(document).replace(f"request-{NUMBER}", order.request_id)
        airalo.override_answer("GET", "/v2/future-orders", json.loads(text.replace("@REFERENCE@", order.reference)))
        due_now(order)
        with suppress(AiraloAPIError):  # not understood as a whole
            operations.sync_future_orders()
        order.refresh_from_db()
        assert (order.status, order.due_date) == ("scheduled", date), name
        assert order.due_at, name
        order.delete()


# The lists: all changes on one page, each to a row of its own


def rows_of(document: dict[str, Any], make, *, part: int = 0, of: int = 1):
    """Return orders, changed rows and matching ids by the names of the changes."""
    rows = {}
    for name, row in changed(document, part, of):
        order = make()
        rows[name] = (order, *fresh(row, order))
    return rows


def test_list_with_changed_rows_delivers_or_is_followed_up(airalo):
    rows = rows_of(listed_order_payload(template()), accepted, part=1, of=2)
    airalo.override_answer("GET", "/v2/orders", page(*(row for _, row, _ in rows.values())))
    while EsimOrder.objects.due(database.db_now()).filter(status="accepted").exists():
        services.sweep()
    fates: Fates = defaultdict(list)
    for name, (order, row, matching_id) in rows.items():
        fates[judge(name, row, order, matching_id)].append(name)
    unnamed = [name for name in fates["looked up"] if name.startswith("description: ")]
    assert unnamed  # nothing says whose they are
    fates["looked up"] = [name for name in fates["looked up"] if name not in unnamed]
    assert_only_without_sims(fates)
    for name in (*fates["flagged"], *fates["looked up"]):
        look_up(airalo, rows[name][0], name)


def test_list_changed_outside_its_rows_loses_no_order(airalo):
    def deliver(order, document):
        airalo.override_answer("GET", "/v2/orders", document)
        services.sync_order(order)

    good = page(listed_order_payload(template()))
    documents = [(name, document) for name, document in changed(good) if not name.startswith("data.0.")]
    assert {"data: null", "data.0: null", "meta: missing"} <= {name for name, _ in documents}
    fates = run(airalo, documents, accepted, deliver)
    assert all(re.match(r"data(\.0)?: ", name) for name in fates["looked up"] + fates["flagged"])


def test_import_of_changed_rows_stores_code_or_counts_row_as_flawed(airalo, caplog):
    rows = rows_of(listed_order_payload(template(description="by hand")), lambda: None, part=2, of=3)
    airalo.override_answer("GET", "/v2/orders", page(*(row for _, row, _ in rows.values())))
    report = operations.import_orders()
    kept = {esim.activation_code for esim in Esim.objects.all()}
    lost = [
        name for name, (_, row, number) in rows.items() if number in json.dumps(row) and code_of(number) not in kept
    ]
    assert all(re.match(r"(id|package_id): ", name) for name in lost), lost
    assert report.flawed >= len(lost)


# One eSIM


def test_changed_details_fill_in_code_or_leave_order_flagged(airalo):
    good = {"data": esim_payload(template()["sims"][0], template()), "meta": {"message": "success"}}
    for name, document in changed(good, 0, of=7):
        number = str(next(_numbers))
        order = poor_order(airalo, number)
        document = json.loads(json.dumps(document).replace(NUMBER, number))
        airalo.override_answer("GET", f"/v2/sims/89000000{number}001", document)
        operations.sync_order_details(order)
        assert_filled_or_flagged(name, document, order, number)


def test_changed_rows_in_list_of_esims_fill_in_codes_or_leave_orders_flagged(airalo):
    rows = []
    for name, row in changed(esim_payload(template()["sims"][0], template()), 1, of=8):
        number = str(next(_numbers))
        order = poor_order(airalo, number)
        text = json.dumps(row).replace(NUMBER, number).replace("@REFERENCE@", order.reference)
        rows.append((name, order, json.loads(text), number))
    airalo.override_answer("GET", "/v2/sims", page(*(row for _, _, row, _ in rows)))
    operations.sync_esims()
    for name, order, row, number in rows:
        assert_filled_or_flagged(name, row, order, number)


def poor_order(airalo, number: str) -> EsimOrder:
    order = accepted()
    sim = {"id": int(f"{number}3"), "iccid": f"89000000{number}001"}
    payload = order_payload(description=order.airalo_description, sims=[sim], id=int(f"{number}2"))
    airalo.push(webhook_payload(payload, order.request_id))
    order.refresh_from_db()
    assert (order.status, "Without activation code" in order.attention) == ("completed", True)
    return order


def assert_filled_or_flagged(name: str, document: Any, order: EsimOrder, number: str) -> None:
    order.refresh_from_db()
    code = order.esims.get().activation_code
    assert code in ("", code_of(f"TEST-{number}1")), name
    assert bool(code) != ("Without activation code" in order.attention), name
    if not code:
        assert order.due_at, name
