from __future__ import annotations

import time
from argparse import ArgumentParser, ArgumentTypeError
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from django_airalo.exceptions import AiraloError
from django_airalo.services import operations
from django_airalo.services.core import database, deployment
from django_airalo.services.orders import after_restore, matching


def _day(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is not a date such as 2026-01-31") from error


class Command(BaseCommand):
    help = "After a restore or a failover: send nothing until Airalo's list was read and matched with this database."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--since", metavar="DATE", type=_day, help="read the list from this day on")
        parser.add_argument(
            "--import", dest="imports", action="store_true", help="also import orders that are missing here"
        )
        parser.add_argument("--yes", action="store_true", help="do not ask first")

    def handle(self, *args: Any, **options: Any) -> None:
        row = deployment.state()
        since = options["since"] or row.read_from or row.alive_at
        self.stdout.write(
            _(
                "This will hold all that is sent, read Airalo's list from %(since)s on, match it by reference, and "
                "send again. Refunds and vouchers that wait become unconfirmed."
            )
            % {"since": since or _("now")}
        )
        if options["imports"]:
            self.stdout.write(
                _("Orders that Airalo lists and this database lacks are imported, those of other shops too.")
            )
        if not options["yes"] and input(_("Continue? [y/N] ")).strip().lower() != "y":
            self.stdout.write(_("Nothing was changed."))
            return
        try:
            report = self._match(options["since"])
            self.stdout.write(" ".join(f"{name}={count}" for name, count in vars(report).items()))
            if options["imports"]:
                imported = operations.import_orders(since=(since or database.db_now()).date())
                self.stdout.write(" ".join(f"{name}={count}" for name, count in vars(imported).items()))
        except AiraloError as error:
            raise CommandError(_("Nothing is sent until the list was read: %(error)s") % {"error": error}) from error

    def _match(self, since: datetime | None) -> matching.MatchReport:
        row = after_restore.begin_after_restore(since)
        while row.read_not_before and (left := (row.read_not_before - database.db_now()).total_seconds()) > 0:
            self.stdout.write(_("Airalo is given %(seconds)d s more to list what it took.") % {"seconds": left})
            time.sleep(min(left, 30))
        report = matching.read_list()
        if not report.is_complete and deployment.state().behind_since:
            raise CommandError(_("The list is being read by another process, or could not be read in time: try again."))
        return report
