"""Send an order to Airalo: claim it, ask once, record what came back."""

from __future__ import annotations

import random
from copy import copy
from datetime import datetime, timedelta
from typing import Any

from django.db.models import F

from django_airalo.client import get_client
from django_airalo.client.payloads import AcceptedOrder, OrderData, ScheduledOrder
from django_airalo.conf import conf
from django_airalo.exceptions import (
    AiraloAPIError,
    AiraloConfigurationError,
    AiraloError,
    AiraloRefusedError,
    AiraloServiceUnavailableError,
    InsufficientCreditError,
    OperatorMaintenanceError,
    RecycledEsimError,
)
from django_airalo.models import Esim, EsimOrder

from . import account, database, fulfilment, lookups
from .signalling import send_signals
from .topups import mark_recycled
from .transitions import ADDRESS_REFUSED, call_for_attention, change_status, lock, note

Status = EsimOrder.Status

#: Refusals that say something of the account or the operator, not of the order, and the seconds to wait at least.
TRY_LATER: dict[type[AiraloAPIError], float] = {OperatorMaintenanceError: 120, InsufficientCreditError: 0}
#: Seconds to wait at least when the shop's webhook address was refused: time to restart, or to be mended.
ADDRESS_WAIT = 300
#: Seconds. A Retry-After that asks for more is taken for a mistake: it must not bury an order or break the arithmetic.
LONGEST_WAIT = 24 * 3600


def submit_order(order: EsimOrder | int) -> EsimOrder:
    """Send a pending order to Airalo, unless somebody else does or it is not due yet.

    Safe to call any number of times, from any number of processes: the order is claimed first, by one UPDATE with a
    lease and a new attempt number, and only the claim's owner sends it. Must not be called inside a transaction,
    since the claim has to be committed before the request leaves.

    Args:
        order: an order or its primary key.

    Returns:
        The order as it is afterwards. What went wrong stands in ``error_code`` and ``error_reason``.

    Raises:
        RuntimeError: called inside a transaction.
    """
    order_pk = order.pk if isinstance(order, EsimOrder) else order
    attempt(order_pk)
    return EsimOrder.objects.using(database.alias()).get(pk=order_pk)


def attempt(order_pk: int) -> AiraloError | None:
    """As ``submit_order()``; returns what kept Airalo from taking the order, if anything did."""
    claimed = _claim(order_pk)
    if not claimed:
        return None
    try:
        return _submit(claimed)
    finally:
        send_signals(order_pk)


@database.in_transaction(durable=True)
def _claim(order_pk: int) -> EsimOrder | None:
    """Take a pending order that is due, or ``None``. The commit of this transaction is what makes us its owner."""
    if account.active_pause():
        return None
    now = database.now()
    pending = EsimOrder.objects.filter(pk=order_pk, status=Status.PENDING, due_at__lte=now)
    # Raising the attempt number is the lock: two workers cannot both find the row PENDING and due.
    if not pending.update(attempt=F("attempt") + 1, submitted_at=now):
        return None
    order = EsimOrder.objects.using(database.alias()).get(pk=order_pk)
    lease_end = now + timedelta(seconds=conf.SUBMIT_LEASE)
    change_status(order, Status.SUBMITTING, now=now, source="submit", due_at=lease_end)
    return order


def _submit(order: EsimOrder) -> AiraloError | None:
    try:
        if order.look_up_first and lookups.settle_by_look_up(order, source="submit"):
            return None
        get_client().get_token()  # may take long; what comes after it is one request, or two if the token is refused
    except AiraloAPIError as error:
        _put_back(order, reason=str(error), code=error.code, wait=error.retry_after)
        return error
    except AiraloConfigurationError as error:
        _put_back(order, reason=str(error))
        return error
    if not _holds_lease(order):
        _put_back(order, reason="The lease was about to run out, so nothing was sent.")
        return None
    try:
        answer = _send(order)
    except AiraloAPIError as error:
        _record_failure(order, error)
        return error
    _record_answer(order, answer)
    return None


def _send(order: EsimOrder) -> AcceptedOrder | ScheduledOrder | OrderData:
    """The one request that buys, on the order's own road."""
    client, what = get_client(), {"package_id": order.package_id, "description": order.airalo_description}
    if order.esim_id:
        # Without its secrets, which another key may have encrypted.
        esims = Esim.objects.using(database.alias()).only("iccid")
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
    content["webhook_url"] = order.webhook_url or conf.delivery_url
    if order.due_date:
        return client.submit_future_order(due_date=order.due_date, **content)
    return client.submit_order_async(**content)


