from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django_airalo.management.sync import SyncCommand
from django_airalo.services import operations


class Command(SyncCommand):
    help = "Read Airalo's list of eSIMs: which were recycled, their brands and sharing links."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--created-at", metavar="RANGE", help='only those made in this time, such as "2026-01-01 - 2026-01-31"'
        )

    def sync(self, **options: Any) -> object:
        return operations.sync_esims(created_at=options["created_at"])
