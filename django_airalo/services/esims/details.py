"""Look up the details of eSIMs at GET /v2/sims/{iccid}: values that other sources lack, and the right code.

Airalo documents the confirmation code for this endpoint only, and its list of orders lacks the Apple link and other
values. So each eSIM is looked up once after its delivery, and again if it has no code or Airalo gave a different one.
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

#: Seconds before each further look-up if one fails. After the last, only eSIMs without a code are looked up.
DETAILS_DELAYS = (60, 300, 1800, 6 * 3600, 24 * 3600)
#: The maximum seconds in one sweep, so that usage and signals are not delayed.
SWEEP_PATIENCE = 20
#: The maximum number of eSIMs that one task looks up.
MOST_IN_A_TASK = 10
#: The columns that belong to one code.
CODES = ("activation_code", "smdp_address", "matching_id", "confirmation_code", "apple_installation_url")


def sync_order_details(order: EsimOrder | int, *, limit: int = MOST_IN_A_TASK) -> int:
    """Look up the details of an order's eSIMs that are due, with one request for each.

    Stops when Airalo's limit is reached, no token can be obtained, or after ``SWEEP_PATIENCE`` seconds.

    Args:
        order: an order or its primary key.
        limit: the maximum number of eSIMs; the rest is left to the sweep.

    Returns:
        The number of eSIMs that were looked up.
    """
    order_pk = order.pk if isinstance(order, EsimOrder) else order
    return _sync_each(_due().filter(order=order_pk)[:limit])


def sync_due_details(*, limit: int = 200) -> int:
    """Look up the details of all eSIMs that are due, the newest first. Part of the sweep.

    Stops when Airalo's limit is reached, no token can be obtained, or after ``SWEEP_PATIENCE`` seconds.

    Args:
        limit: the maximum number of eSIMs.

    Returns:
        The number of eSIMs that were looked up.
    """
    return _sync_each(_due()[:limit])


def sync_details(esim: Esim) -> SimData:
    """Look up one eSIM at Airalo, record its details and return Airalo's data.

    Raises:
        MissingIccidError: the eSIM has no ICCID.
        AiraloAPIError: the look-up failed.
        AiraloConfigurationError: credentials are missing.
    """
    asked_at = database.db_now()
    sim = get_client().get_sim(iccid_of(esim))
    record_details(esim.pk, sim, asked_at=asked_at)
    return sim


def _due() -> EsimQuerySet:
    # The newest first, since their customers are waiting. After an import, thousands of old ones may be due.
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
        except Exception:  # One eSIM must not keep the others from being looked up. It becomes due again.
            logger.exception("The details of eSIM %s could not be recorded", esim.pk)
            _put_details_off(esim.pk)
    return done


def _claim_details(esim: Esim) -> bool:
    """Postpone the due time, so that no other process looks up the same eSIM."""
    until, tries = database.db_now() + _details_wait(esim), F("details_tries") + 1
    return bool(Esim.primary.claim(esim, Esim.DETAILS_LEASE, until=until, details_tries=tries))


def _details_wait(esim: Esim) -> timedelta:
    return backoff(DETAILS_DELAYS, esim.details_tries)


def _give_back(esim: Esim, error: AiraloAPIError) -> None:
    """Give the claim back without counting a try, since no request was sent."""
    due_at = database.db_now() + timedelta(seconds=min(error.retry_after or 60, 3600))
    Esim.primary.release(esim, Esim.DETAILS_LEASE, due=due_at, details_tries=esim.details_tries)


@database.in_transaction()
def _put_details_off(esim_pk: int) -> None:
    """After the last failed try, flag a code that was not confirmed. Only eSIMs without a code are looked up again."""
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
    """Record Airalo's details of an eSIM: fill in blank columns, and replace codes that differ.

    The replaced codes are kept, encrypted, in the event from which the signal ``esims_changed`` is sent.

    Args:
        esim_pk: the eSIM's primary key.
        sim: the answer of GET /v2/sims/{iccid}.
        asked_at: when the request was sent. An answer that is older than the last recorded one replaces no code.
        source: as for ``change_status()``.
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
    """Replace those codes of an eSIM that differ.

    Returns:
        The old codes, if the customer must act on the new ones; else ``None``.
    """
    kept = _codes_kept(known.row.pk)
    given = {name: getattr(found, name) for name in CODES if name != "confirmation_code"}
    given["smdp_address"] = given["smdp_address"][:255]
    given["confirmation_code"] = sim.confirmation_code
    differing = {name: value for name, value in given.items() if value and value != kept.get(name)}
    is_other = bool(known.row.code_key and code_key) and code_key != known.row.code_key
    # The digests of one code differ after a change of AIRALO_DEPLOYMENT, which is their key.
    is_other = is_other and kept.get("activation_code") != found.activation_code
    is_other = is_other or bool(kept.get("confirmation_code") and "confirmation_code" in differing)
    known.put(**differing)
    if code_key:
        known.put(code_key=code_key)
    return {name: kept[name] for name in differing if kept.get(name)} if is_other else None


def _codes_kept(esim_pk: int) -> dict[str, str]:
    """Return the stored codes of an eSIM; none if their key is missing, so that Airalo's codes replace them."""
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
    """Record that Airalo returned another eSIM with the same ICCID, so that the answer is not about this one."""
    if esim.other_code_at or not esim.code_key:
        detail = f"Airalo shows another eSIM under the ICCID {esim.iccid}: ask Airalo for the code of this one."
        flag_for_review(order, detail, now=now, source=source)
    Esim.primary.filter(pk=esim.pk).update(details_synced_at=now, details_due_at=_again_without_code(esim, now))
