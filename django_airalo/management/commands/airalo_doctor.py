from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from django_airalo import services
from django_airalo.services import operations


class Command(BaseCommand):
    """Run the health checks. Runs without system checks, so that it can report wrong settings itself."""

    help = "Look at everything that an installation needs, and say what is wrong and what to do about it."
    requires_system_checks: list[str] = []
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="for machines")
        parser.add_argument("--strict", action="store_true", help="exit with 1 also if there is only a warning")
        parser.add_argument("--simulate", action="store_true", help="also have Airalo send a test webhook")
        parser.add_argument("--wait", type=float, default=10, metavar="SECONDS", help="for a worker and the webhook")

    def handle(self, *args: Any, **options: Any) -> None:
        if not 0 <= options["wait"] <= 600:
            raise CommandError(_("--wait %(value)s: give seconds from 0 to 600.") % {"value": options["wait"]})
        results = []
        for result in operations.run_health_checks(simulate=options["simulate"], wait=options["wait"]):
            results.append(result)
            if not options["json"]:
                self._show(result)
        bad_levels = ("fail", "warn") if options["strict"] else ("fail",)
        bad = [result.check for result in results if result.level in bad_levels]
        if options["json"]:
            self.stdout.write(json.dumps({"ok": not bad, "results": [asdict(result) for result in results]}))
        if bad:
            raise CommandError(_("Failed checks: %(names)s.") % {"names": ", ".join(bad)})

    def _show(self, result: services.doctor.CheckResult) -> None:
        paint = {"pass": self.style.SUCCESS, "warn": self.style.WARNING, "fail": self.style.ERROR}
        level = paint.get(result.level, str)(f"{result.level:4}")
        self.stdout.write(f"{level}  {result.check:20}  {result.message}")
        if result.remedy:
            self.stdout.write(f"{'':28}→ {result.remedy}")
        self.stdout.flush()
