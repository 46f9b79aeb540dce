"""Send an order to Airalo: claim it, ask once, record what came back."""

from __future__ import annotations

import logging
from copy import copy
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import transaction

from django_airalo.client import get_client
from django_airalo.client.payloads import AcceptedOrder, OrderData, ScheduledOrder
from django_airalo.conf import conf
from django_airalo.exceptions import (
    AiraloAPIError,
    AiraloConfigurationError,
    AiraloError,
    AiraloProxyError,
    AiraloRefusedError,
    InsufficientCreditError,
    OperatorMaintenanceError,
    RecycledEsimError,
)
from django_airalo.models import Esim, EsimOrder, WebhookEvent
from django_airalo.services.account import breaker, pauses
from django_airalo.services.core import database, deployment, restore_check
from django_airalo.services.core.backoff import retry_wait
from django_airalo.services.core.doubt import doubt_fields
from django_airalo.services.core.enqueue import enqueue
from django_airalo.services.core.transitions import ADDRESS_REFUSED, change_status, flag_for_review, lock, note
from django_airalo.services.esims.topups import mark_recycled

from . import lookup, matching, record
from .signals import send_order_signals

logger: logging.Logger = logging.getLogger("django_airalo.orders")

Status = EsimOrder.Status

#: How many orders that waited for the list are submitted by the process that has read it.
MOST_WAITING = 100
#: Refusals that say something of the account or the operator, not of the order, and the seconds to wait at least.
TRY_LATER: dict[type[AiraloAPIError], float] = {OperatorMaintenanceError: 120, InsufficientCreditError: 0}
#: Seconds to wait at least when the shop's webhook address was refused: time to restart, or to be mended.
ADDRESS_WAIT = 300
#: Tries after which an order that a proxy goes on answering in Airalo's place is no longer sent again by itself.
MOST_PROXY_TRIES = 5
#: Seconds. A Retry-After puts the look-up of an order in doubt off by this at most: a customer may have paid for it.
LONGEST_LOOK_UP_WAIT = 900


def submit_order(order: EsimOrder | int) -> EsimOrder:
    """Send a pending order to Airalo, unless somebody else does or it is not due yet.

    Safe to call any number of times, from any number of processes: the order is claimed first, by one UPDATE with a
    lease and a new attempt number, and only the claim's owner sends it. Must not be called inside a transaction,
    since the claim has to be committed before the request leaves.

    Args:
        order: an order or its primary key.

    Returns:
        The order as it is afterwards. ``error_code`` and ``error_reason`` say what went wrong.

    Raises:
        RuntimeError: called inside a transaction.
    """
    order_pk = order.pk if isinstance(order, EsimOrder) else order
    attempt(order_pk)
    return EsimOrder.primary.get(pk=order_pk)


def attempt(order_pk: int) -> AiraloError | None:
    """As ``submit_order()``; returns what kept Airalo from taking the order, if anything did."""
    with breaker.of_order() as purchase:
        claim = _claim(order_pk, purchase)
        if claim.order is None and not claim.reads_first and purchase.take_turn(lambda: _is_due(order_pk)):
            claim = _claim(order_pk, purchase)
        if claim.reads_first:
            try:
                read = matching.read_list()
            except (AiraloAPIError, AiraloConfigurationError) as error:
                logger.warning("Order %s waits until Airalo's list can be read: %s", order_pk, error)
                purchase.put_off()
                return error
            if read.is_complete:
                _submit_waiting(order_pk)
            claim = _claim(order_pk, purchase)
        if claim.order is None:
            return None
        try:
            return _submit(claim.order, purchase, looks_up=claim.looks_up)
        finally:
            send_order_signals(order_pk)


def _is_due(order_pk: int) -> bool:
    due = EsimOrder.primary.due(database.db_now())
    ours = due.filter(pk=order_pk, status=Status.PENDING, deployment=deployment.identity().stamp)
    return conf.SUBMIT and ours.exists()


@dataclass(frozen=True)
class _Claim:
    """The outcome of claiming an order.

    Attributes:
        order: the order if it is ours now.
        looks_up: whether it is looked up before it is sent.
        reads_first: it is not ours, since Airalo's list must be read first.
    """

    order: EsimOrder | None = None
    looks_up: bool = False
    reads_first: bool = False


