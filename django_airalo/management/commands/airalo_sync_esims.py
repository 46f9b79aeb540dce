from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from django_airalo import services
from django_airalo.exceptions import AiraloError


class Command(BaseCommand):
    help = "Read Airalo's list of eSIMs: which were taken back, their brands and sharing links."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--created-at", metavar="RANGE", help='only those made in this time, such as "2026-01-01 - 2026-01-31"'
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            report = services.sync_esims(created_at=options["created_at"])
        except AiraloError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(" ".join(f"{name}={count}" for name, count in vars(report).items()))
