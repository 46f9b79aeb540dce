from __future__ import annotations

from datetime import timedelta

import pytest

from django_airalo import services
from django_airalo.exceptions import AiraloAPIError, AiraloConfigurationError, AiraloResponseError
from django_airalo.models import EsimOrder
from django_airalo.services import database
from django_airalo.testing import FakeAiralo
from django_airalo.testing.api import respond
from tests.factories import LONG_AGO, EsimOrderFactory, ago, at_airalo, due_now

pytestmark = pytest.mark.django_db

Status = EsimOrder.Status


class Listing(FakeAiralo):
    """Lists exactly what it is told, whatever is searched for."""

    def __init__(self):
        super().__init__()
        self.listed = []
        self.asked = []

    def _handle(self, request):
        if request.method == "GET" and request.path_url.startswith("/v2/orders"):
            self.asked.append(request.path_url)
            return respond(200, {"data": self.listed, "meta": {"message": "success"}})
        return super()._handle(request)


@pytest.fixture
def listing():
    with Listing() as fake:
        yield fake


def sync(order, committed):
    with committed():
        return services.sync_order(order)


@pytest.mark.parametrize("status", ["pending", "submitting", "accepted", "unconfirmed", "failed", "cancelled"])
def test_a_listed_order_with_esims_is_completed(airalo, heard, committed, status):
    order = EsimOrderFactory(**{status: True, "quantity": 2})
    fake = at_airalo(airalo, order)
    order = sync(order.pk, committed)
    assert (order.status, order.due_at, order.airalo_order_id) == ("completed", None, fake.payload["id"])
    assert {esim.iccid for esim in order.esims.all()} == {sim["iccid"] for sim in fake.payload["sims"]}
    assert [k["late"] for k in heard.of("esim_order_completed")] == [status in ("failed", "cancelled")]
    assert order.events.get(new_status="completed").source == "look-up"
    assert len(airalo.orders) == 1


@pytest.mark.parametrize("status", ["pending", "submitting", "unconfirmed"])
def test_a_listed_order_without_esims_is_accepted(airalo, heard, committed, status):
    order = EsimOrderFactory(**{status: True})
    fake = at_airalo(airalo, order, sims=[])
    order = sync(order, committed)
    assert (order.status, order.airalo_order_id) == ("accepted", fake.payload["id"])
    assert order.due_at > database.now()
    assert heard.names()[-1] == "esim_order_accepted"


@pytest.mark.parametrize("status", ["accepted", "completed", "failed", "cancelled"])
def test_a_listed_order_without_esims_changes_no_other_status(airalo, heard, committed, status):
    order = EsimOrderFactory(**{status: True})
    at_airalo(airalo, order, sims=[])
    assert sync(order, committed).status == status
    assert heard == []


def listed(order, **fields):
    return {"id": 5, "description": order.airalo_description, "sims": [], **fields}


@pytest.mark.parametrize("status", ["pending", "submitting", "accepted", "unconfirmed"])
def test_a_listed_failure_fails_the_order(listing, heard, committed, status):
    order = EsimOrderFactory(**{status: True})
    listing.listed = [listed(order, status={"name": "Failed", "slug": "failed"})]
    order = sync(order, committed)
    assert (order.status, order.error_reason) == ("failed", "Airalo lists the order as failed.")
    assert heard.names()[-1] == "esim_order_failed"


def test_it_searches_for_the_reference(listing, committed):
    order = EsimOrderFactory(accepted=True, description="line 7")
    sync(order, committed)
    assert f"filter%5Bdescription%5D={order.reference}" in listing.asked[0]


@pytest.mark.parametrize("description", ["about {}", "x{}", "{}x", "{}{}", "{0:.31}", " {}"])
def test_another_order_that_merely_mentions_the_reference_is_not_ours(listing, committed, description):
    """Airalo searches with LIKE."""
    order = EsimOrderFactory(unconfirmed=True)
    trap = description.format(order.reference, order.reference)
    listing.listed = [listed(order, description=trap, sims=[{"iccid": "8900000000000000123"}])]
    order = sync(order, committed)
    if trap.strip() == order.reference:  # blanks around it are nobody's words
        assert order.status == "completed"
    else:
        assert (order.status, order.esims.count()) == ("unconfirmed", 0)


