from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from django_airalo import services
from django_airalo.exceptions import AiraloAPIError, AiraloConfigurationError, AiraloResponseError
from django_airalo.models import EsimOrder
from django_airalo.services import operations
from django_airalo.services.core import database
from django_airalo.services.orders.record import OVERDUE
from django_airalo.testing.delivery import respond
from tests.factories import LONG_AGO, EsimOrderFactory, ago, at_airalo, due_now
from tests.fakes import FakeAiralo

pytestmark = pytest.mark.django_db

Status = EsimOrder.Status


class Listing(FakeAiralo):
    """Lists exactly what a test sets, for any search."""

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
def test_listed_order_with_esims_is_completed(airalo, heard, committed, status):
    order = EsimOrderFactory(**{status: True, "quantity": 2})
    fake = at_airalo(airalo, order)
    order = sync(order.pk, committed)
    assert (order.status, order.due_at, order.airalo_order_id) == ("completed", None, fake.payload["id"])
    assert {esim.iccid for esim in order.esims.all()} == {sim["iccid"] for sim in fake.payload["sims"]}
    assert [k["late"] for k in heard.of("esim_order_completed")] == [status in ("failed", "cancelled")]
    assert order.events.get(new_status="completed").source == "look-up"
    assert len(airalo.orders) == 1


@pytest.mark.parametrize("status", ["pending", "submitting", "unconfirmed"])
def test_listed_order_without_esims_is_accepted(airalo, heard, committed, status):
    order = EsimOrderFactory(**{status: True})
    fake = at_airalo(airalo, order, sims=[])
    order = sync(order, committed)
    assert (order.status, order.airalo_order_id) == ("accepted", fake.payload["id"])
    assert order.due_at > database.db_now()
    assert heard.names()[-1] == "esim_order_accepted"


@pytest.mark.parametrize("status", ["failed", "refunded"])
@pytest.mark.parametrize("is_flagged", [False, True])
@pytest.mark.parametrize("look_up", ["alone", "sweep"])
def test_known_accepted_order_that_airalo_failed_or_refunded_is_failed(
    listing, heard, committed, status, is_flagged, look_up
):
    """A look-up found it before, so its number at Airalo is not new."""
    order = EsimOrderFactory(accepted=True, airalo_order_id=5, due_at=LONG_AGO, created_at=ago(9 * 86400))
    if is_flagged:
        EsimOrder.objects.update(attention=OVERDUE)
    listing.listed = [listed(order, status=status)]
    with committed():
        services.sync_order(order) if look_up == "alone" else services.sweep()
    order.refresh_from_db()
    assert (order.status, order.error_reason) == ("failed", f"Airalo lists the order as {status}.")
    assert heard.names(order)[-1] == "esim_order_failed"


@pytest.mark.parametrize("status", ["accepted", "completed", "failed", "cancelled"])
def test_listed_order_without_esims_keeps_accepted_or_final_status(airalo, heard, committed, status):
    order = EsimOrderFactory(**{status: True})
    at_airalo(airalo, order, sims=[])
    assert sync(order, committed).status == status
    assert heard == []


def listed(order, **fields):
    return {"id": 5, "description": order.airalo_description, "sims": [], **fields}


@pytest.mark.parametrize("status", ["pending", "submitting", "accepted", "unconfirmed"])
def test_order_listed_as_failed_fails(listing, heard, committed, status):
    order = EsimOrderFactory(**{status: True})
    listing.listed = [listed(order, status={"name": "Failed", "slug": "failed"})]
    order = sync(order, committed)
    assert (order.status, order.error_reason) == ("failed", "Airalo lists the order as failed.")
    assert heard.names()[-1] == "esim_order_failed"


def test_lookup_searches_for_reference(listing, committed):
    order = EsimOrderFactory(accepted=True, description="line 7")
    sync(order, committed)
    assert f"filter%5Bdescription%5D={order.reference}" in listing.asked[0]


@pytest.mark.parametrize("description", ["about {}", "x{}", "{}x", "{}{}", "{0:.31}", " {}"])
def test_order_merely_mentioning_reference_is_not_matched(listing, committed, description):
    """Airalo searches with LIKE."""
    order = EsimOrderFactory(unconfirmed=True)
    trap = description.format(order.reference, order.reference)
    listing.listed = [listed(order, description=trap, sims=[{"iccid": "8900000000000000123"}])]
    order = sync(order, committed)
    if trap.strip() == order.reference:  # blanks around it do not count
        assert order.status == "completed"
    else:
        assert (order.status, order.esims.count()) == ("unconfirmed", 0)


