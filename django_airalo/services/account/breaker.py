"""Circuit breaker for purchases: pause submission while their outcomes are unknown.

Three unknown outcomes within two minutes, without a success in between, pause submission in all processes. When the
wait is over, one process looks up the balance as a probe. If Airalo answers, that process sends one order, whose
success ends the pause. Inconclusive answers and time-outs count as unknown outcomes. Expired leases do not: the process
died, for which Airalo need not be the cause. Look-ups and webhooks go on during a pause.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Self

from django.db import transaction
from django.db.models import F, QuerySet

from django_airalo.conf import conf
from django_airalo.exceptions import AiraloAPIError, AiraloConfigurationError, AiraloError, AiraloRefusedError
from django_airalo.models import EsimOrder, SubmissionPause, UnknownOutcomes
from django_airalo.models.leases import LeaseQuerySet, leased
from django_airalo.services.core import database
from django_airalo.services.core.backoff import backoff
from django_airalo.services.core.redaction import redact

from . import balance, pauses

logger: logging.Logger = logging.getLogger("django_airalo.account")

Kind = SubmissionPause.Kind

#: This many unknown outcomes within this time begin a pause.
MOST_UNKNOWN, WINDOW = 3, timedelta(minutes=2)
#: A request that has taken longer than this fraction of ``AIRALO_READ_TIMEOUT`` is likely to get no answer.
HANGS_AFTER = 1 / 3
#: The primary key of the only row.
ROW = 1


class Purchase:
    """One attempt to buy: whether it may be sent now, and what its outcome means for the breaker.

    Use it as a context manager. If the attempt has its turn but no outcome is reported, the turn is given back.

    Args:
        heeds: the kinds of pause during which it is not sent.
    """

    def __init__(self, *heeds: str) -> None:
        self._heeds = heeds
        #: The pause as it was claimed, if this has the right to send one purchase during it, until ``due_at``.
        self._turn: SubmissionPause | None = None
        self._is_first_success = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._give_back(at_once=kind is None)

    def is_held(self) -> bool:
        """Return whether it must wait. Takes two queries. Call in the transaction that claims the order.

        During a pause, it must wait unless it has its turn. Without a pause, it must wait if the unknown outcomes and
        the requests that hang are together enough to begin one: its own outcome would probably be unknown, too.
        """
        pauses = self._pauses()
        if self._turn or pauses:
            return not all(self._has_turn(pause) for pause in pauses)
        unknown = _row().first()
        self._is_first_success = bool(unknown and unknown.at)
        return unknown is not None and _is_about_to_pause(unknown)

    def take_turn(self, is_waiting: Callable[[], bool]) -> bool:
        """Take the turn to send one purchase during a pause. Return whether it may be sent.

        If the wait is over, the balance is looked up first as a probe. Must not be called inside a transaction.

        Args:
            is_waiting: returns whether there is still something to send; called before the turn is taken.
        """
        pauses = self._pauses()
        if not pauses or not all(_probe_is_due(pause, now := database.db_now()) for pause in pauses):
            return False
        (pause,) = pauses
        # Long enough for the probe and the purchase, so that no second turn begins meanwhile.
        until = now + timedelta(seconds=2 * conf.submit_lease)
        if not is_waiting() or not _active().claim(pause, SubmissionPause.PROBE_LEASE, until=until):
            return False
        self._turn = pause
        try:
            balance.sync_balance(source="probe")
        except (AiraloAPIError, AiraloConfigurationError) as error:
            logger.warning("Airalo does not answer yet, so nothing is sent: %s", error)
            self._give_back()
            return False
        return True

    def accepted(self) -> None:
        """Record that Airalo has accepted it: end the pause if it had its turn, else reset the count."""
        if self._turn:
            pauses.resume_submission(resumed_by="Airalo takes orders again", kind=Kind.UNKNOWN_OUTCOMES)
            self._turn = None
        elif self._is_first_success:
            _row().update(at=[])

    def failed(self, error: AiraloError, reason: str, order: EsimOrder | None = None) -> None:
        """Record an error. It counts if it is unknown whether Airalo has accepted the purchase.

        Args:
            error: the error of the request.
            reason: the error's message, redacted.
            order: the order, unless a voucher was bought.
        """
        is_unknown = isinstance(error, AiraloAPIError) and error.may_have_acted
        if is_unknown:
            _count(reason, order)
        # A refusal is an answer, though it does not prove that purchases work: the next turn may be taken at once.
        self._give_back(at_once=isinstance(error, AiraloRefusedError) and not is_unknown)

    def put_off(self) -> None:
        """Give the turn back, and begin the next wait: a look-up that is needed before sending has failed."""
        self._give_back()

    def _has_turn(self, pause: SubmissionPause) -> bool:
        """Return whether it has its turn in this pause, and no other process has taken the turn since."""
        return self._turn is not None and (pause.pk, pause.due_at) == (self._turn.pk, self._turn.due_at)

    def _pauses(self) -> list[SubmissionPause]:
        return [pause for pause in pauses.active_pauses() if pause.kind in self._heeds]

    def _give_back(self, *, at_once: bool = False) -> None:
        """Give the turn to another purchase.

        Args:
            at_once: whether without the next wait.
        """
        turn, self._turn = self._turn, None
        if turn is None:
            return
        probes, wait = (turn.probes, timedelta()) if at_once else (turn.probes + 1, _probe_wait(turn.probes + 1))
        _active().release(turn, SubmissionPause.PROBE_LEASE, due=database.db_now() + wait, probes=probes)


def room(limit: int) -> int:
    """Return how many orders a sweep may try to send.

    Args:
        limit: the number without a pause.

    Returns:
        ``limit`` without a pause. During a pause, 1 if the wait is over, else 0.
    """
    active = pauses.active_pauses()
    if not active:
        return limit
    now = database.db_now()
    return 1 if all(_probe_is_due(pause, now) for pause in active) else 0


def of_order() -> Purchase:
    """Return an attempt to send an order."""
    return Purchase(*Kind.values)


def of_voucher() -> Purchase:
    """Return an attempt to buy a voucher, which is sent during a pause for lack of credit, since it may be refused."""
    return Purchase(Kind.UNKNOWN_OUTCOMES)


def _probe_is_due(pause: SubmissionPause, now: datetime) -> bool:
    """Return whether a pause is one for unknown outcomes, and its wait is over."""
    return pause.kind == Kind.UNKNOWN_OUTCOMES and pause.due_at is not None and pause.due_at <= now


def _is_about_to_pause(unknown: UnknownOutcomes) -> bool:
    now = database.db_now()
    count = len(_recent(unknown, now))
    if not count:
        return False
    since = now - timedelta(seconds=conf.READ_TIMEOUT * HANGS_AFTER)
    hanging = EsimOrder.primary.filter(status=EsimOrder.Status.SUBMITTING, submitted_at__lte=since, due_at__gt=now)
    return count + hanging.count() >= MOST_UNKNOWN


@database.in_transaction(durable=True)
def _count(reason: str, order: EsimOrder | None) -> None:
    """Record an unknown outcome, and begin a pause if there were enough of them."""
    if not _row().update(at=F("at")):  # locks the row until the transaction ends, on every database
        UnknownOutcomes.primary.bulk_create([UnknownOutcomes(pk=ROW)], ignore_conflicts=True)
        _row().update(at=F("at"))
    unknown, now = database.locked(_row()).get(), database.db_now()
    unknown.at = [moment.isoformat() for moment in [*_recent(unknown, now), now]][-MOST_UNKNOWN:]
    _row().update(at=unknown.at)
    if len(unknown.at) < MOST_UNKNOWN or any(p.kind == Kind.UNKNOWN_OUTCOMES for p in pauses.active_pauses()):
        return
    minutes = int(WINDOW.total_seconds() // 60)
    reason = f"{MOST_UNKNOWN} purchases of unknown outcome within {minutes} minutes, the last: {reason}"
    pause = SubmissionPause.primary.create(
        kind=Kind.UNKNOWN_OUTCOMES,
        order=order,
        reason=redact(reason),
        paused_at=now,
        due_at=now + _probe_wait(0),
        signal_due_at=now,
    )
    logger.critical("No order is sent to Airalo until it answers again: %s", pause.reason)
    transaction.on_commit(partial(pauses.send_pause_signal, pause), using=database.primary_alias(), robust=True)


def _probe_wait(probes: int) -> timedelta:
    return backoff(conf.BREAKER_DELAYS, probes)


def _recent(unknown: UnknownOutcomes, now: datetime) -> list[datetime]:
    return [moment for text in unknown.at if now - (moment := datetime.fromisoformat(text)) <= WINDOW]


def _row() -> QuerySet[UnknownOutcomes]:
    return UnknownOutcomes.primary.filter(pk=ROW)


def _active() -> LeaseQuerySet[SubmissionPause]:
    return leased(SubmissionPause).filter(is_active=True)
