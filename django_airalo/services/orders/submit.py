"""Send an order to Airalo: claim it, send one request, record the outcome."""

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

#: The maximum number of waiting orders that a process enqueues after it has read Airalo's list.
MOST_WAITING = 100
#: Refusals that concern the account or the operator, not the order, with the shortest wait in seconds.
TRY_LATER: dict[type[AiraloAPIError], float] = {OperatorMaintenanceError: 120, InsufficientCreditError: 0}
#: Shortest wait in seconds after Airalo refused the shop's webhook address: the shop may be restarting.
ADDRESS_WAIT = 300
#: From this attempt on, an order that a proxy answers in Airalo's place becomes unconfirmed instead of pending.
MOST_PROXY_TRIES = 5
#: Longest time in seconds by which a Retry-After delays the look-up of an order in doubt: its customer is waiting.
LONGEST_LOOK_UP_WAIT = 900


def submit_order(order: EsimOrder | int) -> EsimOrder:
    """Send a pending order to Airalo, unless another process does or it is not due yet.

    Can be called any number of times, in any number of processes: the order is claimed first, by one UPDATE with a
    lease and a new attempt number, and only the process with the claim sends it. Must not be called inside a
    transaction, since the claim must be committed before the request is sent.

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
    """Do what ``submit_order()`` does. Return the error that kept Airalo from accepting the order, if there was one."""
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
        order: the order, if this process has claimed it.
        looks_up: whether the order must be looked up before it is sent.
        reads_first: whether Airalo's list must be read first, so that the order was not claimed.
    """

    order: EsimOrder | None = None
    looks_up: bool = False
    reads_first: bool = False


@database.in_transaction(durable=True)
def _claim(order_pk: int, purchase: breaker.Purchase) -> _Claim:
    """Claim a pending order that is due. The claim holds once this transaction is committed."""
    if not conf.SUBMIT or purchase.is_held():
        return _Claim()
    moment = restore_check.look()
    if not restore_check.is_newest(moment):
        return _Claim(reads_first=True)
    now = moment.now
    # In a copy of the database under another deployment's name, no order matches.
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
    # An earlier attempt may have bought the order, so this one may be a second purchase.
    doubt = doubt_fields(now) if order.look_up_first else {}
    change_status(order, Status.SUBMITTING, now=now, source="submit", due_at=lease_end, **doubt)
    return _Claim(order, looks_up=order.look_up_first or restore_check.is_old(order, moment))


def _submit_waiting(order_pk: int) -> None:
    """Enqueue the submission of other orders that waited for the list. The sweep submits the rest."""
    pending = EsimOrder.primary.due(database.db_now()).filter(status=Status.PENDING)
    ours = pending.filter(deployment=deployment.identity().stamp).exclude(pk=order_pk)
    for pk in list(ours.values_list("pk", flat=True)[:MOST_WAITING]):
        enqueue("submit_order", pk, only_as_task=True)


def _submit(order: EsimOrder, purchase: breaker.Purchase, *, looks_up: bool) -> AiraloError | None:
    try:
        if looks_up and lookup.settle_by_look_up(order, source="submit"):
            return None
        get_client().get_token()  # may take long; only one request follows, or two if the token is refused
    except (AiraloAPIError, AiraloConfigurationError) as error:
        return _not_sent(order, purchase, error)
    if not _holds_lease(order):
        _put_back(order, reason="The lease was about to run out, so nothing was sent.")
        return None
    try:
        answer = _post(order)
    except AiraloConfigurationError as error:  # such as an invalid URL, which is found before anything is sent
        return _not_sent(order, purchase, error)
    except AiraloAPIError as error:
        _record_failure(order, error)
        purchase.failed(error, str(error), order)
        return error
    _record_answer(order, answer)
    purchase.accepted()
    return None


def _not_sent(
    order: EsimOrder, purchase: breaker.Purchase, error: AiraloAPIError | AiraloConfigurationError
) -> AiraloError:
    _put_back(order, reason=str(error), code=getattr(error, "code", None), wait=getattr(error, "retry_after", None))
    purchase.failed(error, str(error))
    return error


def _post(order: EsimOrder) -> AcceptedOrder | ScheduledOrder | OrderData:
    """Send the request that buys, to the endpoint for this kind of order."""
    client, what = get_client(), {"package_id": order.package_id, "description": order.airalo_description}
    if order.esim_id:
        # The secrets are not read, since their key may be missing.
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
    """Return whether the lease covers the longest time that sending can take, with a repetition for a new token."""
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
    """Enqueue the webhooks that arrived before the acceptance of their order, each as a task, after the commit."""
    transaction.on_commit(partial(_enqueue_waiting, request_id), using=database.primary_alias(), robust=True)


def _enqueue_waiting(request_id: str) -> None:
    waiting = WebhookEvent.primary.filter(request_id=request_id, status=WebhookEvent.Status.WAITING).order_by("pk")
    for event_pk in list(waiting.values_list("pk", flat=True)):
        enqueue("process_webhook_event", event_pk)


@database.in_transaction(durable=True)
def _fulfil(order_pk: int, data: OrderData, *, attempt: int) -> None:
    """Record the order that Airalo's answer contains, whatever the status of ours is by now."""
    now = database.db_now()
    order = lock(order_pk)
    record.flag_late_attempt(order, attempt, now=now)
    lookup.record_found(order, [data], now=now, source="submit")


def _record_failure(order: EsimOrder, error: AiraloAPIError) -> None:
    """Record an unsuccessful attempt: not carried out, refused, or of unknown outcome."""
    if isinstance(error, AiraloProxyError) and order.attempt < MOST_PROXY_TRIES:
        # Most likely Airalo did not get the request, but only a look-up can show that.
        wait = max(conf.LOOKUP_DELAYS[0], error.retry_after or 0)
        _put_back(order, reason=str(error), wait=wait, look_up_first=True)
    elif error.may_have_acted:
        # Every 5xx is among these: Airalo documents none after which nothing was carried out. Its Retry-After only
        # delays the look-up.
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
    """Return whether Airalo refused an order only because of the shop's webhook address, or because it has none.

    Airalo sends HEAD to the address, so it refuses the address of a shop that is being restarted. It documents the
    answer to an order without an address, ``{"reason": "User is not opted in and no webhook URL provided."}``, and the
    form in which it refuses a field. It does not document its words for an address that does not answer.
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
    """Make an order pending again, due no sooner than Airalo asked for, and flag it with ``attention`` if given."""
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
