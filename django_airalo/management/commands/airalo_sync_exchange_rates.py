from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from django_airalo import services
from django_airalo.exceptions import AiraloError, SyncRunningError


class Command(BaseCommand):
    help = "Bring the exchange rates up to date, for currencies in which Airalo gives no prices. Once a day is enough."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            report = services.sync_exchange_rates()
        except SyncRunningError as error:
            self.stdout.write(str(error))
            return
        except AiraloError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(" ".join(f"{name}={count}" for name, count in vars(report).items()))
