"""The base of the commands that run a sync."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from django_airalo.exceptions import AiraloError, SyncRunningError


class SyncCommand(BaseCommand):
    """Run one sync and print its report. It is not an error if another process is running the same sync."""

    @abstractmethod
    def sync(self, **options: Any) -> object:
        """Run the sync with the options of the command line, and return its report, a dataclass of counts."""

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            report = self.sync(**options)
        except SyncRunningError as error:
            self.stdout.write(str(error))
            return
        except AiraloError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(" ".join(f"{name}={count}" for name, count in vars(report).items()))
