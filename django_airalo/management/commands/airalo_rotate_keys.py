from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_airalo.exceptions import AiraloConfigurationError
from django_airalo.services.core.key_rotation import encrypted_columns, rotate_column


class Command(BaseCommand):
    help = (
        "Encrypt all stored secrets with the first of AIRALO_ENCRYPTION_KEYS, so that the other keys are no longer "
        "needed. May be interrupted and run again."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--batch", type=int, default=500, help="rows to read at a time (default 500)")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["batch"] < 1:
            raise CommandError(_("--batch %(value)s: give a number of 1 or more.") % {"value": options["batch"]})
        unreadable = 0
        try:
            for model, column in encrypted_columns():
                report = rotate_column(model, column, options["batch"])
                unreadable += report.unreadable
                self.stdout.write(" ".join(f"{name}={value}" for name, value in vars(report).items()))
        except AiraloConfigurationError as error:
            raise CommandError(str(error)) from error
        if unreadable:
            text = ngettext(
                "%d value cannot be decrypted with any configured key. It was left as it is.",
                "%d values cannot be decrypted with any configured key. They were left as they are.",
                unreadable,
            )
            raise CommandError(text % unreadable)
