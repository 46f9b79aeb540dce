"""Mirror Airalo's list of devices that take eSIMs, and search it as people write."""

from __future__ import annotations

from django.db.models import Count, Max

from django_airalo.client import get_client
from django_airalo.client.payloads import DeviceData
from django_airalo.device_names import DeviceIndex, key_of
from django_airalo.exceptions import AiraloResponseError
from django_airalo.models import CatalogueSync, CompatibleDevice

from . import database, syncs
from .catalogue import BATCH, CatalogueReport

_index: tuple[tuple[object, ...], DeviceIndex] | None = None


def sync_devices(*, force: bool = False) -> CatalogueReport:
    """Bring :class:`~django_airalo.models.CompatibleDevice` up to date. Writes only what changed.

    Devices that Airalo no longer lists are deleted (``withdrawn`` counts them).

    Args:
        force: also if more than half of the devices would be deleted, which looks like a fault.

    Raises:
        SyncRunningError: another process is at it.
        AiraloAPIError: the list could not be read, or came empty or halved. Nothing was changed.
    """
    with syncs.running(CatalogueSync.Kind.DEVICES) as run:
        listed = {key: device for device in get_client().get_compatible_devices() if (key := _key(device))}
        if not listed:
            raise AiraloResponseError("Airalo's list of devices came empty; the devices were left as they are.")
        with database.atomic():
            syncs.keep_lease(run)
            known = CompatibleDevice.objects.in_bulk(field_name="key")
            missing = [row.pk for key, row in known.items() if key not in listed]
            if len(missing) > len(known) / 2 and not force:
                raise AiraloResponseError(
                    f"Airalo lists only {len(known) - len(missing)} of the {len(known)} devices known. They were left "
                    "as they are; if that is right, sync with force."
                )
            added, changed = [], []
            for key, device in listed.items():
                row = known.get(key)
                values = (device.os[:32], device.brand[:64], device.name[:128])
                if row is None:
                    added.append(CompatibleDevice(os=values[0], brand=values[1], name=values[2], key=key))
                elif (row.os, row.brand, row.name) != values:
                    row.os, row.brand, row.name = values
                    changed.append(row)
            CompatibleDevice.objects.bulk_create(added, batch_size=BATCH)
            CompatibleDevice.objects.bulk_update(changed, ["os", "brand", "name"], batch_size=BATCH)
            for start in range(0, len(missing), BATCH):
                CompatibleDevice.objects.filter(pk__in=missing[start : start + BATCH]).delete()
        run.added, run.changed, run.withdrawn = len(added), len(changed), len(missing)
        run.unchanged = len(listed) - len(added) - len(changed)
    return CatalogueReport(run.added, run.changed, run.withdrawn, run.unchanged)


def find_devices(text: str, limit: int = 10) -> list[CompatibleDevice]:
    """Devices of Airalo's list that fit what somebody typed, the best first.

    Case, blanks, punctuation and the brand do not matter, a word may be unfinished or have a slip in it; numbers must
    be right. Good to suggest names while a customer types.
    """
    keys = _devices().find(text, limit)
    rows = CompatibleDevice.objects.in_bulk(keys, field_name="key")
    return [rows[key] for key in keys if key in rows]


def is_compatible(text: str) -> bool:
    """Whether Airalo's list has exactly this device, written as people write: ``is_compatible("iphone15")``.

    As forgiving as :func:`find_devices` about how it is written, but the name must be complete: ``"Galaxy S21"`` is
    not ``"Galaxy S21 Ultra"``. ``False`` means that it is not listed, not that it cannot use eSIMs.
    """
    return _devices().has(text)


def _key(device: DeviceData) -> str:
    name = key_of(device.brand, device.name)
    return f"{device.os.lower()[:32]}:{name}"[:255] if name else ""


def _devices() -> DeviceIndex:
    """The index of all devices, built once per process and change of the list."""
    global _index
    # Their keys never change, so these two tell whether there are others than before.
    version = tuple(CompatibleDevice.objects.aggregate(Max("pk"), Count("pk")).values())
    if _index is None or _index[0] != version:
        _index = (version, DeviceIndex(CompatibleDevice.objects.values_list("key", "brand", "name")))
    return _index[1]