def test_the_order_is_found_between_such_traps(airalo, committed):
    order, other = EsimOrderFactory(unconfirmed=True), EsimOrderFactory(accepted=True)
    trap = at_airalo(airalo, other, description=f"{other.reference} replaces {order.reference}")
    fake = at_airalo(airalo, order)
    order = sync(order, committed)
    assert order.esims.get().iccid == fake.payload["sims"][0]["iccid"]
    other.refresh_from_db()
    assert other.status == "accepted"
    assert trap.payload["sims"]


@pytest.mark.parametrize("status", ["accepted", "unconfirmed", "submitting", "pending"])
def test_two_listed_orders_are_guessed_about_by_nobody(listing, heard, committed, status):
    order = EsimOrderFactory(**{status: True})
    sims = [{"iccid": "8900000000000000123"}]
    listing.listed = [listed(order, id=7, sims=sims), listed(order, id=3)]
    order = sync(order, committed)
    assert order.status == "unconfirmed"
    assert order.attention == "Airalo lists more than one order with this reference: 3, 7."
    assert not order.esims.exists()
    again = sync(order, committed)
    assert again.attention == order.attention
    assert heard.names().count("esim_order_unconfirmed") == (status != "unconfirmed")


def test_the_same_order_listed_twice_is_one(listing, committed):
    """A list that moves on while it is read shows a row twice."""
    order = EsimOrderFactory(accepted=True)
    listing.listed = [listed(order, sims=[{"iccid": "8900000000000000123"}])] * 2
    assert sync(order, committed).status == "completed"


def test_rows_that_are_no_orders_are_skipped(listing, committed):
    order = EsimOrderFactory(accepted=True)
    listing.listed = [{}, {"description": None}, listed(order, sims=[{"iccid": "8900000000000000123"}])]
    assert sync(order, committed).status == "completed"


def test_of_a_list_that_is_none_nothing_is_concluded(listing, committed):
    order = EsimOrderFactory(unconfirmed=True)
    listing.listed = ["The limit must be an integer."]
    with pytest.raises(AiraloResponseError):
        sync(order, committed)
    assert not order.events.filter(kind="looked_up").exists()


class Away(FakeAiralo):
    def __init__(self, status=500, body=b"<html>"):
        super().__init__()
        self.scripted = (status, body)

    def __enter__(self):
        scripted = self.scripted
        super().__enter__()
        self.scripted = scripted
        return self

    def _handle(self, request):
        if request.method == "GET":
            return respond(*self.scripted)
        return super()._handle(request)


@pytest.mark.parametrize(
    "answer", [(500, b""), (200, b"<html>"), (200, {"data": "none"}), (429, {}), (401, {}), (404, {}), (204, b"")]
)
def test_an_unsuccessful_look_up_changes_nothing(answer, heard, committed):
    order = EsimOrderFactory(unconfirmed=True, unconfirmed_at=LONG_AGO)
    before = EsimOrder.objects.values().get()
    with Away(*answer), pytest.raises(AiraloAPIError), committed():
        services.sync_order(order)
    assert EsimOrder.objects.values().get() == before
    assert not order.events.exists()


def test_without_credentials_it_says_so(settings):
    settings.AIRALO_CLIENT_SECRET = ""
    with pytest.raises(AiraloConfigurationError, match="AIRALO_CLIENT_SECRET"):
        services.sync_order(EsimOrderFactory(accepted=True))


def test_an_unknown_order_is_said_to_be_unknown(airalo):
    with pytest.raises(EsimOrder.DoesNotExist):
        services.sync_order(10**6)


# Not listed


