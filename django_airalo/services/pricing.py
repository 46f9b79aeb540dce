"""Prices: what to ask for packages, and the exchange rates for currencies in which Airalo gives no prices."""

from __future__ import annotations

from decimal import Decimal

from django_airalo.client import get_client
from django_airalo.exceptions import AiraloResponseError
from django_airalo.models import CatalogueSync, ExchangeRate
from django_airalo.models.pricing import price_packages

from . import database, syncs
from .catalogue import CatalogueReport

__all__ = ["price_packages", "sync_exchange_rates"]

#: What the column holds: anything beyond is no rate.
_HIGHEST = Decimal(10**12)
_SMALLEST = Decimal("0.00000001")


def sync_exchange_rates() -> CatalogueReport:
    """Bring :class:`~django_airalo.models.ExchangeRate` up to date. Writes only what changed.

    Rates that Airalo no longer gives are kept as they were last.

    Raises:
        SyncRunningError: another process is at it.
        AiraloAPIError: the rates could not be read, or there were none. Nothing was changed.
    """
    with syncs.running(CatalogueSync.Kind.EXCHANGE_RATES) as run:
        answer = get_client().get_exchange_rates()
        rates = {
            rate.to_currency: round(rate.mid, 8)
            for rate in answer.rates
            if rate.from_currency == "USD" and len(rate.to_currency) == 3 and _SMALLEST <= rate.mid < _HIGHEST
        }
        if not rates:
            raise AiraloResponseError("Airalo gave no exchange rates; they were left as they are.")
        with database.atomic():
            syncs.keep_lease(run)
            known = ExchangeRate.objects.in_bulk(field_name="currency")
            now = database.now()
            added = [
                ExchangeRate(currency=currency, rate=rate, date=answer.date, synced_at=now)
                for currency, rate in rates.items()
                if currency not in known
            ]
            changed = []
            for currency, row in known.items():
                rate = rates.get(currency, row.rate)
                if currency in rates and (row.rate, row.date) != (rate, answer.date):
                    row.rate, row.date, row.synced_at = rate, answer.date, now
                    changed.append(row)
            ExchangeRate.objects.bulk_create(added)
            ExchangeRate.objects.bulk_update(changed, ["rate", "date", "synced_at"])
        run.added, run.changed = len(added), len(changed)
        run.unchanged = len(rates) - run.added - run.changed
    return CatalogueReport(added=run.added, changed=run.changed, unchanged=run.unchanged)
