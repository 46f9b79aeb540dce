"""Take over orders that were made outside: in Airalo's Partner Platform, by another program, before this package."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db import IntegrityError

from django_airalo.client import get_client
from django_airalo.client.payloads import OrderData, Page
from django_airalo.exceptions import AiraloRateLimitError
from django_airalo.models import Esim, EsimOrder, OrderEvent
from django_airalo.models.orders import MAX_QUANTITY

from . import database
from .fulfilment import airalo_fields, keep_sim, reference_in
from .lookups import NOT_DELIVERED

logger = logging.getLogger("django_airalo.orders")

Status, Type = EsimOrder.Status, EsimOrder.Type

PAGE_SIZE = 100
#: Seconds to wait for one page when the limit for look-ups is reached.
PATIENCE = 120
#: Airalo's own description of a top-up names the eSIM, which nothing else in the list does.
TOPUP_OF = re.compile(r"^Topup \((\d{17,22})\)$")


@dataclass
class ImportReport:
    """What an import did: how many orders Airalo listed, and what became of them.

    Attributes:
        listed: orders that were read.
        known: of these, the shop's own and those imported before.
        unfinished: of these, orders without eSIMs, left for a later import.
        imported: of these, orders that were taken over (with ``dry_run``: would be).
        esims: eSIMs that came with them.
        flawed: of these, orders that could not be taken over, or not with all of their eSIMs; the log says why.
    """

    listed: int = 0
    known: int = 0
    unfinished: int = 0
    imported: int = 0
    esims: int = 0
    flawed: int = 0


def import_orders(
    *,
    since: date | None = None,
    until: date | None = None,
    dry_run: bool = False,
    signal: bool = False,
    progress: Callable[[int, int | None], object] | None = None,
) -> ImportReport:
    """Take over the orders that Airalo lists and this shop does not know, with their eSIMs.

    They are orders without a user, marked by ``is_imported``; the shop may set ``user``. Those that Airalo lists as
    failed or refunded, without eSIMs, are failed; the others are completed. An order is imported once, however often
    this runs and in however many processes. Receivers hear nothing, as the shop has long dealt with these orders,
    unless ``signal`` is set.

    Args:
        since: only orders made on this day or later, as Airalo dates them.
        until: only orders made on this day or earlier.
        dry_run: only count.
        signal: send the signals of completed and failed orders for them.
        progress: called after each page with the number of the page and of the last one, if Airalo says it.

    Raises:
        AiraloAPIError: a page could not be read. What was imported before stays.
        AiraloConfigurationError: credentials are missing.
    """
    report = ImportReport()
    number, days = 1, _days(since, until)
    while True:
        page = _page(days, number)
        _import_page(page.items, report, dry_run=dry_run, signal=signal)
        if progress:
            progress(number, page.last_page)
        if not page.has_next:
            return report
        number += 1


def _days(since: date | None, until: date | None) -> str | None:
    if since is None and until is None:
        return None
    # A day of margin: the time zone of Airalo's dates is not documented, and there it may be tomorrow.
    return f"{since or date(2000, 1, 1)} - {until or database.now().date() + timedelta(days=1)}"


def _page(days: str | None, number: int) -> Page[OrderData]:
    give_up = time.monotonic() + PATIENCE
    while True:
        try:
            return get_client().list_orders(created_at=days, limit=PAGE_SIZE, page=number)
        except AiraloRateLimitError as error:
            if time.monotonic() >= give_up:
                raise
            time.sleep(min(error.retry_after or 10, PATIENCE))


def _import_page(items: Sequence[OrderData], report: ImportReport, *, dry_run: bool, signal: bool) -> None:
    known = _known(items)
    for data in items:
        report.listed += 1
        if data.id is None or not data.package_id:
            logger.error("An order that Airalo lists has no id or no package: it was not imported")
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


def _known(items: Sequence[OrderData]) -> set[int | None]:
    """Airalo's ids of those orders that are ours."""
    ids = [data.id for data in items if data.id is not None]
    references = {reference: data.id for data in items if (reference := reference_in(data.description))}
    iccids = {sim.iccid: data.id for data in items for sim in data.sims if sim.iccid}
    orders = EsimOrder.objects.using(database.alias())
    known: set[int | None] = set(orders.filter(airalo_order_id__in=ids).values_list("airalo_order_id", flat=True))
    ours = orders.filter(reference__in=list(references)).values_list("reference", flat=True)
    known |= {references[reference] for reference in ours}
    # An order of ours may have lost its description, but not its eSIMs.
    kept = Esim.objects.using(database.alias()).filter(iccid__in=list(iccids)).values_list("iccid", flat=True)
    return known | {iccids[iccid] for iccid in kept}


def _import(data: OrderData, report: ImportReport, *, signal: bool) -> None:
    try:
        esims, flaws = _write(data, signal=signal)
    except IntegrityError:
        # Another process imported it at this moment?
        if EsimOrder.objects.using(database.alias()).filter(idempotency_key=_key(data)).exists():
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
def _write(data: OrderData, *, signal: bool) -> tuple[int, list[str]]:
    now = database.now()
    made_at = data.created_at or now
    is_topup = data.type == Type.TOPUP
    failed = data.status in NOT_DELIVERED and not data.sims
    status = Status.FAILED if failed else Status.COMPLETED
    order = EsimOrder(
        idempotency_key=_key(data),
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
    _note(order, now, signal=signal)
    sims = () if is_topup else data.sims
    flaws = [flaw for sim in sims if (flaw := keep_sim(order, sim))]
    return len(sims) - len(flaws), flaws


def _key(data: OrderData) -> str:
    """No two orders share an idempotency key, so none is imported twice."""
    return f"airalo-order-{data.id}"


def _topped_up(data: OrderData) -> Esim | None:
    found = TOPUP_OF.match(data.description)
    return Esim.objects.using(database.alias()).without_secrets().filter(iccid=found[1]).first() if found else None


def _note(order: EsimOrder, now: datetime, *, signal: bool) -> None:
    OrderEvent.objects.create(
        order=order,
        kind=OrderEvent.Kind.STATUS_CHANGED,
        old_status=Status.PENDING,
        new_status=order.status,
        source="import",
        detail="Made outside of this shop.",
        created_at=now,
        signal_due_at=now if signal else None,  # the sweep sends it
    )