@pytest.mark.parametrize("status", ["unconfirmed", "accepted"])
@pytest.mark.parametrize("user", [None, "someone"])
def test_second_purchase_that_was_imported_becomes_the_duplicate(listing, committed, django_user_model, status, user):
    """The list did not show its description when it was imported, so nobody knew whose it was."""
    order = EsimOrderFactory(**{status: True})
    second = listed(order, id=9, package_id="test", sims=[{"iccid": "8900000000000000456"}])
    listing.listed = [listed(order, id=7, sims=[{"iccid": "8900000000000000123"}]), {**second, "description": ""}]
    sync(order, committed)
    assert operations.import_orders().imported == 1
    owner = django_user_model.objects.create_user(username=user) if user else None
    EsimOrder.objects.filter(airalo_order_id=9).update(user=owner)
    listing.listed[1] = second
    for _ in range(2):
        order = sync(order, committed)
    assert (order.status, order.airalo_order_id, order.esims.get().iccid) == ("completed", 7, "8900000000000000123")
    assert "fulfilled the order twice" in order.attention
    duplicate = order.duplicates.get()
    assert (duplicate.airalo_order_id, duplicate.user, duplicate.esims.get().iccid) == (9, owner, "8900000000000000456")
    assert duplicate.events.latest("pk").detail == "Bought in addition to 7, for the same order."
    assert (duplicate.esims.get().usage_due_at is None) == (user is None)


def test_order_is_found_among_orders_mentioning_its_reference(airalo, committed):
    order, other = EsimOrderFactory(unconfirmed=True), EsimOrderFactory(accepted=True)
    trap = at_airalo(airalo, other, description=f"{other.reference} replaces {order.reference}")
    fake = at_airalo(airalo, order)
    order = sync(order, committed)
    assert order.esims.get().iccid == fake.payload["sims"][0]["iccid"]
    other.refresh_from_db()
    assert other.status == "accepted"
    assert trap.payload["sims"]


@pytest.mark.parametrize("status", ["accepted", "unconfirmed", "submitting", "pending"])
def test_order_listed_twice_is_unconfirmed_and_flagged(listing, heard, committed, status):
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


def test_repeated_row_of_same_order_counts_once(listing, committed):
    """A list that moves on while it is read shows a row twice."""
    order = EsimOrderFactory(accepted=True)
    listing.listed = [listed(order, sims=[{"iccid": "8900000000000000123"}])] * 2
    assert sync(order, committed).status == "completed"


def test_invalid_rows_are_skipped(listing, committed):
    order = EsimOrderFactory(accepted=True)
    listing.listed = [{}, {"description": None}, listed(order, sims=[{"iccid": "8900000000000000123"}])]
    assert sync(order, committed).status == "completed"


def test_invalid_list_raises_and_is_not_logged_as_lookup(listing, committed):
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
def test_failed_lookup_changes_nothing(answer, heard, committed):
    order = EsimOrderFactory(unconfirmed=True, unconfirmed_at=LONG_AGO)
    before = EsimOrder.objects.values().get()
    with Away(*answer), pytest.raises(AiraloAPIError), committed():
        services.sync_order(order)
    assert EsimOrder.objects.values().get() == before
    assert not order.events.exists()


def test_lookup_without_credentials_raises_configuration_error(settings):
    settings.AIRALO_CLIENT_SECRET = ""
    with pytest.raises(AiraloConfigurationError, match="AIRALO_CLIENT_SECRET"):
        services.sync_order(EsimOrderFactory(accepted=True))


def test_lookup_of_unknown_order_raises(airalo):
    with pytest.raises(EsimOrder.DoesNotExist):
        services.sync_order(10**6)


# Not listed


@pytest.mark.parametrize("policy", ["hold", "resubmit"])
def test_unlisted_order_stays_unconfirmed_during_grace_period(airalo, settings, committed, policy):
    settings.AIRALO_UNCONFIRMED_POLICY = policy
    settings.AIRALO_UNCONFIRMED_GRACE = 100
    order = EsimOrderFactory(unconfirmed=True, unconfirmed_at=ago(90))
    assert 90 < (order.in_doubt_until - database.db_now()).total_seconds() <= 100.01
    order = sync(order, committed)
    assert (order.status, order.attention) == ("unconfirmed", "")
    assert order.events.get().kind == "looked_up"


def test_hold_policy_flags_unlisted_order_after_grace_period(airalo, settings, committed):
    settings.AIRALO_UNCONFIRMED_GRACE = 100
    order = EsimOrderFactory(unconfirmed=True, in_doubt_until=ago(10))
    for _ in range(2):
        order = sync(order, committed)
    assert order.status == "unconfirmed"
    assert order.attention.startswith("Unconfirmed: not listed after the grace period.")
    assert order.events.filter(kind="attention").count() == 1
    assert airalo.orders == []


