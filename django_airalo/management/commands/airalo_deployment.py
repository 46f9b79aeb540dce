from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils.translation import gettext as _

from django_airalo.models.deployment import new_deployment_key
from django_airalo.services.core import deployment
from django_airalo.services.orders import after_restore


class Command(BaseCommand):
    """Show, create or take over deployments. Runs without system checks, since AIRALO_DEPLOYMENT may be wrong."""

    help = "Say which deployment this is: the short name that is stamped on what it sends."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--new", action="store_true", help="print a string for AIRALO_DEPLOYMENT, no more")
        parser.add_argument("--take-over", action="store_true", help="send from now on what other deployments placed")
        parser.add_argument("--yes", action="store_true", help="do not ask first")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["new"]:
            self.stdout.write(new_deployment_key())
            return
        self.stdout.write(_("This deployment's short name is %(name)s.") % {"name": deployment.identity().stamp})
        if options["take_over"]:
            self._take_over(ask=not options["yes"])

    def _take_over(self, *, ask: bool) -> None:
        self.stdout.write(
            _(
                "Orders and cancellations that wait under other names become this deployment's. Nothing is sent until "
                "Airalo's list was read; refunds and vouchers that wait become unconfirmed. If another deployment that "
                "placed them still runs on a copy of this database, stop it first: both would buy."
            )
        )
        if ask and input(_("Continue? [y/N] ")).strip().lower() != "y":
            self.stdout.write(_("Nothing was changed."))
            return
        report = after_restore.take_over()
        self.stdout.write(" ".join(f"{name}={count}" for name, count in vars(report).items()))
