"""Check that this is the newest database: an old backup, or a replica that lagged behind, must not send orders.

The database stores the server that it was on when something was last sent, and when it was last alive. If the server
is another one, or that time is too long ago, nothing is sent until Airalo's list has been read (see ``matching``): the
waiting orders may have been bought already. The cache is not used, since a restore does not change it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Min, Q, QuerySet
from django.utils.translation import gettext as _

from django_airalo.conf import conf
from django_airalo.models import Deployment, EsimOrder, Refund, Voucher

from . import database, deployment, servers

logger: logging.Logger = logging.getLogger("django_airalo.deployment")

Reason = Deployment.Reason

#: The time between two updates of ``alive_at``, so that not every order that is sent writes the row.
ALIVE_EVERY = timedelta(seconds=30)
#: If ``alive_at`` is older than this, the database may be an old backup.
SILENT = timedelta(minutes=5)
#: An order that has waited longer than ``OLD`` is sent only if Airalo's list was read after it was placed, and not
#: longer ago than ``FRESH``.
OLD, FRESH = timedelta(minutes=2), timedelta(minutes=5)


@dataclass(frozen=True)
class Moment:
    """The values that a transaction reads first if it may send something.

    Attributes:
        row: the deployment's row.
        now: the database's present time.
        server: the database's server; ``""`` if it is not checked.
    """

    row: Deployment
    now: datetime
    server: str

    @property
    def stamp(self) -> str:
        """The short name of this deployment."""
        return deployment.identity_of(self.row).stamp


def look() -> Moment:
    """Return the values to check before something is sent. Takes two queries. Call inside ``database.atomic()``."""
    now, server = servers.clock_and_server()
    return Moment(deployment.state(), now, server)


def is_newest(moment: Moment, *, again: bool = True) -> bool:
    """Return whether orders may be sent from this database. Records that it is alive, or that it is in doubt.

    Call inside ``database.atomic()``, and commit whatever the result is.

    Args:
        moment: as ``look()`` returned it.
        again: check a second time if another process has changed the row meanwhile.
    """
    row = moment.row
    if row.behind_since:
        return False
    reason = _reason(moment)
    if reason:
        # If hold() wrote nothing, another process has sent something or read the list since the row was read.
        return not hold(moment, reason) and again and is_newest(look(), again=False)
    if row.alive_at is None or moment.now - row.alive_at >= ALIVE_EVERY:
        fields = {"alive_at": moment.now, **({"server": moment.server} if moment.server else {})}
        _deployment_row().filter(alive_at=row.alive_at, behind_since=None).update(**fields)
    return True


@database.in_transaction()
def beat() -> bool:
    """Record that the database is alive, and return whether orders may be sent from it."""
    return is_newest(look())


def hold(moment: Moment, reason: Deployment.Reason) -> bool:
    """Stop sending until Airalo's list has been read. Call inside ``database.atomic()``.

    Returns:
        ``False`` if another process has changed the row meanwhile. Nothing was written then.
    """
    alive_at = moment.row.alive_at
    # A purchase just before a failover takes time to be listed. After a long silence, it is listed already.
    wait = timedelta(0) if reason == Reason.SILENT else timedelta(seconds=conf.LISTING_DELAY)
    held = (
        _deployment_row()
        .filter(alive_at=alive_at, behind_since=None)
        .update(
            behind_since=moment.now,
            behind_because=reason,
            read_from=alive_at or _first_sent_at(moment) or moment.now,
            read_not_before=moment.now + wait,
            reading_until=None,
        )
    )
    if held:
        level = logging.WARNING if reason == Reason.SILENT else logging.ERROR
        logger.log(level, "Nothing is sent to Airalo until its list has been read: %s", Reason(reason).label)
    return bool(held)


def hold_by_hand(moment: Moment, read_from: datetime | None) -> None:
    """Stop sending until Airalo's list has been read, on an operator's request. Call inside ``database.atomic()``.

    Args:
        moment: as ``look()`` returned it.
        read_from: the time from which to read the list, if it is earlier than the one that the database has.
    """
    hold(moment, Reason.ASKED)
    row = deployment.state()
    fields: dict[str, Any] = {"reading_until": None}  # a reading in progress may have begun too late
    if read_from and row.read_from and read_from < row.read_from:
        fields["read_from"] = read_from
    _deployment_row().update(**fields)


def why_nothing_is_sent() -> str:
    """Return a text that says why nothing is sent to Airalo; ``""`` if orders are sent."""
    if not conf.SUBMIT:
        return _("AIRALO_SUBMIT is False: nothing is sent to Airalo.")
    row = deployment.state()
    if not row.behind_since:
        return ""
    text = _("Nothing is sent to Airalo until its list has been read: %(why)s")
    return text % {"why": row.get_behind_because_display()}


def is_old(order: EsimOrder, moment: Moment) -> bool:
    """Return whether an order has waited so long that it may come from an old backup, and the list was not read since.

    Args:
        moment: as ``look()`` returned it.
    """
    read_at = moment.row.list_read_at
    is_read = read_at is not None and read_at > order.created_at and moment.now - read_at <= FRESH
    return moment.now - order.created_at > OLD and not is_read


def _reason(moment: Moment) -> Deployment.Reason | None:
    """Return why this may not be the newest database, or ``None`` if there is no sign of that."""
    row = moment.row
    if row.alive_at is None:
        return Reason.UNKNOWN if _first_sent_at(moment) else None
    if moment.server and row.server and moment.server != row.server:
        return Reason.SERVER
    return Reason.SILENT if moment.now - row.alive_at > SILENT else None


def _first_sent_at(moment: Moment) -> datetime | None:
    """Return when the first row was placed that was sent or may have been sent; ``None`` if there is none.

    A row that has waited for long may have been sent after the backup was made that this database comes from.
    """
    may_be_sent = Q(attempt__gt=0) | Q(created_at__lt=moment.now - OLD, status="pending")
    placed = [
        model.primary.filter(may_be_sent).aggregate(at=Min("created_at"))["at"]
        for model in (EsimOrder, Refund, Voucher)
    ]
    return min(filter(None, placed), default=None)


def _deployment_row() -> QuerySet[Deployment]:
    return Deployment.primary.filter(pk=deployment.ROW)
