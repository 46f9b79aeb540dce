"""The packages of an eSIM: the one it was sold with, and its top-ups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import F

from django_airalo.client import get_client
from django_airalo.client.payloads import SimPackageData
from django_airalo.exceptions import AiraloNotFoundError, RecycledEsimError
from django_airalo.models import Esim, EsimPackage

from . import database

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
    """Ask Airalo which packages were bought for an eSIM, and keep them. One that Airalo lists no longer stays.

    Args:
        esim: an eSIM or its primary key.

    Returns:
        The packages, the newest first.

    Raises:
        AiraloAPIError: the list could not be read, or the limit of ten requests a minute for one eSIM is reached.
            Nothing was changed.
    """
    esim_pk = esim.pk if isinstance(esim, Esim) else esim
    iccid = Esim.objects.values_list("iccid", flat=True).get(pk=esim_pk)
    try:
        listed = get_client().get_sim_packages(iccid).items
    except (AiraloNotFoundError, RecycledEsimError):
        Esim.objects.filter(pk=esim_pk).update(packages_due=False)  # asking again would bring the same
        raise
    return _keep(esim_pk, listed)


@database.in_transaction()
def _keep(esim_pk: int, listed: Sequence[SimPackageData]) -> list[EsimPackage]:
    current = lock(esim_pk)
    known = {package.airalo_id: package for package in current.packages.all()}
    changed = []
    for data in listed:
        if data.id is None:
            continue
        package, values = known.get(data.id), _values(data)
        if package is None:
            known[data.id] = EsimPackage.objects.create(esim=current, airalo_id=data.id, **values)
        elif any(getattr(package, name) != value for name, value in values.items()):
            for name, value in values.items():
                setattr(package, name, value)
            changed.append(package)
    EsimPackage.objects.bulk_update(changed, _MIRRORED)
    Esim.objects.filter(pk=esim_pk).update(packages_due=False, packages_synced_at=database.now())
    return sorted(known.values(), key=lambda package: -package.airalo_id)


def _values(data: SimPackageData) -> dict[str, Any]:
    status = data.status.lower()
    package = data.package
    return {
        "package_id": package.id[:255],
        "type": package.type[:20],
        "title": package.title[:255],
        "status": str(status if status in EsimPackage.Status else EsimPackage.Status.UNKNOWN),
        "remaining": None if data.remaining is None else max(0, data.remaining),
        "amount": None if package.amount is None else max(0, package.amount),
        "is_unlimited": package.is_unlimited,
        "activated_at": data.activated_at,
        "expires_at": data.expired_at,
        "finished_at": data.finished_at,
    }


def lock(esim_pk: int) -> Esim:
    """The eSIM, held until the transaction ends. As in ``transitions.lock()``, the UPDATE is for SQLite."""
    Esim.objects.filter(pk=esim_pk).update(iccid=F("iccid"))
    return database.held(Esim.objects.without_secrets()).get(pk=esim_pk)
