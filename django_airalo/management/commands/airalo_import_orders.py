from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from django_airalo.exceptions import AiraloError
from django_airalo.services import operations


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is not a date such as 2026-01-31") from error


class Command(BaseCommand):
    help = "Take over orders that were made outside of this shop, with their eSIMs. No signals are sent for them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--since", metavar="DATE", type=_day, help="only orders made on this day or later")
        parser.add_argument("--until", metavar="DATE", type=_day, help="only orders made on this day or earlier")
        parser.add_argument("--dry-run", action="store_true", help="only count")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            report = operations.import_orders(
                since=options["since"], until=options["until"], dry_run=options["dry_run"], progress=self._show
            )
        except AiraloError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(" ".join(f"{name}={count}" for name, count in vars(report).items()))

    def _show(self, page: int, last_page: int | None) -> None:
        if self.stderr.isatty():
            self.stderr.write(f"page {page} of {last_page or '?'}", ending="\r")