@database.in_transaction(durable=True)
def _claim(order_pk: int, purchase: breaker.Purchase) -> _Claim:
    """Take a pending order that is due. The commit of this transaction is what makes us its owner."""
    if not conf.SUBMIT or purchase.is_held():
        return _Claim()
    moment = restore_check.look()
    if not restore_check.is_newest(moment):
        return _Claim(reads_first=True)
    now = moment.now
    # A copy of the database under another name finds none of its orders here.
    pending = EsimOrder.primary.filter(pk=order_pk, status=Status.PENDING, due_at__lte=now, deployment=moment.stamp)
    order = matching.with_listed(pending).first()
    if order is None:
        return _Claim()
    if matching.must_read_first(order, moment):
        return _Claim(reads_first=True)
    # Raising the attempt number is the lock: two workers cannot both find the row PENDING and due.
    lease_end = now + timedelta(seconds=conf.submit_lease)
    changes = {"attempt": order.attempt + 1, "submitted_at": now}
    if not pending.claim(order, EsimOrder.SUBMISSION_LEASE, until=lease_end, **changes):
        return _Claim()
    if order.listed_package is not None:
        order.look_up_first = True
        if flaw := matching.other_content(order, order.listed_package):
            flag_for_review(order, flaw, now=now, source="submit")
    # An attempt before this one may have bought, so from now on two may have.
    doubt = doubt_fields(now) if order.look_up_first else {}
    change_status(order, Status.SUBMITTING, now=now, source="submit", due_at=lease_end, **doubt)
    return _Claim(order, looks_up=order.look_up_first or restore_check.is_old(order, moment))


def _submit_waiting(order_pk: int) -> None:
    """Have the other orders submitted that were left while the list was read. What is left now the sweep submits."""
    pending = EsimOrder.primary.due(database.db_now()).filter(status=Status.PENDING)
    ours = pending.filter(deployment=deployment.identity().stamp).exclude(pk=order_pk)
    for pk in list(ours.values_list("pk", flat=True)[:MOST_WAITING]):
        enqueue("submit_order", pk)


def _submit(order: EsimOrder, purchase: breaker.Purchase, *, looks_up: bool) -> AiraloError | None:
    try:
        if looks_up and lookup.settle_by_look_up(order, source="submit"):
            return None
        get_client().get_token()  # may take long; what comes after it is one request, or two if the token is refused
    except AiraloAPIError as error:
        _put_back(order, reason=str(error), code=error.code, wait=error.retry_after)
        purchase.failed(error, str(error))
        return error
    except AiraloConfigurationError as error:
        _put_back(order, reason=str(error))
        purchase.failed(error, str(error))
        return error
    if not _holds_lease(order):
        _put_back(order, reason="The lease was about to run out, so nothing was sent.")
        return None
    try:
        answer = _post(order)
    except AiraloAPIError as error:
        _record_failure(order, error)
        purchase.failed(error, str(error), order)
        return error
    _record_answer(order, answer)
    purchase.accepted()
    return None


def _post(order: EsimOrder) -> AcceptedOrder | ScheduledOrder | OrderData:
    """Send the one request that buys, to the endpoint for this kind of order."""
    client, what = get_client(), {"package_id": order.package_id, "description": order.airalo_description}
    if order.esim_id:
        # Without its secrets, which another key may have encrypted.
        esims = Esim.primary.only("iccid")
        return client.submit_topup(iccid=esims.get(pk=order.esim_id).iccid, **what)
    content: dict[str, Any] = {
        **what,
        "quantity": order.quantity,
        "brand_settings_name": order.brand_settings_name,
        "to_email": order.to_email,
        "sharing_option": order.sharing_option,
        "copy_address": order.copy_address,
    }
    if order.mode == EsimOrder.Mode.SYNC:
        return client.submit_order(**content)
    content["webhook_url"] = order.webhook_url or conf.webhook_delivery_url
    if order.due_date:
        return client.submit_future_order(due_date=order.due_date, **content)
    return client.submit_order_async(**content)


def _holds_lease(order: EsimOrder) -> bool:
    """Return whether the lease lasts for as long as sending can take, including a repetition with a new token."""
    needed = timedelta(seconds=conf.max_send_seconds)
    return bool(EsimOrder.primary.is_held(order, EsimOrder.SUBMISSION_LEASE, until=database.db_now() + needed))


def _record_answer(order: EsimOrder, answer: AcceptedOrder | ScheduledOrder | OrderData) -> None:
    if isinstance(answer, OrderData):
        _fulfil(order.pk, answer, attempt=order.attempt)
        return
    if isinstance(answer, ScheduledOrder):
        dates = {
            "due_date": answer.due_date or order.due_date,
            "latest_cancellation_date": answer.latest_cancellation_date,
        }
        _accept(order, Status.SCHEDULED, answer.request_id, dates)
    else:
        _accept(order, Status.ACCEPTED, answer.request_id, {})


@database.in_transaction(durable=True)
def _accept(order: EsimOrder, status: str, request_id: str, dates: dict[str, Any]) -> None:
    """Record that Airalo has accepted the order and will deliver it."""
    order = copy(order)  # as in_transaction says
    now = database.db_now()
    fields: dict[str, Any] = {
        "request_id": request_id,
        "due_at": now + timedelta(seconds=conf.LOOKUP_DELAYS[0]),
        **dates,
    }
    if not change_status(order, status, now=now, source="submit", **fields, **record.AS_NEW):
        record.record_late_acceptance(order.pk, status, fields, attempt=order.attempt, now=now)
    _process_waiting_webhooks(request_id)


