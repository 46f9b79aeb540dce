from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from django_airalo import services
from django_airalo.exceptions import AiraloError


class Command(BaseCommand):
    help = "Bring the mirror of Airalo's catalogue up to date. Airalo asks for this at least once an hour."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--force", action="store_true", help="also if more than half of the packages on sale would be withdrawn"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            report = services.sync_packages(force=options["force"])
        except AiraloError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(" ".join(f"{name}={count}" for name, count in vars(report).items()))
