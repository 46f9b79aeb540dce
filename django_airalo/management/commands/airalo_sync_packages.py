from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from django_airalo import services
from django_airalo.exceptions import AiraloError


class Command(BaseCommand):
    help = "Bring the mirror of Airalo's catalogue up to date. Airalo asks for this at least once an hour."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            report = services.sync_packages()
        except AiraloError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(" ".join(f"{name}={count}" for name, count in vars(report).items()))
