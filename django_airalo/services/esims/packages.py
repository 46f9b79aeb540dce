"""Synchronise the packages of an eSIM: the one that it was sold with, and its top-ups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import F

from django_airalo.client import get_client
from django_airalo.client.payloads import SimPackageData
from django_airalo.exceptions import AiraloNotFoundError, RecycledEsimError
from django_airalo.models import Esim, EsimPackage
from django_airalo.services.core import blanks, database

from .identity import iccid_of

#: The columns of a package that may change.
_MIRRORED = (
    "package_id",
    "type",
    "title",
    "status",
    "remaining",
    "amount",
    "is_unlimited",
    "activated_at",
    "expires_at",
    "finished_at",
)


def sync_esim_packages(esim: Esim | int) -> list[EsimPackage]:
    """Look up which packages were bought for an eSIM, and record them.

    Packages that Airalo no longer lists are kept.

    Args:
        esim: an eSIM or its primary key.

    Returns:
        The packages, the newest first.

    Raises:
        MissingIccidError: the eSIM has no ICCID.
        AiraloAPIError: the list could not be read, or the limit of ten requests a minute for one eSIM is reached. The
            packages were not changed.
        AiraloConfigurationError: credentials are missing.
    """
    esim_pk = esim.pk if isinstance(esim, Esim) else esim
    row = Esim.primary.only("iccid").get(pk=esim_pk)
    try:
        listed = get_client().get_sim_packages(iccid_of(row)).items
    except (AiraloNotFoundError, RecycledEsimError):
        Esim.primary.filter(pk=esim_pk).update(packages_due=False)  # another request would fail, too
        raise
    return _keep_packages(esim_pk, listed)


@database.in_transaction()
def _keep_packages(esim_pk: int, listed: Sequence[SimPackageData]) -> list[EsimPackage]:
    current = lock_esim(esim_pk)
    listed_before = {package.airalo_id: package for package in EsimPackage.primary.filter(esim=current)}
    changed, created = [], []
    for data in listed:
        if data.id is None:
            continue
        package, values = listed_before.get(data.id), blanks.said(_values(data))
        if package is None:
            listed_before[data.id] = EsimPackage.primary.create(esim=current, airalo_id=data.id, **values)
            created.append(listed_before[data.id])
        elif changes := blanks.changes(package, values):
            for name, value in changes.items():
                setattr(package, name, value)
            changed.append(package)
    EsimPackage.primary.bulk_update(changed, _MIRRORED)
    now = database.db_now()
    Esim.primary.filter(pk=esim_pk).update(packages_due=False, packages_synced_at=now)
    if _was_topped_up_elsewhere(current, created):
        Esim.primary.filter(pk=esim_pk).update(topped_up_at=now, usage_due_at=now)
    return sorted(listed_before.values(), key=lambda package: -package.airalo_id)


def _was_topped_up_elsewhere(esim: Esim, created: Sequence[EsimPackage]) -> bool:
    """Return whether a new top-up is listed that was not bought in this shop since the list was last read."""
    since, known_at = esim.packages_synced_at, esim.topped_up_at
    is_known = known_at is not None and (since is None or known_at >= since)
    return since is not None and not is_known and any(package.type == "topup" for package in created)


def _values(data: SimPackageData) -> dict[str, Any]:
    """Return the columns of a package. Values that are missing or could not be understood are blank."""
    status = data.status.lower()
    package = data.package
    return {
        "package_id": package.id[:255],
        "type": package.type[:20],
        "title": package.title[:255],
        "status": str(EsimPackage.Status(status)) if status in EsimPackage.Status else "",
        "remaining": data.remaining,
        "amount": package.amount,
        "is_unlimited": package.is_unlimited,
        "activated_at": data.activated_at,
        "expires_at": data.expired_at,
        "finished_at": data.finished_at,
    }


def lock_esim(esim_pk: int) -> Esim:
    """Return the eSIM, locked until the transaction ends. As in ``transitions.lock()``, the UPDATE is for SQLite."""
    Esim.primary.filter(pk=esim_pk).update(iccid=F("iccid"))
    return database.locked(Esim.primary.without_secrets()).get(pk=esim_pk)
