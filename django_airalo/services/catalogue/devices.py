"""Synchronise Airalo's list of devices that support eSIMs, and search it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django_airalo.client import get_client
from django_airalo.client.payloads import DeviceData
from django_airalo.device_names import key_of
from django_airalo.exceptions import AiraloResponseError
from django_airalo.models import CompatibleDevice, SyncRun
from django_airalo.services.core import database

from . import sync_runs
from .packages import BATCH
from .sync_runs import SyncReport

#: The columns that a sync updates.
COLUMNS = ("os", "brand", "name", "words", "joined", "joined_with_brand")


def sync_devices(*, force: bool = False) -> SyncReport:
    """Synchronise :class:`~django_airalo.models.CompatibleDevice` with Airalo's list. Writes only what changed.

    Devices that Airalo no longer lists are deleted (``withdrawn`` counts them), unless a part of the list could not be
    read.

    Args:
        force: write the changes even if more than half of the devices would be deleted, which looks like a fault.

    Returns:
        The numbers of devices that were added, changed, deleted and left as they were.

    Raises:
        SyncRunningError: another process is running this sync.
        AiraloAPIError: the list could not be read, was empty, or lacked more than half of the devices. Nothing was
            changed.
        AiraloConfigurationError: credentials are missing.
    """
    with sync_runs.running(SyncRun.Kind.DEVICES) as run:
        devices = get_client().get_compatible_devices()
        if not any(map(_key, devices)):
            raise AiraloResponseError("Airalo's list of devices came empty; the devices were left as they are.")
        with database.atomic():
            sync_runs.keep_lease(run)
            known = CompatibleDevice.primary.in_bulk(field_name="key")
            listed, is_whole = _listed(devices, known)
            missing = [row.pk for key, row in known.items() if key not in listed] if is_whole else []
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
            for row in (*added, *changed):
                row.set_words()
            CompatibleDevice.primary.bulk_create(added, batch_size=BATCH)
            CompatibleDevice.primary.bulk_update(changed, COLUMNS, batch_size=BATCH)
            for start in range(0, len(missing), BATCH):
                CompatibleDevice.primary.filter(pk__in=missing[start : start + BATCH]).delete()
        run.added, run.changed, run.withdrawn = len(added), len(changed), len(missing)
        run.unchanged = len(listed) - len(added) - len(changed)
    return SyncReport.of(run)


def find_devices(text: str, *, limit: int = 10) -> list[CompatibleDevice]:
    """Return the listed devices that match a customer's input, the best match first.

    Case, blanks, punctuation and the brand are ignored. The last word may be unfinished, so this can suggest devices
    while a customer types. Numbers must be complete.

    Args:
        text: the input.
        limit: the maximum number of devices.
    """
    return list(CompatibleDevice.primary.search(text)[:limit])


def is_compatible(text: str) -> bool:
    """Return whether Airalo's list has exactly this device: ``is_compatible("iphone15")``.

    The spelling may vary as for :func:`find_devices`, but the name must be complete: ``"Galaxy S21"`` is not
    ``"Galaxy S21 Ultra"``. ``False`` means that the device is not listed, not that it cannot use eSIMs.

    Args:
        text: the name of the device, with or without its brand.
    """
    return CompatibleDevice.primary.named(text).exists()


def _listed(devices: Sequence[DeviceData], known: Mapping[str, CompatibleDevice]) -> tuple[dict[str, DeviceData], bool]:
    """Return the devices by key, and whether all could be read. If not, a missing device may still be listed."""
    listed, is_whole = {}, True
    names = {row.name for row in known.values()}
    for device in devices:
        key, is_complete = _key(device), bool(device.os and device.brand and device.name)
        is_whole &= is_complete
        # An incomplete row with a known name is probably a device that is already stored.
        if key and device.name and (is_complete or key in known or device.name[:128] not in names):
            listed[key] = device
    return listed, is_whole


def _key(device: DeviceData) -> str:
    name = key_of(device.brand, device.name)
    return f"{device.os.lower()[:32]}:{name}"[:255] if name else ""