def _process_waiting_webhooks(request_id: str) -> None:
    """Have the webhooks that overtook their own acceptance interpreted, once it is committed, each by a task."""
    transaction.on_commit(partial(_enqueue_waiting, request_id), using=database.primary_alias(), robust=True)


def _enqueue_waiting(request_id: str) -> None:
    waiting = WebhookEvent.primary.filter(request_id=request_id, status=WebhookEvent.Status.WAITING).order_by("pk")
    for event_pk in list(waiting.values_list("pk", flat=True)):
        enqueue("process_webhook_event", event_pk)


@database.in_transaction(durable=True)
def _fulfil(order_pk: int, data: OrderData, *, attempt: int) -> None:
    """Airalo's answer is the order itself: delivered with it, whatever became of the order meanwhile."""
    now = database.db_now()
    order = lock(order_pk)
    record.flag_late_attempt(order, attempt, now=now)
    lookup.record_found(order, [data], now=now, source="submit")


def _record_failure(order: EsimOrder, error: AiraloAPIError) -> None:
    """What an unsuccessful try means: surely not carried out, refused for good, or unknown."""
    if isinstance(error, AiraloProxyError) and order.attempt < MOST_PROXY_TRIES:
        # A page in the place of Airalo's answer: most likely nothing came through. A look-up must say so first.
        wait = max(conf.LOOKUP_DELAYS[0], error.retry_after or 0)
        _put_back(order, reason=str(error), wait=wait, look_up_first=True)
    elif error.may_have_acted:
        # Every 5xx is among these: Airalo documents none that says that nothing was carried out. When to ask again is
        # all that is taken from its Retry-After.
        due_in = max(conf.LOOKUP_DELAYS[0], min(error.retry_after or 0, LONGEST_LOOK_UP_WAIT))
        _finish(order, Status.UNCONFIRMED, error, due_in=due_in)
    elif _is_of_the_address(error):
        _put_back(order, reason=str(error), wait=ADDRESS_WAIT, attention=ADDRESS_REFUSED)
    elif isinstance(error, AiraloRefusedError) and type(error) not in TRY_LATER:
        _finish(order, Status.FAILED, error)
        if isinstance(error, RecycledEsimError) and order.esim_id:
            mark_recycled(order.esim_id)
    else:
        _put_back(order, reason=str(error), code=error.code, wait=error.retry_after or TRY_LATER.get(type(error)))
        if isinstance(error, InsufficientCreditError):
            pauses.pause_submission(order, reason=error.reason)


def _is_of_the_address(error: AiraloAPIError) -> bool:
    """Return whether Airalo refused only the shop's webhook address, or that it has none: the order itself is good.

    Airalo asks an address with HEAD, so a shop that is being restarted is refused. Documented are the answer to an
    order without an address, ``{"reason": "User is not opted in and no webhook URL provided."}``, and the form of
    refusals of a field; the words for an address that does not answer are not.
    """
    if not isinstance(error, AiraloRefusedError) or error.code is not None:
        return False
    return set(error.field_errors) == {"webhook_url"} or (not error.field_errors and "webhook" in error.reason.lower())


@database.in_transaction(durable=True)
def _finish(order: EsimOrder, status: str, error: AiraloAPIError, due_in: float | None = None) -> None:
    order = copy(order)  # as in_transaction says
    now = database.db_now()
    changed = change_status(
        order,
        status,
        now=now,
        source="submit",
        detail=str(error),
        error_code=error.code,
        error_reason=str(error),
        due_at=None if due_in is None else now + timedelta(seconds=due_in),
        **(doubt_fields(now) if status == Status.UNCONFIRMED else {}),
    )
    if not changed:
        _note_lost_claim(order, f"{status}: {error}", now)


@database.in_transaction(durable=True)
def _put_back(
    order: EsimOrder,
    *,
    reason: str,
    code: int | None = None,
    wait: float | None = None,
    look_up_first: bool | None = None,
    attention: str = "",
) -> None:
    """The order stays to be sent: PENDING again, due no sooner than Airalo asked for; flagged with ``attention``."""
    order = copy(order)  # as in_transaction says
    now = database.db_now()
    changed = change_status(
        order,
        Status.PENDING,
        now=now,
        source="submit",
        detail=reason,
        error_code=code,
        error_reason=reason,
        look_up_first=order.look_up_first if look_up_first is None else look_up_first,
        due_at=now + retry_wait(order.attempt, wait),
        **(doubt_fields(now) if look_up_first else {}),
    )
    if not changed:
        _note_lost_claim(order, reason, now)
    elif attention:
        flag_for_review(lock(order.pk), attention, now=now, source="submit")


def _note_lost_claim(order: EsimOrder, outcome: str, now: datetime) -> None:
    note(
        order,
        f"Attempt {order.attempt} lost its claim; its outcome was: {outcome}",
        now=now,
        source="submit",
        late=True,
    )
