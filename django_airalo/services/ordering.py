"""Place an order, submit it to Airalo, cancel it."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Sequence
from copy import copy
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator, validate_email
from django.db import IntegrityError
from django.db.models import F
from django.utils.translation import gettext as _

from django_airalo.client import get_client
from django_airalo.client.payloads import AcceptedOrder
from django_airalo.conf import conf
from django_airalo.exceptions import (
    AiraloAPIError,
    AiraloConfigurationError,
    AiraloRefusedError,
    AiraloServiceUnavailableError,
    IdempotencyConflictError,
    InsufficientCreditError,
    OperatorMaintenanceError,
)
from django_airalo.models import EsimOrder, OrderEvent, Package
from django_airalo.models.orders import MAX_QUANTITY, REFERENCE_LENGTH

from . import account, database, fulfilment, nudges
from .signalling import send_signals, signal_after_commit
from .transitions import change_status, lock, note

logger = logging.getLogger("django_airalo.orders")

Status = EsimOrder.Status

#: Refusals that say something of the account or the operator, not of the order, and the seconds to wait at least.
TRY_LATER: dict[type[AiraloAPIError], float] = {OperatorMaintenanceError: 120, InsufficientCreditError: 0}
#: Seconds. A Retry-After that asks for more is taken for a mistake: it must not bury an order or break the arithmetic.
LONGEST_WAIT = 24 * 3600
#: What the columns hold. Django's own validators for addresses let more through.
COLUMN_LENGTHS = {"brand_settings_name": 255, "to_email": 254, "webhook_url": 500}


def place_order(
    *,
    package_id: str,
    quantity: int = 1,
    user: Any = None,
    idempotency_key: str | None = None,
    description: str = "",
    brand_settings_name: str = "",
    to_email: str = "",
    sharing_option: Sequence[str] = (),
    copy_address: Sequence[str] = (),
    webhook_url: str = "",
) -> EsimOrder:
    """Order eSIMs for a customer who has paid.

    Touches only the database, inside the caller's transaction: the shop's own order and this one are kept or lost
    together. Airalo is asked after the commit, in a task if the shop has a task backend.

    Args:
        package_id: a package of Airalo's catalogue. Must be on sale if the catalogue has been synced.
        quantity: how many eSIMs, 1 to 50.
        user: whose order it is, for "My eSIMs"; ``None`` or an anonymous user for a guest.
        idempotency_key: the shop's own key (say, the id of its order line), 255 characters at most. The same key with
            the same content returns the same order and orders nothing.
        description: the shop's words, sent to Airalo behind the order's reference.
        brand_settings_name: a brand made in Airalo's Partner Platform.
        to_email: Airalo itself mails the eSIM there. Needs ``sharing_option``.
        sharing_option: ``"link"``, ``"pdf"`` or both.
        copy_address: addresses that get a copy of that mail.
        webhook_url: overrides ``AIRALO_WEBHOOK_URL`` for this order.

    Raises:
        ValidationError: a value is wrong; ``error.message_dict`` says which and why. Nothing was written.
        IdempotencyConflictError: ``idempotency_key`` is known, with other content. Nothing was written.
    """
    content = {
        "package_id": package_id,
        "quantity": quantity,
        "user": user,
        "description": description,
        "brand_settings_name": brand_settings_name,
        "to_email": to_email,
        "sharing_option": sharing_option,
        "copy_address": copy_address,
        "webhook_url": webhook_url,
    }
    _validate(content, idempotency_key)
    content |= {
        "user": user if getattr(user, "is_authenticated", False) else None,
        "sharing_option": list(sharing_option),
        "copy_address": list(copy_address),
    }
    return _place(idempotency_key, content)


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
    claimed = _claim(order_pk)
    if claimed:
        try:
            _submit(claimed)
        finally:
            send_signals(order_pk)
    return EsimOrder.objects.get(pk=order_pk)


@database.in_transaction()
def submit_soon(order: EsimOrder) -> bool:
    """Have a pending order submitted right after the commit, though it is waiting to be tried again later.

    Returns:
        ``False`` if the order is not pending, or no order is sent for lack of credit.
    """
    if account.active_pause():
        return False
    pending = EsimOrder.objects.filter(pk=order.pk, status=Status.PENDING)
    if not pending.update(due_at=database.now()):
        return False
    nudges.after_commit("submit_order", order.pk, submit_order)
    return True


@database.in_transaction()
def cancel_order(order: EsimOrder) -> bool:
    """Cancel an order that has not been sent to Airalo yet.

    Returns:
        ``False`` if it is too late: the order is being sent or has been sent.
    """
    current = lock(order.pk)
    # An order whose last try may have reached Airalo is not cancelled: it may have been bought.
    if current.status != Status.PENDING or current.look_up_first:
        return False
    cancelled = change_status(current, Status.CANCELLED, now=database.now(), source="shop")
    signal_after_commit(current)
    order.refresh_from_db()
    return cancelled


# Validation


def _validate(content: dict[str, Any], idempotency_key: str | None) -> None:
    errors: dict[str, list[str]] = {}

    def refuse(field: str, message: str) -> None:
        errors.setdefault(field, []).append(message)

    for field in ("package_id", "description", "brand_settings_name", "to_email", "webhook_url"):
        value = content[field]
        if not isinstance(value, str):
            refuse(field, _("%(value)r is not text.") % {"value": value})
        elif not _can_be_stored(value):
            refuse(field, _("The text holds a character that cannot be stored."))
    for field in ("sharing_option", "copy_address"):
        value = content[field]
        # A string is a sequence of letters, but nobody means that.
        if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
            refuse(field, _("%(value)r is not a list of texts.") % {"value": value})
    # A primary key, say, would else be taken for a guest.
    if content["user"] is not None and not hasattr(content["user"], "is_authenticated"):
        refuse("user", _("%(value)r is not a user.") % {"value": content["user"]})
    if errors:
        raise ValidationError(errors)
    if not content["package_id"].strip() or len(content["package_id"]) > 255:
        refuse("package_id", _("Give the id of a package of Airalo's catalogue, 255 characters at most."))
    quantity = content["quantity"]
    if isinstance(quantity, bool) or not isinstance(quantity, int) or not 1 <= quantity <= MAX_QUANTITY:
        refuse(
            "quantity",
            _("%(value)r is not a whole number from 1 to %(max)d.") % {"value": quantity, "max": MAX_QUANTITY},
        )
    if idempotency_key is not None:
        if not isinstance(idempotency_key, str) or not 1 <= len(idempotency_key) <= 255:
            refuse("idempotency_key", _("Give text of 1 to 255 characters, or None."))
        elif not _can_be_stored(idempotency_key):
            refuse("idempotency_key", _("The text holds a character that cannot be stored."))
    room = max(0, conf.DESCRIPTION_MAX_LENGTH - REFERENCE_LENGTH - 1)
    if len(content["description"]) > room:
        refuse(
            "description",
            _("%(length)d characters are too many: %(room)d at most, since the reference goes before it.")
            % {"length": len(content["description"]), "room": room},
        )
    for field, longest in COLUMN_LENGTHS.items():
        if len(content[field]) > longest:
            refuse(field, _("%(max)d characters at most.") % {"max": longest})
    _validate_contacts(content, refuse)
    if errors:
        raise ValidationError(errors)


def _validate_contacts(content: dict[str, Any], refuse: Callable[[str, str], None]) -> None:
    to_email, sharing = content["to_email"], content["sharing_option"]
    addresses = [("to_email", to_email)] if to_email else []
    addresses += [("copy_address", address) for address in content["copy_address"]]
    for field, address in addresses:
        try:
            validate_email(address)
        except ValidationError:
            refuse(field, _("%(value)r is not an e-mail address.") % {"value": address})
    if not set(sharing) <= {"link", "pdf"}:
        refuse("sharing_option", _("%(value)r: only 'link' and 'pdf' exist.") % {"value": sharing})
    if to_email and not sharing:
        refuse("sharing_option", _("Airalo needs 'link', 'pdf' or both together with to_email."))
    if content["webhook_url"]:
        try:
            URLValidator(schemes=["http", "https"])(content["webhook_url"])
        except ValidationError:
            refuse("webhook_url", _("%(value)r is not a web address.") % {"value": content["webhook_url"]})


def _can_be_stored(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:  # a lone surrogate
        return False
    return "\x00" not in value


def _validate_on_sale(package_id: str) -> None:
    """A package must be on sale, if there is a catalogue to know it from."""
    # Compared once more, since a database's collation may ignore case and blanks at the end.
    found = Package.objects.filter(package_id=package_id, type=Package.Type.SIM)
    package = next((package for package in found if package.package_id == package_id), None)
    if package and package.withdrawn_at:
        raise ValidationError(
            {"package_id": _("Airalo has withdrawn the package %(id)r. Choose another.") % {"id": package_id}}
        )
    if not package and Package.objects.exists():
        message = _("There is no package %(id)r in the catalogue. Run airalo_sync_packages if it is new.")
        raise ValidationError({"package_id": message % {"id": package_id}})


def _known(idempotency_key: str, content: dict[str, Any]) -> EsimOrder | None:
    order = EsimOrder.objects.filter(idempotency_key=idempotency_key).first()
    if order is None:
        return None
    different = [field for field, value in content.items() if getattr(order, field) != value]
    if order.idempotency_key != idempotency_key:  # a collation that ignores case
        different.append("idempotency_key")
    if different:
        raise IdempotencyConflictError(
            f"An order with the idempotency_key {idempotency_key!r} exists already, with another "
            f"{', '.join(different)}. Use a new key for a new order."
        )
    return order


@database.in_transaction()
def _place(idempotency_key: str | None, content: dict[str, Any]) -> EsimOrder:
    if idempotency_key is not None and (known := _known(idempotency_key, content)):
        return known
    _validate_on_sale(content["package_id"])
    now = database.now()
    try:
        with database.atomic():
            order = EsimOrder.objects.create(idempotency_key=idempotency_key, created_at=now, due_at=now, **content)
    except IntegrityError:
        # Another process placed this key between our look and our insert.
        if idempotency_key is not None and (known := _known(idempotency_key, content)):
            return known
        raise
    note(order, "", now=now, source="shop", kind=OrderEvent.Kind.PLACED)
    nudges.after_commit("submit_order", order.pk, submit_order)
    return order


# Submission


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


def _submit(order: EsimOrder) -> None:
    try:
        if order.look_up_first and fulfilment.settle_by_look_up(order, source="submit"):
            return
        get_client().get_token()  # may take long; what comes after it takes the two time-outs at most
    except AiraloAPIError as error:
        _put_back(order, reason=str(error), code=error.code, wait=error.retry_after)
        return
    except AiraloConfigurationError as error:
        _put_back(order, reason=str(error))
        return
    if not _holds_lease(order):
        _put_back(order, reason="The lease was about to run out, so nothing was sent.")
        return
    try:
        accepted = get_client().submit_order_async(
            package_id=order.package_id,
            quantity=order.quantity,
            description=order.airalo_description,
            brand_settings_name=order.brand_settings_name,
            to_email=order.to_email,
            sharing_option=order.sharing_option,
            copy_address=order.copy_address,
            webhook_url=order.webhook_url or conf.delivery_url,
        )
    except AiraloAPIError as error:
        _record_failure(order, error)
    else:
        _record_acceptance(order, accepted)


def _holds_lease(order: EsimOrder) -> bool:
    """Whether the order is still ours for as long as a request can take."""
    needed = timedelta(seconds=conf.CONNECT_TIMEOUT + conf.READ_TIMEOUT)
    return EsimOrder.objects.filter(
        pk=order.pk, status=Status.SUBMITTING, attempt=order.attempt, due_at__gt=database.now() + needed
    ).exists()


def _record_acceptance(order: EsimOrder, accepted: AcceptedOrder) -> None:
    _accept(order, accepted)
    fulfilment.process_waiting_webhooks(accepted.request_id)


@database.in_transaction(durable=True)
def _accept(order: EsimOrder, accepted: AcceptedOrder) -> None:
    order = copy(order)  # as in_transaction says
    now = database.now()
    fields: dict[str, Any] = {
        "request_id": accepted.request_id,
        "due_at": now + timedelta(seconds=conf.LOOKUP_DELAYS[0]),
        "look_up_first": False,
        "lookups": 0,  # those while it was unconfirmed must not make the next ones rare
        "error_code": None,
        "error_reason": "",
    }
    if not change_status(order, Status.ACCEPTED, now=now, source="submit", **fields):
        fulfilment.record_late_acceptance(order.pk, accepted.request_id, attempt=order.attempt, now=now)


def _record_failure(order: EsimOrder, error: AiraloAPIError) -> None:
    """What an unsuccessful try means: surely not carried out, refused for good, or unknown."""
    if isinstance(error, AiraloServiceUnavailableError):
        # It says that it took nothing on, and is believed only after a look.
        _put_back(order, reason=str(error), code=error.code, wait=error.retry_after, look_up_first=True)
    elif error.may_have_acted:
        _finish(order, Status.UNCONFIRMED, error, due_in=conf.LOOKUP_DELAYS[0])
    elif isinstance(error, AiraloRefusedError) and type(error) not in TRY_LATER:
        _finish(order, Status.FAILED, error)
    else:
        wait = error.retry_after or TRY_LATER.get(type(error))
        _put_back(order, reason=str(error), code=error.code, wait=wait)
        if isinstance(error, InsufficientCreditError):
            account.pause_submission(order, error.reason)


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
) -> None:
    """The order stays to be sent: PENDING again, due no sooner than Airalo asked for."""
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


def _note_lost_claim(order: EsimOrder, outcome: str, now: datetime) -> None:
    note(
        order,
        f"Attempt {order.attempt} lost its claim; its outcome was: {outcome}",
        now=now,
        source="submit",
        late=True,
    )