def test_resubmit_policy_sends_unlisted_order_again_after_grace_period(airalo, settings, committed):
    settings.AIRALO_UNCONFIRMED_POLICY = "resubmit"
    airalo.time_out()
    order = services.submit_order(EsimOrderFactory())
    EsimOrder.objects.update(in_doubt_until=LONG_AGO)
    order = sync(order, committed)
    assert (order.status, order.look_up_first, order.attention) == ("pending", True, "")
    assert len(airalo.orders) == 1
    airalo.sweep()
    order.refresh_from_db()
    assert (order.status, order.attempt) == ("accepted", 2)
    assert len(airalo.orders) == 2
    # The grace of a second time-out starts again.
    assert order.look_up_first is False


@pytest.mark.parametrize("shows", [True, False])
def test_future_order_shown_or_possibly_hidden_by_list_is_not_resubmitted(airalo, settings, committed, shows):
    settings.AIRALO_UNCONFIRMED_POLICY = "resubmit"
    airalo.future_descriptions = shows
    date = datetime.now(UTC) + timedelta(days=9)
    other = services.submit_order(EsimOrderFactory(due_date=date))
    airalo.time_out(bought=True)
    order = services.submit_order(EsimOrderFactory(due_date=date))
    EsimOrder.objects.filter(pk=order.pk).update(in_doubt_until=LONG_AGO)
    for _ in range(3):
        order = sync(order, committed)
        order = services.submit_order(order)
    assert len(airalo.orders) == 2
    assert other.status == "scheduled"
    assert (order.status, bool(order.attention)) == (("scheduled", False) if shows else ("unconfirmed", True))


def test_future_order_is_resubmitted_if_all_rows_without_description_are_known(airalo, settings, committed):
    settings.AIRALO_UNCONFIRMED_POLICY = "resubmit"
    airalo.future_descriptions = False
    date = datetime.now(UTC) + timedelta(days=9)
    services.submit_order(EsimOrderFactory(due_date=date))
    order = EsimOrderFactory(unconfirmed=True, due_date=date, in_doubt_until=LONG_AGO)
    assert sync(order, committed).status in ("pending", "submitting", "scheduled")


def test_order_accepted_before_is_flagged_and_not_sent_again(airalo, settings, committed):
    settings.AIRALO_UNCONFIRMED_POLICY = "resubmit"
    order = EsimOrderFactory(unconfirmed=True, request_id="request-1", in_doubt_until=LONG_AGO)
    order = sync(order, committed)
    assert order.status == "unconfirmed"
    assert order.attention


def test_unconfirmed_order_is_completed_once_listed(airalo, heard, committed):
    airalo.time_out(bought=True)
    order = services.submit_order(EsimOrderFactory())
    assert sync(order, committed).status == "unconfirmed"
    airalo.fulfil(order)
    assert sync(order, committed).status == "completed"
    assert [name for name in heard.names() if name != "esim_order_status_changed"] == [
        "esim_order_unconfirmed",
        "esim_order_completed",
    ]
    assert heard.of("esim_order_completed")[0]["late"] is False
    assert len(airalo.orders) == 1


@pytest.mark.parametrize("is_listed", [True, False])
def test_overdue_order_is_flagged_once(airalo, settings, committed, is_listed):
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


@pytest.mark.parametrize("latest", ["accepted_at", "due_date", "failed_at"])
def test_order_is_overdue_by_latest_of_its_dates(airalo, settings, committed, latest):
    """A future order that was accepted days ago, or one that failed long after it, has had no time yet."""
    settings.AIRALO_OVERDUE_AFTER = 100
    moments = dict.fromkeys(("accepted_at", "due_date", "failed_at"), ago(10 * 86400))
    order = EsimOrderFactory(accepted=True, **{**moments, latest: ago(90)})
    assert sync(order, committed).attention == ""
    EsimOrder.objects.update(**{latest: ago(110)})
    assert sync(order, committed).attention.startswith("Overdue")


# Airalo's sandbox sends no webhooks


def test_sandbox_order_completes_by_lookup_alone(airalo, settings, heard, committed):
    settings.AIRALO_SANDBOX = True
    with committed():
        order = services.place_order(package_id="test-mobile-7days-1gb", quantity=3)
    order.refresh_from_db()
    assert order.due_at - database.db_now() <= timedelta(seconds=5)
    due_now(order)
    airalo.sweep()
    order.refresh_from_db()
    assert order.status == "accepted"
    assert order.due_at - database.db_now() <= timedelta(seconds=5.5)
    airalo.fulfil(order)
    due_now(order)
    airalo.sweep()
    order.refresh_from_db()
    assert order.status == "completed"
    assert order.esims.count() == 3
    assert heard.names(order)[-1] == "esim_order_completed"
