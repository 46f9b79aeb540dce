"""Import orders that were made elsewhere: in Airalo's Partner Platform, by another program, before this package."""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, TypeAlias

from django.db import IntegrityError

from django_airalo.client import get_client
from django_airalo.client.payloads import OrderData, Page
from django_airalo.iccids import normalised
from django_airalo.models import Esim, EsimOrder, OrderEvent
from django_airalo.models.orders import MAX_QUANTITY
from django_airalo.models.references import reference_in
from django_airalo.services.core import database, deployment
from django_airalo.services.core.pages import read_pages
from django_airalo.services.core.transitions import flag_for_review, lock
from django_airalo.services.esims.completed_orders import follow_up
from django_airalo.services.esims.identity import CodeKeys
from django_airalo.services.esims.record import compare, keep_esims, stored_esims, with_blanks
from django_airalo.services.esims.usage import note_top_up

from .airalo_fields import airalo_fields
from .duplicates import imported_key
from .lookup import Findings, record
from .purchases import NOT_DELIVERED
from .record import flaws_of, record_delivery
from .refund_outcomes import propose_outcomes
from .signals import signal_after_commit

logger: logging.Logger = logging.getLogger("django_airalo.orders")

Status: TypeAlias = EsimOrder.Status
Type: TypeAlias = EsimOrder.Type

PAGE_SIZE = 100
#: Seconds to wait for a page when the limit for look-ups is reached.
PATIENCE = 120
#: Airalo's own description of a top-up. Nothing else in the list names the eSIM.
TOPUP_OF = re.compile(r"^Topup \((.+)\)$")


@dataclass
class ImportReport:
    """The result of an import, in numbers of orders unless stated otherwise.

    Attributes:
        listed: orders that were read from Airalo's list.
        known: the shop's own orders, and those that were imported before.
        unfinished: orders without eSIMs, left for a later import.
        imported: orders that were imported (with ``dry_run``: that would be).
        esims: eSIMs of the imported orders.
        repaired: known, completed orders that got missing eSIMs, codes or other details.
        flawed: orders that could not be imported, or that have something unexpected; see the log.
    """

    listed: int = 0
    known: int = 0
    unfinished: int = 0
    imported: int = 0
    esims: int = 0
    repaired: int = 0
    flawed: int = 0


def import_orders(
    *,
    since: date | None = None,
    until: date | None = None,
    dry_run: bool = False,
    signal: bool = False,
    progress: Callable[[int, int | None], object] | None = None,
) -> ImportReport:
    """Import the orders that Airalo lists and this shop does not know, with their eSIMs.

    Imported orders have ``is_imported`` set and no user; the shop may set ``user``. An order that Airalo lists as
    failed or refunded, without eSIMs, becomes failed; all others become completed. An order is imported only once,
    even if this runs several times or in several processes. No signals are sent unless ``signal`` is set, since the
    shop has dealt with these orders elsewhere.

    Args:
        since: only import orders made on this day or later, by Airalo's dates.
        until: only import orders made on this day or earlier.
        dry_run: only count the orders, and import nothing.
        signal: send the signals of completed and failed orders for the imported ones.
        progress: called after each page with its number and that of the last page (``None`` if unknown).

    Raises:
        AiraloAPIError: a page could not be read. Orders that were imported before that are kept.
        AiraloConfigurationError: credentials are missing.
    """
    report = ImportReport()
    days = _days(since, until)

    def fetch(number: int) -> Page[OrderData]:
        return get_client().list_orders(created_at=days, limit=PAGE_SIZE, page=number)

    for number, page in enumerate(read_pages(fetch, patience=PATIENCE), 1):
        _import_page(page.items, report, dry_run=dry_run, signal=signal)
        if progress:
            progress(number, page.last_page)
    return report


def _days(since: date | None, until: date | None) -> str | None:
    if since is None and until is None:
        return None
    # The time zone of Airalo's dates is not documented, so for Airalo it may be tomorrow already.
    return f"{since or date(2000, 1, 1)} - {until or database.db_now().date() + timedelta(days=1)}"


