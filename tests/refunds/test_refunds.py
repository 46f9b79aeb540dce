"""Refunds: at most one request for each, after any answer; an operator records the outcome."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest
from django.core.exceptions import ValidationError
from django.db import transaction

from django_airalo import services
from django_airalo.client import get_client
from django_airalo.exceptions import IllegalTransitionError
from django_airalo.models import Esim, OrderEvent, Refund, RefundReason
from django_airalo.services import operations
from django_airalo.services.core import database
from django_airalo.services.orders import outbound
from tests.factories import LONG_AGO, EsimFactory, RefundFactory
from tests.rates import NO_LIMITS
from tests.scripted_server import Answer, ScriptedServer

pytestmark = pytest.mark.django_db

Status = Refund.Status
TOKEN = Answer(200, {"data": {"access_token": "a" * 40, "expires_in": 86400}})
TAKEN = Answer(202, {"data": {"refund_id": "4711", "created_at": "2026-01-02 09:30"}, "meta": {"message": "success"}})


@pytest.fixture
def server(settings):
    """Airalo over HTTP: gives a token and takes refunds."""
    with ScriptedServer() as running:
        running.on("/v2/token", TOKEN)
        running.on("/v2/refund", TAKEN)
        settings.AIRALO_BASE_URL = running.url
        settings.AIRALO_RATE_LIMITS = NO_LIMITS
        yield running


@pytest.fixture
def request_refund(committed):
    def request_refund(*arguments, **named):
        with committed():
            refunds = services.request_refund(*arguments, **named)
        for refund in refunds:
            refund.refresh_from_db()
        return refunds

    return request_refund


def asked(server):
    return [request.json() for request in server.requests("/v2/refund")]


def overdue(refund):
    Refund.objects.filter(pk=refund.pk).update(due_at=LONG_AGO)


def test_refund_is_sent_after_commit(server, heard, committed):
    esim = EsimFactory()
    with committed():
        (refund,) = services.request_refund(
            [esim], reason=RefundReason.OTHERS, notes="The ship sank.", email="a@example.com"
        )
        assert refund.status == Status.PENDING
        assert asked(server) == []
    assert asked(server) == [
        {"iccids": [esim.iccid], "reason": "OTHERS", "notes": "The ship sank.", "email": "a@example.com"}
    ]
    refund.refresh_from_db()
    assert (refund.status, refund.refund_id, refund.error, refund.due_at) == ("requested", "4711", "", None)
    assert refund.accepted_at
    (told,) = heard.of("refund_changed")
    assert (told["sender"], told["refund"], told["status"]) == (Refund, refund, "requested")
    assert told["event_id"] == refund.event_id
    assert esim.order.events.get().detail == f"A refund was asked for: {esim.iccid}, OTHERS."


def test_refund_is_not_sent_after_rollback(server, committed):
    with committed(), transaction.atomic():
        services.request_refund([EsimFactory()], reason="NO_COVERAGE")
        transaction.set_rollback(True)
    assert asked(server) == []
    assert Refund.objects.count() == 0


def test_refunds_are_sent_in_batches_of_five(server, request_refund):
    esims = [EsimFactory() for _ in range(12)]
    refunds = request_refund(esims, reason="SLOW_SPEED")
    assert [refund.esims.count() for refund in refunds] == [5, 5, 2]
    assert [refund.status for refund in refunds] == ["requested"] * 3
    assert [iccid for body in asked(server) for iccid in body["iccids"]] == [esim.iccid for esim in esims]
    assert "notes" not in asked(server)[0]


def test_refund_beyond_rate_limit_waits_and_is_sent_by_sweep(server, request_refund, settings):
    settings.AIRALO_RATE_LIMITS = {"refunds": "5/min"}
    first, second = request_refund([EsimFactory() for _ in range(6)], reason="SLOW_SPEED")
    assert (first.status, second.status) == ("requested", "pending")
    assert database.db_now() < second.due_at <= database.db_now() + timedelta(seconds=60)
    assert len(asked(server)) == 1
    settings.AIRALO_RATE_LIMITS = NO_LIMITS
    assert services.sweep().requests == 0
    overdue(second)
    assert services.sweep().requests == 1
    second.refresh_from_db()
    assert second.status == "requested"
    assert len(asked(server)) == 2


OUTCOMES = {
    "200": (Answer(200, TAKEN.body), "requested"),
    "refused": (Answer(422, {"data": [], "meta": {"message": "The ICCIDs do not belong to your company"}}), "invalid"),
    "400": (Answer(400, {"message": "Bad."}), "invalid"),
    "time-out": (Answer(200, TAKEN.body, delay=60), "unconfirmed"),
    "reset": (Answer(drop="reset"), "unconfirmed"),
    "500": (Answer(500, "<html>"), "unconfirmed"),
    "503": (Answer(503, "<html>"), "unconfirmed"),
    "200 HTML": (Answer(200, "<html>"), "unconfirmed"),
    "no refund_id": (Answer(202, {"data": {}, "meta": {"message": "success"}}), "unconfirmed"),
    "cut off": (Answer(202, TAKEN.body, cut=20), "unconfirmed"),
    "code 53": (Answer(422, {"code": 53, "reason": "Something unexpected happened."}), "unconfirmed"),
    **{f"{http} of a proxy": (Answer(http, "<html>"), "unconfirmed") for http in (400, 401, 403, 404, 413, 422)},
    "429": (Answer(429, {"message": "Too Many Attempts."}, headers={"Retry-After": "100"}), "pending"),
    "403": (Answer(403, {"code": 89, "reason": "Your IP address is not permitted."}), "pending"),
    "code 13": (Answer(422, {"code": 13, "reason": "Maintenance."}), "pending"),
}


@pytest.mark.parametrize("name", OUTCOMES)
def test_refund_is_not_sent_again_after_any_answer_unless_due(server, request_refund, heard, settings, name):
    answer, status = OUTCOMES[name]
    server.on("/v2/refund", answer, TAKEN)
    get_client().get_token()  # so that the answer to the refund is all that has little time
    settings.AIRALO_READ_TIMEOUT = 0.5 if name == "time-out" else 30
    (refund,) = request_refund([EsimFactory()], reason="NO_COVERAGE")
    assert refund.status == status
    assert (refund.error == "") == (status == "requested")
    assert (refund.due_at is None) == (status != "pending")
    assert [told["status"] for told in heard.of("refund_changed")] == ([] if status == "pending" else [status])
    for _ in range(2):
        operations.send_refund(refund)
        services.sweep()
    assert len(server.wait(1, "/v2/refund")) == 1
    if name == "429":
        assert refund.due_at >= refund.sent_at + timedelta(seconds=100)
    if status == "pending":
        overdue(refund)
        services.sweep()
        refund.refresh_from_db()
        assert (refund.status, refund.attempt, len(asked(server))) == ("requested", 2, 2)


def test_refund_that_could_not_be_sent_stays_pending(request_refund):
    (refund,) = request_refund([EsimFactory()], reason="NO_COVERAGE")  # nothing listens
    assert (refund.status, refund.attempt) == ("pending", 1)
    assert refund.error


def test_refund_without_credentials_stays_pending(server, request_refund, settings):
    settings.AIRALO_CLIENT_SECRET = ""
    (refund,) = request_refund([EsimFactory()], reason="NO_COVERAGE")
    assert refund.status == "pending"
    assert "AIRALO_CLIENT_SECRET" in refund.error


def test_expired_lease_makes_refund_unconfirmed(server, request_refund, heard):
    refund = Refund.objects.create(reason="NO_COVERAGE", status="sending", attempt=1, due_at=LONG_AGO)
    assert services.sweep().expired == 1
    refund.refresh_from_db()
    assert (refund.status, refund.due_at) == ("unconfirmed", None)
    assert "lease ran out" in refund.error
    services.sweep()
    assert heard.names() == ["refund_changed"]
    assert asked(server) == []


def test_answer_after_lease_expired_is_recorded(server, request_refund, settings):
    """The lease runs out while Airalo thinks: first UNCONFIRMED, then what Airalo said."""
    refund = RefundFactory()
    refund.esims.set([EsimFactory()])

    def ask(row):
        Refund.objects.filter(pk=row.pk).update(due_at=LONG_AGO)
        services.sweep()
        assert Refund.objects.get().status == "unconfirmed"
        return {"refund_id": "4711"}

    assert outbound.attempt_request(Refund, refund.pk, ask) is None
    refund.refresh_from_db()
    assert (refund.status, refund.refund_id, refund.error) == ("requested", "4711", "")


def test_sending_refund_inside_transaction_raises(server):
    refund = RefundFactory()
    with transaction.atomic(), pytest.raises(RuntimeError):
        operations.send_refund(refund)
    assert asked(server) == []


# What is asked for


def test_refund_reasons_include_those_of_setting(settings):
    assert len(RefundReason) == 23
    assert services.refund_reasons() == RefundReason.values
    settings.AIRALO_REFUND_REASONS = ["DUPLICATE_ORDER"]
    assert services.refund_reasons()[-1] == "DUPLICATE_ORDER"
    (refund,) = services.request_refund([EsimFactory()], reason="DUPLICATE_ORDER")
    assert refund.reason == "DUPLICATE_ORDER"


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"esims": []}, "esims"),
        ({"reason": "DUPLICATE_ORDER"}, "reason"),
        ({"reason": ""}, "reason"),
        ({"reason": "OTHERS"}, "notes"),
        ({"reason": "OTHERS", "notes": " "}, "notes"),
        ({"notes": "x" * 256}, "notes"),
        ({"email": "nobody"}, "email"),
    ],
)
def test_invalid_arguments_are_refused_before_anything_is_written(arguments, field):
    arguments = {"esims": [EsimFactory()], "reason": "NO_COVERAGE", **arguments}
    with pytest.raises(ValidationError) as refused:
        services.request_refund(**arguments)
    assert list(refused.value.message_dict) == [field]
    assert Refund.objects.count() == OrderEvent.objects.count() == 0


def test_longest_notes_are_sent(server, request_refund):
    request_refund([EsimFactory()], reason="OTHERS", notes="é" * 255)
    assert asked(server)[0]["notes"] == "é" * 255


@pytest.mark.parametrize("status", Status.values)
def test_second_refund_of_esim_is_refused_while_first_is_open(status):
    taken, free = EsimFactory(), EsimFactory()
    Refund.objects.create(reason="NO_COVERAGE", status=status).esims.set([taken])
    if status not in ("declined", "invalid", "cancelled"):
        with pytest.raises(ValidationError, match=taken.iccid) as refused:
            services.request_refund([free, taken], reason="NO_COVERAGE")
        assert free.iccid not in str(refused.value)
        assert Refund.objects.count() == 1
    else:
        assert len(services.request_refund([free, taken], reason="NO_COVERAGE")) == 1


def test_esim_given_twice_is_sent_once(server, request_refund):
    esim = EsimFactory()
    request_refund([esim, Esim.objects.get(pk=esim.pk)], reason="NO_COVERAGE")
    assert asked(server)[0]["iccids"] == [esim.iccid]


# What an operator decides

APPROVE, DECLINE = partial(operations.resolve_refund, approved=True), partial(operations.resolve_refund, approved=False)
CONFIRM, RETRY, CANCEL = operations.confirm_refund, operations.retry_refund, operations.cancel_refund


@pytest.mark.parametrize(
    ("old", "decide", "new"),
    [
        ("requested", APPROVE, "approved"),
        ("requested", DECLINE, "declined"),
        ("approved", DECLINE, "declined"),
        ("declined", APPROVE, "approved"),
        ("unconfirmed", CONFIRM, "requested"),
        ("unconfirmed", CANCEL, "cancelled"),
        ("pending", CANCEL, "cancelled"),
    ],
)
def test_possible_decision_changes_status_and_is_recorded(airalo, committed, heard, old, decide, new):
    esim = EsimFactory()
    refund = Refund.objects.create(reason="NO_COVERAGE", status=old, due_at=None, refund_id="4711")
    refund.esims.set([esim])
    with committed():
        assert decide(refund, decided_by="ann") is refund
    assert (refund.status, refund.decided_by) == (new, "ann")
    assert [told["status"] for told in heard.of("refund_changed")] == [new]
    assert [event.detail for event in esim.order.events.all()] == [f"Refund 4711 NO_COVERAGE: {new}, decided by ann."]


@pytest.mark.parametrize(
    ("old", "decide", "possible"),
    [
        ("pending", APPROVE, "cancel_refund()"),
        ("sending", CANCEL, "nothing"),
        ("sending", RETRY, "nothing"),
        ("invalid", RETRY, "nothing"),
        ("requested", RETRY, "resolve_refund()"),
        ("requested", CONFIRM, "resolve_refund()"),
        ("unconfirmed", DECLINE, "confirm_refund(), retry_refund(), cancel_refund()"),
        ("cancelled", APPROVE, "nothing"),
    ],
)
def test_impossible_decision_is_refused_and_names_possible_ones(airalo, committed, heard, old, decide, possible):
    refund = Refund.objects.create(reason="NO_COVERAGE", status=old, due_at=None, refund_id="4711")
    refund.esims.set([EsimFactory()])
    before = Refund.objects.values().get()
    service = getattr(decide, "func", decide).__name__
    with committed(), pytest.raises(IllegalTransitionError) as error:
        decide(refund, decided_by="ann")
    said = f"Refund 4711 NO_COVERAGE is {old}, so {service}() is not possible. Possible: {possible}."
    assert str(error.value) == said
    assert Refund.objects.values().get() == before
    assert OrderEvent.objects.count() == len(heard.names()) == 0


def test_refused_decision_about_stale_copy_refreshes_it():
    refund = RefundFactory(status="unconfirmed")
    Refund.objects.update(status="requested")
    with pytest.raises(IllegalTransitionError, match="is requested"):
        RETRY(refund)
    assert refund.status == "requested"


def test_retried_unconfirmed_refund_is_sent_again(server, request_refund, committed):
    server.on("/v2/refund", Answer(500), TAKEN)
    (refund,) = request_refund([EsimFactory()], reason="NO_COVERAGE")
    assert refund.status == "unconfirmed"
    with committed():
        assert RETRY(refund, decided_by="ann").status == "pending"
    refund.refresh_from_db()
    assert (refund.status, refund.attempt, len(asked(server))) == ("requested", 2, 2)


def test_each_decision_has_its_own_event_id(heard, committed):
    refund = Refund.objects.create(reason="NO_COVERAGE", status="requested")
    for decide in (DECLINE, APPROVE):
        with committed():
            decide(refund)
    assert len({told["event_id"] for told in heard.of("refund_changed")}) == 2


# Against the emulator, whose ledger says what really was asked for


def test_emulator_accepts_refund_of_known_esim_and_refuses_unknown_esim_or_reason(
    emulated_airalo, request_refund, settings
):
    package_id = next(iter(emulated_airalo.state.catalogue.packages))
    sim = get_client().submit_order(package_id=package_id, quantity=1).sims[0]
    (refund,) = request_refund([EsimFactory(iccid=sim.iccid)], reason="NO_COVERAGE")
    assert (refund.status, refund.error) == ("requested", "")
    assert refund.refund_id
    stranger = EsimFactory()
    (refused,) = request_refund([stranger], reason="NO_COVERAGE")
    assert refused.status == "invalid"
    assert stranger.iccid in refused.error
    settings.AIRALO_REFUND_REASONS = ["DUPLICATE_ORDER"]
    (unknown,) = request_refund([stranger], reason="DUPLICATE_ORDER")
    assert unknown.status == "invalid"
    assert "NO_COVERAGE" in unknown.error
