from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django_airalo.management.sync import SyncCommand
from django_airalo.services import operations


class Command(SyncCommand):
    help = "Bring the mirror of Airalo's list of devices that take eSIMs up to date. Once a day is enough."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--force", action="store_true", help="also if more than half of the devices would be deleted"
        )

    def sync(self, **options: Any) -> object:
        return operations.sync_devices(force=options["force"])
