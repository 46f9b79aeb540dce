"""Orders made outside are taken over once, without a sound."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import StringIO
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_airalo import services
from django_airalo.models import Esim, EsimOrder
from django_airalo.services import operations
from django_airalo.testing import order_payload, sim_payload
from django_airalo.testing.delivery import respond
from tests.factories import EsimFactory, EsimOrderFactory, at_airalo
from tests.fakes import FakeAiralo

pytestmark = pytest.mark.django_db


class Outside(FakeAiralo):
    """Lists ``listed``, ``per_page`` orders to a page."""

    def __init__(self):
        super().__init__()
        self.listed = []
        self.per_page = 2
        self.queries = []
        self.fail_at = 0

    def _handle(self, request):
        if request.method != "GET" or not request.path_url.startswith("/v2/orders?"):
            return super()._handle(request)
        query = {key: values[0] for key, values in parse_qs(urlsplit(request.path_url).query).items()}
        self.queries.append(query)
        page = int(query.get("page", 1))
        if page == self.fail_at:
            return respond(401, {"data": [], "meta": {"message": "This action is unauthorized."}})
        items = self.listed[(page - 1) * self.per_page : page * self.per_page]
        last = max(1, -(-len(self.listed) // self.per_page))
        return respond(200, {"data": items, "meta": {"current_page": page, "last_page": last}})


@pytest.fixture
def airalo():
    with Outside() as fake:
        yield fake


def counts(report):
    return {name: count for name, count in vars(report).items() if count}


def topup(**content):
    payload = order_payload(type="topup", **content)
    del payload["sims"]
    return payload


def test_orders_made_outside_are_imported_with_esims(airalo, heard):
    first = order_payload(quantity=2, description="by hand", price=9, created_at="2026-01-02 03:04:05")
    second = order_payload(package_id="other")
    airalo.listed = [first, second, order_payload()]
    seen = []
    report = operations.import_orders(progress=lambda page, last: seen.append((page, last)))
    assert counts(report) == {"listed": 3, "imported": 3, "esims": 4}
    assert seen == [(1, 2), (2, 2)]
    order = EsimOrder.objects.get(airalo_order_id=first["id"])
    assert (order.status, order.is_imported, order.user, order.type, order.quantity) == (
        "completed",
        True,
        None,
        "sim",
        2,
    )
    assert (order.description, order.airalo_order_code, str(order.price)) == ("by hand", first["code"], "9.00")
    assert order.created_at == order.completed_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert (order.due_at, order.attention) == (None, "")
    assert {esim.iccid: esim.activation_code for esim in order.esims.all()} == {
        sim["iccid"]: sim["qrcode"] for sim in first["sims"]
    }
    services.sweep()
    assert heard == []


def test_second_import_changes_nothing(airalo, heard):
    airalo.listed = [order_payload(), topup(package_id="x-topup"), order_payload(status={"slug": "failed"}, sims=[])]
    operations.import_orders()
    before = list(EsimOrder.objects.order_by("pk").values())
    assert counts(operations.import_orders()) == {"listed": 3, "known": 3}
    assert list(EsimOrder.objects.order_by("pk").values()) == before
    assert Esim.objects.count() == 1
    assert sorted(EsimOrder.objects.values_list("status", flat=True)) == ["completed", "completed", "failed"]


def test_import_leaves_own_orders_unchanged(airalo):
    ours = EsimOrderFactory(unconfirmed=True)  # Airalo has it, which we do not know yet
    mine = EsimFactory()
    airalo.listed = [
        at_airalo(airalo, ours).payload,
        order_payload(sims=[sim_payload(iccid=mine.iccid)], description=""),
    ]
    assert counts(operations.import_orders()) == {"listed": 2, "known": 2}
    ours.refresh_from_db()
    assert ours.status == "unconfirmed"


def test_second_purchase_with_own_reference_is_imported_as_duplicate(airalo, heard):
    ours = EsimOrderFactory(completed=True, airalo_order_id=1)
    first = at_airalo(airalo, ours, id=1).payload
    airalo.listed = [first]
    services.sync_order(ours)
    second = at_airalo(airalo, ours, id=2).payload
    third = at_airalo(airalo, ours, id=3).payload  # on another page
    airalo.listed = [second, first, third]
    assert counts(operations.import_orders(dry_run=True)) == {"listed": 3, "known": 3}
    assert EsimOrder.objects.count() == 1
    for _ in range(2):
        assert counts(operations.import_orders()) == {"listed": 3, "known": 3}
        ours.refresh_from_db()
        assert (ours.airalo_order_id, ours.attention.count("fulfilled the order twice")) == (1, 2)
        duplicates = ours.duplicates.order_by("airalo_order_id")
        assert [order.airalo_order_id for order in duplicates] == [2, 3]
        assert [order.esims.get().iccid for order in duplicates] == [
            payload["sims"][0]["iccid"] for payload in (second, third)
        ]
        assert EsimOrder.objects.count() == 3
    assert heard == []


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_import_completes_own_failed_or_cancelled_order_late(airalo, heard, committed, status):
    ours = EsimOrderFactory(**{status: True})
    airalo.listed = [at_airalo(airalo, ours).payload]
    with committed():
        assert counts(operations.import_orders()) == {"listed": 1, "known": 1}
    ours.refresh_from_db()
    assert (ours.status, ours.esims.count()) == ("completed", 1)
    assert [kwargs["late"] for kwargs in heard.of("esim_order_completed")] == [True]


def test_order_of_other_shop_on_account_is_imported(airalo):
    airalo.listed = [order_payload(description="f" * 32)]
    assert counts(operations.import_orders()) == {"listed": 1, "imported": 1, "esims": 1}


def test_undelivered_order_is_imported_only_after_delivery(airalo):
    airalo.listed = [order_payload(sims=[])]
    assert counts(operations.import_orders()) == {"listed": 1, "unfinished": 1}
    airalo.listed[0]["sims"] = [sim_payload()]
    assert counts(operations.import_orders()) == {"listed": 1, "imported": 1, "esims": 1}


def test_imported_topup_is_linked_to_esim_named_in_description(airalo):
    esim = EsimFactory()
    airalo.listed = [topup(description=f"Topup ({esim.iccid})"), topup(description="by hand")]
    assert counts(operations.import_orders()) == {"listed": 2, "imported": 2}
    assert [order.esim for order in EsimOrder.objects.filter(type="topup").order_by("pk")] == [esim, None]


@pytest.mark.parametrize("broken", [{"id": None}, {"package_id": ""}, {"sims": [{"iccid": "12"}]}])
def test_flawed_order_does_not_stop_import_of_others(airalo, broken):
    airalo.listed = [order_payload(**broken), order_payload()]
    report = operations.import_orders()
    assert (report.flawed, report.esims) == (1, 2 if "sims" in broken else 1)  # an odd eSIM is kept


def test_dry_run_of_import_only_counts(airalo):
    airalo.listed = [order_payload(quantity=3)]
    assert counts(operations.import_orders(dry_run=True)) == {"listed": 1, "imported": 1, "esims": 3}
    assert not EsimOrder.objects.exists()


def test_import_sends_signals_if_requested(airalo, heard):
    airalo.listed = [order_payload()]
    operations.import_orders(signal=True)
    services.sweep()
    assert heard.names() == ["esim_order_status_changed", "esim_order_completed"]


def test_import_without_new_orders_uses_five_queries(airalo):
    airalo.per_page = 100
    airalo.listed = [order_payload() for _ in range(40)]
    operations.import_orders()
    with CaptureQueriesContext(connection) as queries:
        operations.import_orders()
    # The ids, the orders, their eSIMs, the clock, what codes are known by; none has a reference.
    assert len(queries) == 5


def test_command_filters_by_date_and_rejects_invalid_date(airalo):
    airalo.listed = [order_payload()]
    out = StringIO()
    call_command("airalo_import_orders", "--since", "2026-01-01", "--dry-run", stdout=out)
    assert out.getvalue() == "listed=1 known=0 unfinished=0 imported=1 esims=1 repaired=0 flawed=0\n"
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)  # wherever Airalo is, it may be
    assert airalo.queries[0]["filter[created_at]"] == f"2026-01-01 - {tomorrow}"
    call_command("airalo_import_orders", "--until", "2026-02-01", stdout=out)
    assert airalo.queries[1]["filter[created_at]"] == "2000-01-01 - 2026-02-01"
    with pytest.raises(CommandError, match="2026-13-01"):
        call_command("airalo_import_orders", "--since", "2026-13-01")


def test_unreadable_page_keeps_orders_imported_before_it(airalo):
    airalo.listed = [order_payload() for _ in range(4)]
    airalo.fail_at = 2
    with pytest.raises(CommandError):
        call_command("airalo_import_orders")
    assert EsimOrder.objects.count() == 2
