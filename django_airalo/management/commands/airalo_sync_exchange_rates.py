from __future__ import annotations

from typing import Any

from django_airalo.management.sync import SyncCommand
from django_airalo.services import operations


class Command(SyncCommand):
    help = "Bring the exchange rates up to date, for currencies in which Airalo gives no prices. Once a day is enough."

    def sync(self, **options: Any) -> object:
        return operations.sync_exchange_rates()
