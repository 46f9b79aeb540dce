from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from django_airalo import services
from django_airalo.exceptions import AiraloError, SyncRunningError

BAR_WIDTH = 30


class Command(BaseCommand):
    help = "Bring the mirror of Airalo's catalogue up to date. Airalo asks for this at least once an hour."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--force", action="store_true", help="also if more than half of the packages on sale would be withdrawn"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            report = services.sync_packages(force=options["force"], progress=self._progress)
        except SyncRunningError as error:
            self.stdout.write(str(error))
            return
        except AiraloError as error:
            raise CommandError(str(error)) from error
        finally:
            self._progress(0, None)
        self.stdout.write(" ".join(f"{name}={count}" for name, count in vars(report).items()))

    def _progress(self, done: int, total: int | None) -> None:
        """A bar while pages come, on a terminal only; ``(0, None)`` wipes it."""
        if not self.stdout.isatty():
            return
        line = ""
        if total:
            filled = min(BAR_WIDTH, BAR_WIDTH * done // total)
            line = f"[{'#' * filled}{'.' * (BAR_WIDTH - filled)}] {done} of {total} countries and regions"
        self.stdout.write(f"\r\x1b[K{line}", ending="")
        self.stdout.flush()
