"""Run a local stand-in for Airalo's Partner API."""

from __future__ import annotations

import sqlite3
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from django_airalo.emulator import cli
from django_airalo.emulator.emulator import PortTakenError


class Command(BaseCommand):
    """Run the emulator. Needs neither the shop's database nor its settings."""

    help = "Run a local stand-in for Airalo's Partner API, with its own ledger and signed webhooks."
    requires_system_checks: list[str] = []
    requires_migrations_checks = False

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the same options as ``python -m django_airalo.emulator``."""
        cli.add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until Ctrl-C or SIGTERM."""
        if options["verbosity"] > 0:
            cli.log_to_stderr()
        try:
            cli.serve(cli.emulator_from(options), self._say)
        except (PortTakenError, ValueError) as error:
            raise CommandError(str(error)) from error
        except sqlite3.Error as error:
            raise CommandError(
                _("The ledger %(path)s cannot be used: %(error)s") % {"path": options["ledger"], "error": error}
            ) from error

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
