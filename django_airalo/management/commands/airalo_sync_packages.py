from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django_airalo import services
from django_airalo.management.sync import SyncCommand

BAR_WIDTH = 30


class Command(SyncCommand):
    help = "Bring the mirror of Airalo's catalogue up to date. Airalo asks for this at least once an hour."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--force", action="store_true", help="also if more than half of the packages on sale would be withdrawn"
        )

    def sync(self, **options: Any) -> object:
        try:
            return services.sync_packages(force=options["force"], progress=self._progress)
        finally:
            self._progress(0, None)

    def _progress(self, done: int, total: int | None) -> None:
        """Show a progress bar, on a terminal only; ``(0, None)`` removes it."""
        if not self.stdout.isatty():
            return
        line = ""
        if total:
            filled = min(BAR_WIDTH, BAR_WIDTH * done // total)
            line = f"[{'#' * filled}{'.' * (BAR_WIDTH - filled)}] {done} of {total} countries and regions"
        self.stdout.write(f"\r\x1b[K{line}", ending="")
        self.stdout.flush()
