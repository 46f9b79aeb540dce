"""Synchronise the exchange rates for currencies in which Airalo gives no prices."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal

from django_airalo.client import get_client
from django_airalo.conf import conf
from django_airalo.exceptions import AiraloResponseError
from django_airalo.models import ExchangeRate, SyncRun
from django_airalo.services.core import database

from . import sync_runs
from .sync_runs import SyncReport

#: The highest value that fits the column. Anything above is not a rate.
_HIGHEST = Decimal(10**12)
_SMALLEST = Decimal("0.00000001")


def sync_exchange_rates() -> SyncReport:
    """Synchronise :class:`~django_airalo.models.ExchangeRate` with Airalo's rates. Writes only what changed.

    Rates that Airalo no longer gives are kept unchanged.

    Returns:
        The numbers of rates that were added, changed and left as they were.

    Raises:
        SyncRunningError: another process is running this sync.
        AiraloAPIError: the rates could not be read, or there were none. Nothing was changed.
        AiraloConfigurationError: credentials are missing.
    """
    with sync_runs.running(SyncRun.Kind.EXCHANGE_RATES) as run:
        answer = get_client().get_exchange_rates()
        rates = {
            rate.to_currency: round(rate.mid, 8)
            for rate in answer.rates
            if rate.from_currency == "USD" and len(rate.to_currency) == 3 and _SMALLEST <= rate.mid < _HIGHEST
        }
        if not rates:
            raise AiraloResponseError("Airalo gave no exchange rates; they were left as they are.")
        with database.atomic():
            sync_runs.keep_lease(run)
            known = ExchangeRate.primary.in_bulk(field_name="currency")
            now = database.db_now()
            added = [
                ExchangeRate(currency=currency, rate=rate, date=answer.date, synced_at=now)
                for currency, rate in rates.items()
                if currency not in known
            ]
            changed = []
            for currency, row in known.items():
                rate = rates.get(currency, row.rate)
                day = answer.date or _known_day(row, rate, now)
                if currency in rates and (row.rate, row.date) != (rate, day):
                    row.rate, row.date, row.synced_at = rate, day, now
                    changed.append(row)
            ExchangeRate.primary.bulk_create(added)
            ExchangeRate.primary.bulk_update(changed, ["rate", "date", "synced_at"])
        run.added, run.changed = len(added), len(changed)
        run.unchanged = len(rates) - run.added - run.changed
    return SyncReport.of(run)


def _known_day(row: ExchangeRate, rate: Decimal, now: datetime) -> date | None:
    """Return the day of a rate for which Airalo gives none: the stored day, if the rate is unchanged and recent."""
    oldest = (now - timedelta(seconds=conf.EXCHANGE_RATE_MAX_AGE)).date()
    return row.date if row.rate == rate and row.date and row.date >= oldest else None
