from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable
from functools import partial
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db.models import Max
from django.utils.translation import gettext as _

from django_airalo.client.payloads import NotificationData
from django_airalo.conf import conf
from django_airalo.exceptions import AiraloError
from django_airalo.models import WebhookEvent
from django_airalo.services import operations
from django_airalo.services.core.redaction import redact
from django_airalo.services.webhooks.opt_in import EVENTS, TYPES, WEBHOOK_TYPES


class Command(BaseCommand):
    help = "See and change which webhooks Airalo sends, have it send a test webhook, and process kept ones again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("action", choices=["status", "opt-in", "opt-out", "simulate", "process-again"])
        parser.add_argument(
            "--type",
            action="append",
            choices=TYPES,
            help="for opt-in and opt-out; may be repeated (default: all webhooks)",
        )
        parser.add_argument("--webhook-url", default="", help="an address other than that of the settings")
        parser.add_argument("--email", default="", help="for opt-in by e-mail: the address")
        parser.add_argument("--language", default="", help="for opt-in by e-mail: the language of the e-mails")
        parser.add_argument("--event", choices=list(EVENTS), default="low_data_notification", help="for simulate")
        parser.add_argument(
            "--level",
            action="append",
            help="opt-in: per cent of the credit limit, may be repeated; simulate: data_75 … expire_3, or a per cent",
        )
        parser.add_argument(
            "--reference", action="append", default=[], help="for process-again: an order's reference; may be repeated"
        )
        parser.add_argument("--iccid", default="", help="for simulate: the ICCID of an eSIM")

    def handle(self, *args: Any, **options: Any) -> None:
        actions: dict[str, Callable[[dict[str, Any]], None]] = {
            "status": self._status,
            "opt-in": self._opt_in,
            "opt-out": self._opt_out,
            "simulate": self._simulate,
            "process-again": self._process_again,
        }
        actions[options["action"]](options)

    def _status(self, options: dict[str, Any]) -> None:
        self._say(_("The shop's address: %(address)s") % {"address": conf.webhook_delivery_url or "–"})
        opt = self._asking(operations.get_opt_in)
        self._say(_("Airalo returned this opt-in: %(opt_in)s") % {"opt_in": _line(opt) if opt else "–"})
        self._say(
            _(
                "Airalo's answer holds one opt-in, and how it chooses among several is not documented: there may be "
                "others of the types %(types)s."
            )
            % {"types": ", ".join(TYPES)}
        )
        self._warn_of_sandbox()
        latest = WebhookEvent.objects.values("kind").annotate(at=Max("last_received_at")).order_by("kind")
        for row in latest:
            kind = WebhookEvent.Kind(row["kind"]).label
            self._say(
                _("Last webhook of the kind “%(kind)s”: %(at)s")
                % {"kind": kind, "at": f"{row['at']:%Y-%m-%d %H:%M %Z}"}
            )
        if not latest:
            self._say(_("No webhook has arrived yet."))

    def _opt_in(self, options: dict[str, Any]) -> None:
        levels = [int(level) if level.isdecimal() else 0 for level in options["level"] or ()]
        contact = {name: options[name] for name in ("webhook_url", "email", "language")}

        def opt_in(kind: str) -> None:
            opt = operations.opt_in(kind, levels=levels, **contact)
            self._say(_("Opted in: %(opt_in)s") % {"opt_in": _line(opt) if opt else kind})

        self._each(options, opt_in)
        self._warn_of_sandbox()

    def _opt_out(self, options: dict[str, Any]) -> None:
        def opt_out(kind: str) -> None:
            operations.opt_out(kind)
            self._say(_("Opted out: %(type)s") % {"type": kind})

        self._each(options, opt_out)

    def _simulate(self, options: dict[str, Any]) -> None:
        level, *more = options["level"] or [""]
        if more:
            raise CommandError(_("Give one --level to simulate."))
        words = self._asking(
            lambda: operations.simulate_webhook(
                options["event"], level=level, iccid=options["iccid"], webhook_url=options["webhook_url"]
            )
        )
        self._say(_("Airalo says: %(words)s") % {"words": words})

    def _process_again(self, options: dict[str, Any]) -> None:
        for event in operations.process_webhooks_again(options["reference"]):
            self._say(f"{event}: {event.get_status_display()} {event.error}".rstrip())

    def _each(self, options: dict[str, Any], act: Callable[[str], None]) -> None:
        """Call ``act`` for each type, even if it fails for one of them."""
        failed = []
        for kind in options["type"] or WEBHOOK_TYPES:
            try:
                self._asking(partial(act, kind))
            except CommandError as error:
                failed.append(f"{kind}: {error}")
        if failed:
            raise CommandError("\n".join(failed))

    def _asking(self, ask: Callable[[], Any]) -> Any:
        try:
            return ask()
        except ValidationError as error:
            problems = [f"{field}: {' '.join(texts)}" for field, texts in error.message_dict.items()]
            raise CommandError(redact(" ".join(problems))) from error
        except AiraloError as error:
            raise CommandError(redact(str(error))) from error

    def _warn_of_sandbox(self) -> None:
        if conf.SANDBOX:
            self._say(_("The account is in sandbox mode (AIRALO_SANDBOX): Airalo sends no webhooks there."))

    def _say(self, line: str) -> None:
        self.stdout.write(redact(line))


def _line(opt: NotificationData) -> str:
    levels = ",".join(map(str, opt.levels))
    parts = [
        opt.type,
        "->",
        opt.contact_point,
        levels and f"levels={levels}",
        opt.language and f"language={opt.language}",
    ]
    return " ".join(filter(None, parts))