@pytest.mark.parametrize("policy", ["hold", "resubmit"])
def test_before_the_end_of_the_grace_nothing_is_decided(airalo, settings, committed, policy):
    settings.AIRALO_UNCONFIRMED_POLICY = policy
    settings.AIRALO_UNCONFIRMED_GRACE = 100
    order = EsimOrderFactory(unconfirmed=True, unconfirmed_at=ago(90))
    order = sync(order, committed)
    assert (order.status, order.attention) == ("unconfirmed", "")
    assert order.events.get().kind == "looked_up"


def test_after_the_grace_hold_calls_a_person(airalo, settings, committed):
    settings.AIRALO_UNCONFIRMED_GRACE = 100
    order = EsimOrderFactory(unconfirmed=True, unconfirmed_at=ago(110))
    for _ in range(2):
        order = sync(order, committed)
    assert order.status == "unconfirmed"
    assert order.attention.startswith("Unconfirmed: not listed after the grace period.")
    assert order.events.filter(kind="attention").count() == 1
    assert airalo.orders == []


def test_after_the_grace_resubmit_sends_it_again_after_one_more_look(airalo, settings, committed):
    settings.AIRALO_UNCONFIRMED_POLICY = "resubmit"
    airalo.time_out()
    order = services.submit_order(EsimOrderFactory())
    EsimOrder.objects.update(unconfirmed_at=LONG_AGO)
    order = sync(order, committed)
    assert (order.status, order.look_up_first, order.attention) == ("pending", True, "")
    assert len(airalo.orders) == 1
    airalo.settle()
    order.refresh_from_db()
    assert (order.status, order.attempt) == ("accepted", 2)
    assert len(airalo.orders) == 2
    # The grace of a second time-out starts anew.
    assert order.look_up_first is False


def test_an_order_that_airalo_once_accepted_is_never_sent_again(airalo, settings, committed):
    settings.AIRALO_UNCONFIRMED_POLICY = "resubmit"
    order = EsimOrderFactory(unconfirmed=True, request_id="request-1", unconfirmed_at=LONG_AGO)
    order = sync(order, committed)
    assert order.status == "unconfirmed"
    assert order.attention


def test_unconfirmed_and_then_found(airalo, heard, committed):
    airalo.time_out(bought=True)
    order = services.submit_order(EsimOrderFactory())
    assert sync(order, committed).status == "unconfirmed"
    airalo.list(order)
    assert sync(order, committed).status == "completed"
    assert [name for name in heard.names() if name != "esim_order_status_changed"] == [
        "esim_order_unconfirmed",
        "esim_order_completed",
    ]
    assert heard.of("esim_order_completed")[0]["late"] is False
    assert len(airalo.orders) == 1


@pytest.mark.parametrize("is_listed", [True, False])
def test_an_overdue_order_needs_attention_once(airalo, settings, committed, is_listed):
    settings.AIRALO_OVERDUE_AFTER = 100
    order = EsimOrderFactory(accepted=True)
    if is_listed:  # but without eSIMs
        at_airalo(airalo, order, sims=[])
    EsimOrder.objects.update(accepted_at=ago(90))
    assert sync(order, committed).attention == ""
    EsimOrder.objects.update(accepted_at=ago(110))
    for _ in range(2):
        order = sync(order, committed)
    assert (order.status, order.attention) == (
        "accepted",
        "Overdue: accepted, but neither delivered nor refused.",
    )
    assert order.events.filter(kind="attention").count() == 1


# Airalo's sandbox sends no webhooks


def test_in_the_sandbox_orders_complete_by_look_up_alone_and_soon(airalo, settings, heard, committed):
    settings.AIRALO_SANDBOX = True
    with committed():
        order = services.place_order(package_id="test-mobile-7days-1gb", quantity=3)
    order.refresh_from_db()
    assert order.due_at - database.now() <= timedelta(seconds=5)
    due_now(order)
    airalo.settle()
    order.refresh_from_db()
    assert order.status == "accepted"
    assert order.due_at - database.now() <= timedelta(seconds=5.5)
    airalo.list(order)
    due_now(order)
    airalo.settle()
    order.refresh_from_db()
    assert order.status == "completed"
    assert order.esims.count() == 3
    assert heard.names(order)[-1] == "esim_order_completed"
