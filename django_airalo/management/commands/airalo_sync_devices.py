from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from django_airalo import services
from django_airalo.exceptions import AiraloError, SyncRunningError


class Command(BaseCommand):
    help = "Bring the mirror of Airalo's list of devices that take eSIMs up to date. Once a day is enough."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--force", action="store_true", help="also if more than half of the devices would be deleted"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            report = services.sync_devices(force=options["force"])
        except SyncRunningError as error:
            self.stdout.write(str(error))
            return
        except AiraloError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(" ".join(f"{name}={count}" for name, count in vars(report).items()))
