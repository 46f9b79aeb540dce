from __future__ import annotations

import logging
import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, InterfaceError, close_old_connections
from django.utils.translation import gettext as _

from django_airalo import services

logger: logging.Logger = logging.getLogger("django_airalo.sweep")

#: The longest pause between two sweeps, in seconds.
LONGEST_PAUSE = 24 * 3600


class Command(BaseCommand):
    help = (
        "Submit, look up, interpret and signal whatever is due. Run it every minute, or with --loop as a service: "
        "it is what makes the delivery promise hold."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--loop", type=float, metavar="SECONDS", help="sweep again and again, this long apart")
        parser.add_argument("--limit", type=int, default=200, help="rows of each kind in one sweep (default 200)")

    def handle(self, *args: Any, **options: Any) -> None:
        pause, limit = options["loop"], options["limit"]
        if limit < 1:
            raise CommandError(_("--limit %(value)s: give a number of 1 or more.") % {"value": limit})
        if pause is not None and not 0 < pause <= LONGEST_PAUSE:  # this form of the condition also refuses "nan"
            raise CommandError(
                _("--loop %(value)s: give a number of seconds above 0, %(max)s at most.")
                % {"value": pause, "max": LONGEST_PAUSE}
            )
        if pause is None:
            self._sweep(limit, quiet=False)
            return
        try:
            while True:
                close_old_connections()
                try:
                    self._sweep(limit, quiet=True)
                except (DatabaseError, InterfaceError):  # it may be available again at the next sweep
                    logger.exception("The database is not available; the next sweep follows in %s s", pause)
                time.sleep(pause)
        except KeyboardInterrupt:
            self.stdout.write(_("Stopped."))

    def _sweep(self, limit: int, *, quiet: bool) -> None:
        report = services.sweep(limit=limit)
        if report or not quiet:
            self.stdout.write(" ".join(f"{name}={count}" for name, count in vars(report).items()))
