"""What GET /v2/sims/{iccid} says of one eSIM: what other sources leave out, and which code is right if they differ.

Airalo documents the confirmation code there alone, and leaves the Apple link and more out of its list of orders. So
each eSIM is asked for once after it was delivered, and again if it has no code or another code was given for it.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db.models import F

from django_airalo.activation_codes import InstallationCodes
from django_airalo.client import get_client
from django_airalo.client.payloads import SimData
from django_airalo.exceptions import (
    AiraloAPIError,
    AiraloConfigurationError,
    AiraloRateLimitError,
    AiraloTokenError,
    DecryptionError,
)
from django_airalo.models import Esim, EsimOrder
from django_airalo.models.esims import EsimQuerySet
from django_airalo.services.core import database
from django_airalo.services.core.backoff import backoff
from django_airalo.services.core.enqueue import run_after_commit
from django_airalo.services.core.transitions import flag_for_review, lock, note

from .completed_orders import GIVE_UP_AFTER, RARELY, follow_up, log_changed_esims
from .identity import CodeKeys, iccid_of, is_same, name_of
from .record import KnownEsim, codes_of, compare, keep, stored_esims, with_blanks

logger: logging.Logger = logging.getLogger("django_airalo.esims")

#: Seconds until an eSIM is asked for again if that brought nothing. Then rarely, if it has no code, or no more.
DETAILS_DELAYS = (60, 300, 1800, 6 * 3600, 24 * 3600)
#: Seconds for those that are due in one sweep: usage and signals are due, too.
SWEEP_PATIENCE = 20
#: eSIMs that one task asks for.
MOST_IN_A_TASK = 10
#: The columns that belong to one code.
CODES = ("activation_code", "smdp_address", "matching_id", "confirmation_code", "apple_installation_url")


def sync_order_details(order: EsimOrder | int, *, limit: int = MOST_IN_A_TASK) -> int:
    """Ask Airalo for the eSIMs of an order of which details are due, each by itself.

    Args:
        order: an order or its primary key.
        limit: how many to ask for at most; the rest is for the sweep.

    Returns:
        How many were asked for.
    """
    order_pk = order.pk if isinstance(order, EsimOrder) else order
    return _sync_each(_due().filter(order=order_pk)[:limit])


def sync_due_details(*, limit: int = 200) -> int:
    """Ask Airalo for the eSIMs of which details are due, the newest first. Returns how many were asked for.

    Stops when Airalo wants no more requests, or after ``SWEEP_PATIENCE`` seconds.
    """
    return _sync_each(_due()[:limit])


def sync_details(esim: Esim) -> SimData:
    """Ask Airalo for one eSIM and record what it says. Returns that.

    Raises:
        MissingIccidError: it has no ICCID.
        AiraloAPIError: it could not be asked for.
        AiraloConfigurationError: credentials are missing.
    """
    asked_at = database.db_now()
    sim = get_client().get_sim(iccid_of(esim))
    record_details(esim.pk, sim, asked_at=asked_at)
    return sim


def _due() -> EsimQuerySet:
    # The newest first: their customers wait. After an import thousands of old ones may be due.
    due = Esim.primary.filter(details_due_at__lte=database.db_now())
    return due.without_secrets().order_by("-pk")


def _sync_each(esims: Iterable[Esim]) -> int:
    give_up = time.monotonic() + SWEEP_PATIENCE
    done = 0
    for esim in list(esims):
        if time.monotonic() > give_up:
            break
        if not _claim_details(esim):
            continue
        try:
            sync_details(esim)
            done += 1
        except (AiraloRateLimitError, AiraloTokenError) as error:
            _give_back(esim, error)
            logger.warning("Stopped asking Airalo for eSIMs: %s", error)
            break
        except (AiraloAPIError, AiraloConfigurationError) as error:
            logger.warning("The details of eSIM %s were put off: %s", esim.pk, error)
            _put_details_off(esim.pk)
        except Exception:  # One eSIM must not keep the others from being asked for. It becomes due again.
            logger.exception("The details of eSIM %s could not be recorded", esim.pk)
            _put_details_off(esim.pk)
    return done


def _claim_details(esim: Esim) -> bool:
    """Move the due time on, which keeps other processes from asking for the same eSIM."""
    until, tries = database.db_now() + _details_wait(esim), F("details_tries") + 1
    return bool(Esim.primary.claim(esim, Esim.DETAILS_LEASE, until=until, details_tries=tries))


def _details_wait(esim: Esim) -> timedelta:
    return backoff(DETAILS_DELAYS, esim.details_tries)


def _give_back(esim: Esim, error: AiraloAPIError) -> None:
    """It was not asked for: that counts as no try."""
    due_at = database.db_now() + timedelta(seconds=min(error.retry_after or 60, 3600))
    Esim.primary.release(esim, Esim.DETAILS_LEASE, due=due_at, details_tries=esim.details_tries)


@database.in_transaction()
def _put_details_off(esim_pk: int) -> None:
    """Asking brought nothing. In the end it is given up, if the customer can do without."""
    esim = Esim.primary.without_secrets().get(pk=esim_pk)
    order, now = lock(esim.order_id), database.db_now()
    if esim.details_tries < len(DETAILS_DELAYS) or esim.details_due_at is None:
        return
    if esim.other_code_at:
        detail = f"Airalo gave another activation code for eSIM {name_of(esim)} and does not confirm it: ask Airalo."
        flag_for_review(order, detail, now=now, source="look-up")
    Esim.primary.filter(pk=esim_pk).update(details_due_at=_again_without_code(esim, now))


def _again_without_code(esim: Esim, now: datetime) -> datetime | None:
    return None if esim.code_key or now - esim.created_at > GIVE_UP_AFTER else now + RARELY


@database.in_transaction()
def record_details(esim_pk: int, sim: SimData, *, asked_at: datetime, source: str = "look-up") -> None:
    """Record what GET /v2/sims/{iccid} says of an eSIM: fill in what is blank, and take another code over.

    What is replaced is kept, encrypted, in the event that the signal ``esims_changed`` is sent from.

    Args:
        asked_at: when Airalo was asked: an answer that is older than the one before replaces nothing.
    """
    order_pk = Esim.primary.values_list("order_id", flat=True).get(pk=esim_pk)
    order, now = lock(order_pk), database.db_now()
    esims = with_blanks(stored_esims().filter(order=order))
    known = next(known for known in esims if known.row.pk == esim_pk)
    found = codes_of(sim)
    code_key = CodeKeys().of(found.activation_code)
    if not is_same(known.row, sim, code_key):
        _record_stranger(order, known.row, now=now, source=source)
        return
    is_newer = known.row.details_synced_at is None or known.row.details_synced_at <= asked_at
    was_in_doubt = known.row.other_code_at is not None
    delivery = compare(order, [known], [sim], now=now, source=source, adding=False)
    old = _replace(known, sim, found, code_key) if is_newer else None
    known.other_code = ""
    settled: dict[str, Any] = {"details_due_at": None, "details_tries": 0, "other_code_at": None}
    if not known.row.code_key:
        settled = {"details_due_at": max(now + _details_wait(known.row), known.row.details_due_at or now)}
    known.put(details_synced_at=now, **settled)
    keep(order, delivery, now=now, source=source)
    if old is not None:
        _log_other_code(order, known.row, old, now=now, source=source)
    elif known.got_code:
        log_changed_esims(order, changed=[known.row], now=now, source=source)
    elif was_in_doubt:
        note(order, f"Airalo confirms the code of eSIM {name_of(known.row)} that is kept.", now=now, source=source)
    follow_up(order, [other.row for other in esims], now=now, source=source)
    for flaw in delivery.flaws:
        flag_for_review(order, flaw, now=now, source=source)
    run_after_commit("send_order_signals", order.pk)


def _replace(known: KnownEsim, sim: SimData, found: InstallationCodes, code_key: str) -> dict[str, str] | None:
    """Take over what differs of an eSIM's codes.

    Returns:
        The old codes, if the customer must act on the new ones; else ``None``.
    """
    kept = _codes_kept(known.row.pk)
    given = {name: getattr(found, name) for name in CODES if name != "confirmation_code"}
    given["smdp_address"] = given["smdp_address"][:255]
    given["confirmation_code"] = sim.confirmation_code
    differing = {name: value for name, value in given.items() if value and value != kept.get(name)}
    is_other = bool(known.row.code_key and code_key) and code_key != known.row.code_key
    is_other = is_other and kept.get("activation_code") != found.activation_code  # else it is the digest's key
    is_other = is_other or bool(kept.get("confirmation_code") and "confirmation_code" in differing)
    known.put(**differing)
    if code_key:
        known.put(code_key=code_key)
    return {name: kept[name] for name in differing if kept.get(name)} if is_other else None


def _codes_kept(esim_pk: int) -> dict[str, str]:
    """Return the codes of an eSIM; none if their key is lost: then those that Airalo gives now replace them."""
    try:
        return dict(Esim.primary.values(*CODES).get(pk=esim_pk))
    except DecryptionError:
        logger.warning("The codes of eSIM %s fit none of the keys: those that Airalo gives are kept instead", esim_pk)
        return {}


def _log_other_code(order: EsimOrder, esim: Esim, old: dict[str, str], *, now: datetime, source: str) -> None:
    detail = f"Airalo has given eSIM {name_of(esim)} another code. The old one is kept here, encrypted."
    secret = json.dumps({esim.pk: old}) if old else ""
    log_changed_esims(order, changed=[esim], now=now, source=source, detail=detail, secret=secret)


def _record_stranger(order: EsimOrder, esim: Esim, *, now: datetime, source: str) -> None:
    """Airalo shows another eSIM under this one's ICCID: two have the same, so nothing is learnt of this one."""
    if esim.other_code_at or not esim.code_key:
        detail = f"Airalo shows another eSIM under the ICCID {esim.iccid}: ask Airalo for the code of this one."
        flag_for_review(order, detail, now=now, source=source)
    Esim.primary.filter(pk=esim.pk).update(details_synced_at=now, details_due_at=_again_without_code(esim, now))