def _holds_lease(order: EsimOrder) -> bool:
    """Whether the order is still ours for as long as sending it can take, once more with another token if need be."""
    needed = timedelta(seconds=conf.sending_time)
    return (
        EsimOrder.objects.using(database.alias())
        .filter(pk=order.pk, status=Status.SUBMITTING, attempt=order.attempt, due_at__gt=database.now() + needed)
        .exists()
    )


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
    fulfilment.process_waiting_webhooks(answer.request_id)


@database.in_transaction(durable=True)
def _accept(order: EsimOrder, status: str, request_id: str, dates: dict[str, Any]) -> None:
    """Airalo has taken the order and will deliver."""
    order = copy(order)  # as in_transaction says
    now = database.now()
    fields: dict[str, Any] = {
        "request_id": request_id,
        "due_at": now + timedelta(seconds=conf.LOOKUP_DELAYS[0]),
        **dates,
    }
    if not change_status(order, status, now=now, source="submit", **fields, **fulfilment.AS_NEW):
        fulfilment.record_late_acceptance(order.pk, status, fields, attempt=order.attempt, now=now)


@database.in_transaction(durable=True)
def _fulfil(order_pk: int, data: OrderData, *, attempt: int) -> None:
    """Airalo's answer is the order itself: delivered with it, whatever became of the order meanwhile."""
    now = database.now()
    order = lock(order_pk)
    fulfilment.flag_late_attempt(order, attempt, now=now)
    lookups.record_found(order, [data], now=now, source="submit")
    if order.status == Status.SUBMITTING:  # it came without an eSIM that can be kept: it may be listed with one
        lookups.record_listed(order, data, now=now, source="submit")


def _record_failure(order: EsimOrder, error: AiraloAPIError) -> None:
    """What an unsuccessful try means: surely not carried out, refused for good, or unknown."""
    if isinstance(error, AiraloServiceUnavailableError):
        # It says that it took nothing on. That is believed only after a look, and a look is worth something only when
        # what was taken all the same has had time to be listed, or to come by its webhook.
        wait = max(error.retry_after or 0, conf.UNAVAILABLE_WAIT)
        _put_back(order, reason=str(error), code=error.code, wait=wait, look_up_first=True)
    elif error.may_have_acted:
        _finish(order, Status.UNCONFIRMED, error, due_in=conf.LOOKUP_DELAYS[0])
    elif _is_of_the_address(error):
        _put_back(order, reason=str(error), wait=ADDRESS_WAIT, attention=ADDRESS_REFUSED)
    elif isinstance(error, AiraloRefusedError) and type(error) not in TRY_LATER:
        _finish(order, Status.FAILED, error)
        if isinstance(error, RecycledEsimError) and order.esim_id:
            mark_recycled(order.esim_id)
    else:
        _put_back(order, reason=str(error), code=error.code, wait=error.retry_after or TRY_LATER.get(type(error)))
        if isinstance(error, InsufficientCreditError):
            account.pause_submission(order, error.reason)


def _is_of_the_address(error: AiraloAPIError) -> bool:
    """Whether nothing but the shop's webhook address was refused, or that it has none: the order is as good as before.

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
    now = database.now()
    changed = change_status(
        order,
        status,
        now=now,
        source="submit",
        detail=str(error),
        error_code=error.code,
        error_reason=str(error),
        due_at=None if due_in is None else now + timedelta(seconds=due_in),
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
    delays = conf.RETRY_DELAYS
    delay = delays[min(order.attempt, len(delays)) - 1]
    delay = max(delay, min(wait or 0, LONGEST_WAIT)) * random.uniform(1, 1.25)  # noqa: S311  spreads retries, guards nothing
    now = database.now()
    changed = change_status(
        order,
        Status.PENDING,
        now=now,
        source="submit",
        detail=reason,
        error_code=code,
        error_reason=reason,
        look_up_first=order.look_up_first if look_up_first is None else look_up_first,
        due_at=now + timedelta(seconds=delay),
    )
    if not changed:
        _note_lost_claim(order, reason, now)
    elif attention:
        call_for_attention(lock(order.pk), attention, now=now, source="submit")


def _note_lost_claim(order: EsimOrder, outcome: str, now: datetime) -> None:
    note(
        order,
        f"Attempt {order.attempt} lost its claim; its outcome was: {outcome}",
        now=now,
        source="submit",
        late=True,
    )