def _import_page(items: Sequence[OrderData], report: ImportReport, *, dry_run: bool, signal: bool) -> None:
    ours = _ours(items)
    known = _known_ids(items, ours)
    if not dry_run:
        _record_ours(items, ours)
        _keep_listed(items, ours)
        propose_outcomes(items)
    for data in items:
        report.listed += 1
        if data.id is None or not data.package_id:
            logger.error("An order in Airalo's list has no id or no package, so it was not imported")
            report.flawed += 1
        elif data.id in known:
            report.known += 1
        elif not (data.sims or data.type == Type.TOPUP or data.status in NOT_DELIVERED):
            report.unfinished += 1
        elif dry_run:
            report.imported += 1
            report.esims += len(data.sims)
        else:
            _import(data, report, signal=signal)
    _repair([data for data in items if data.id in known and data.sims], report, dry_run=dry_run, signal=signal)


def _ours(items: Sequence[OrderData]) -> dict[str, EsimOrder]:
    """Return our own orders among the listed ones, by their references."""
    references = {reference for data in items if (reference := reference_in(data.description))}
    if not references:
        return {}
    orders = EsimOrder.primary.only("reference", "status", "airalo_order_id")
    return {order.reference: order for order in orders.filter(reference__in=sorted(references))}


def _record_ours(items: Sequence[OrderData], ours: Mapping[str, EsimOrder]) -> None:
    """Record new data of our own orders: that a failed or cancelled one was delivered, or a second purchase."""
    listed: dict[str, list[OrderData]] = defaultdict(list)
    for data in items:
        reference = reference_in(data.description)
        if reference in ours and not _is_known_of(ours[reference], data):
            listed[reference].append(data)
    for reference, found in listed.items():
        try:
            findings = Findings(database.db_now(), found, is_complete=False)  # another page may have more purchases
            record(ours[reference].pk, findings, source="import")
        except Exception:  # One order must not keep the others from being imported.
            logger.exception("What Airalo lists of order %s could not be recorded", reference)


def _keep_listed(items: Sequence[OrderData], ours: Mapping[str, EsimOrder]) -> None:
    """Store the other orders that have a reference: their rows may be lost here, and the shop may place them again."""
    listed = {reference: data for data in reversed(items) if (reference := reference_in(data.description))}
    unknown = {reference: (data.id, data.package_id) for reference, data in listed.items() if reference not in ours}
    deployment.keep_listed(unknown)


def _is_known_of(order: EsimOrder, data: OrderData) -> bool:
    """Return whether there is nothing to record: the order is delivered, or the sweep will look it up."""
    return order.status not in EsimOrder.FINAL or (
        order.status == Status.COMPLETED and data.id in (None, order.airalo_order_id)
    )


def _known_ids(items: Sequence[OrderData], ours: Mapping[str, EsimOrder]) -> set[int | None]:
    """Return Airalo's ids of the orders that this shop knows."""
    ids = [data.id for data in items if data.id is not None]
    orders = EsimOrder.primary.all()
    known: set[int | None] = set(orders.filter(airalo_order_id__in=ids).values_list("airalo_order_id", flat=True))
    known |= {data.id for data in items if reference_in(data.description) in ours}
    # An order of ours may have lost its description at Airalo, but not its eSIMs. Orders with an airalo_order_id are
    # left out: they are known to be other orders, even if an eSIM has the same number.
    sims = [(normalised(sim.iccid), data.id) for data in items if data.id not in known for sim in data.sims]
    if iccids := {key: number for key, number in sims if key}:
        esims = Esim.primary.filter(iccid_key__in=list(iccids), order__airalo_order_id=None)
        known |= {iccids[key] for key in esims.values_list("iccid_key", flat=True)}
    return known


