"""Mirror Airalo's list of devices that take eSIMs, and search it as people write."""

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

#: The columns that a sync brings up to date.
COLUMNS = ("os", "brand", "name", "words", "joined", "joined_with_brand")


def sync_devices(*, force: bool = False) -> SyncReport:
    """Bring :class:`~django_airalo.models.CompatibleDevice` up to date. Writes only what changed.

    Devices that Airalo no longer lists are deleted (``withdrawn`` counts them), unless a part of the list could not be
    read.

    Args:
        force: also if more than half of the devices would be deleted, which looks like a fault.

    Raises:
        SyncRunningError: another process is at it.
        AiraloAPIError: the list could not be read, or came empty or halved. Nothing was changed.
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
    """Return the devices of Airalo's list that fit what a customer has typed, the best first.

    Case, blanks, punctuation and the brand do not matter, and the last word may be unfinished; numbers must be right.
    Good to suggest names while a customer types.
    """
    return list(CompatibleDevice.primary.search(text)[:limit])


def is_compatible(text: str) -> bool:
    """Return whether Airalo's list has exactly this device, written as people write: ``is_compatible("iphone15")``.

    As tolerant as :func:`find_devices` about how it is written, but the name must be complete: ``"Galaxy S21"`` is
    not ``"Galaxy S21 Ultra"``. ``False`` means that it is not listed, not that it cannot use eSIMs.
    """
    return CompatibleDevice.primary.named(text).exists()


def _listed(devices: Sequence[DeviceData], known: Mapping[str, CompatibleDevice]) -> tuple[dict[str, DeviceData], bool]:
    """Return the devices by key, and whether each could be read: what is not among them may be one that could not."""
    listed, is_whole = {}, True
    names = {row.name for row in known.values()}
    for device in devices:
        key, is_complete = _key(device), bool(device.os and device.brand and device.name)
        is_whole &= is_complete
        # A device without a brand, say, is probably one that is known with it.
        if key and device.name and (is_complete or key in known or device.name[:128] not in names):
            listed[key] = device
    return listed, is_whole


def _key(device: DeviceData) -> str:
    name = key_of(device.brand, device.name)
    return f"{device.os.lower()[:32]}:{name}"[:255] if name else ""