def _repair(items: Sequence[OrderData], report: ImportReport, *, dry_run: bool, signal: bool) -> None:
    """Add missing eSIMs and details to completed orders: an older version, or another source, recorded less of them."""
    listed = {data.id: data for data in items}
    rows = stored_esims().filter(order__airalo_order_id__in=list(listed)).exclude(order__type=Type.TOPUP)
    kept: dict[int, list[Esim]] = defaultdict(list)
    for row in rows:
        kept[row.order_id].append(row)
    orders = EsimOrder.primary.filter(airalo_order_id__in=list(listed))
    now, codes = database.db_now(), CodeKeys()
    for order in orders.filter(status=Status.COMPLETED, type=Type.SIM).order_by("pk"):
        data = listed[order.airalo_order_id]
        if compare(order, with_blanks(kept[order.pk]), data.sims, now=now, source="import", codes=codes).has_changes:
            report.repaired += 1
            if not dry_run:
                _record_again(order.pk, data, signal=signal)


@database.in_transaction()
def _record_again(order_pk: int, data: OrderData, *, signal: bool) -> None:
    order, now = lock(order_pk), database.db_now()
    if order.status == Status.COMPLETED:
        record_delivery(order, data, now=now, source="import", signal=signal or not order.is_imported)
        signal_after_commit(order)


def _import(data: OrderData, report: ImportReport, *, signal: bool) -> None:
    try:
        esims, flaws = _write_order(data, signal=signal)
    except IntegrityError:
        # Another process may have imported it at the same moment.
        if EsimOrder.primary.filter(idempotency_key=imported_key(data)).exists():
            report.known += 1
        else:
            logger.exception("Airalo's order %s could not be imported", data.id)
            report.flawed += 1
        return
    except Exception:  # One order must not keep the others from being imported.
        logger.exception("Airalo's order %s could not be imported", data.id)
        report.flawed += 1
        return
    report.imported += 1
    report.esims += esims
    if flaws:
        report.flawed += 1
        logger.error("Airalo's order %s was imported, but: %s", data.id, " ".join(flaws))


@database.in_transaction()
def _write_order(data: OrderData, *, signal: bool) -> tuple[int, list[str]]:
    now = database.db_now()
    made_at = data.created_at or now
    is_topup = data.type == Type.TOPUP
    failed = data.status in NOT_DELIVERED and not data.sims
    status = Status.FAILED if failed else Status.COMPLETED
    order = EsimOrder(
        idempotency_key=imported_key(data),
        is_imported=True,
        type=Type.TOPUP if is_topup else Type.SIM,
        mode=EsimOrder.Mode.SYNC,
        esim=_topped_up(data) if is_topup else None,
        package_id=data.package_id[:255],
        quantity=min(max(data.quantity or len(data.sims), 1), MAX_QUANTITY),
        description=data.description,
        brand_settings_name=data.brand_settings_name[:255],
        status=status,
        created_at=made_at,
        **{"failed_at" if failed else "completed_at": made_at},
    )
    fields: dict[str, Any] = airalo_fields(order, data)
    for name, value in fields.items():
        setattr(order, name, value)
    order.save(force_insert=True)
    if order.esim_id and not failed:
        note_top_up(order.esim_id, made_at)
    _note(order, now, signal=signal)
    delivery = keep_esims(order, () if is_topup else data.sims, now=now, source="import")
    if status == Status.COMPLETED:
        follow_up(order, delivery.rows, now=now, source="import")
    for flaw in [*delivery.flaws, *flaws_of(order, data, len(delivery.esims))]:
        flag_for_review(order, flaw, now=now, source="import")
    return len(delivery.esims), order.attention.splitlines()


def _topped_up(data: OrderData) -> Esim | None:
    found = TOPUP_OF.match(data.description)
    key = normalised(found[1]) if found else ""
    # If several eSIMs have this number, take the newest, since the top-up was bought for one that is in use.
    return Esim.primary.without_secrets().filter(iccid_key=key).first() if key else None


def _note(order: EsimOrder, now: datetime, *, signal: bool) -> None:
    OrderEvent.primary.create(
        order=order,
        kind=OrderEvent.Kind.STATUS_CHANGED,
        old_status=Status.PENDING,
        new_status=order.status,
        source="import",
        detail="Imported: the order was made outside of this shop.",
        created_at=now,
        signal_due_at=now if signal else None,  # the sweep sends it
    )
