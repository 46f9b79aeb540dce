"""Checks of recent webhooks, of missing ones and of refused ones."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta
from typing import Any, cast

import requests
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from django_airalo.conf import conf
from django_airalo.models import EsimOrder, WebhookEvent
from django_airalo.services.core import database
from django_airalo.services.webhooks import refusals
from django_airalo.services.webhooks.refusals import Reason

from .result import LATELY, Check, CheckContext, CheckResult, passed, skip, warn

Status = WebhookEvent.Status

#: A webhook may overtake the answer that names its order, and an order may be looked up before its webhook comes.
PATIENCE = timedelta(hours=1)
#: The maximum number of webhooks that are checked.
SAMPLE = 1000
#: The number of requests for the counts of refused webhooks, each of which one of the web processes answers.
ASKED = 5
REMEDIES = {
    Reason.SIGNATURE: gettext_lazy(
        "signature: these are forged, or AIRALO_WEBHOOK_SECRETS lacks the secret that Airalo signs with."
    ),
    Reason.URL_TOKEN: gettext_lazy(
        "url_token: these are forged, or were ordered with another AIRALO_WEBHOOK_URL_TOKEN."
    ),
    Reason.TOO_LARGE: gettext_lazy("too_large: these are not Airalo's."),
    Reason.CUT_SHORT: gettext_lazy(
        "cut_short: connections ended too early; see the time-outs and size limits of the proxy."
    ),
    Reason.CHUNKED: gettext_lazy(
        "chunked: the web server does not decode chunked bodies; let the proxy buffer requests, or use gunicorn, "
        "uvicorn, waitress or mod_wsgi."
    ),
    Reason.OVERLOAD: gettext_lazy(
        "overload: too many webhooks with wrong signatures came at once; let the proxy limit the rate of requests."
    ),
}


def webhooks(context: CheckContext) -> CheckResult:
    """Check that no webhook was set aside, and none has waited long for its order."""
    now = database.db_now()
    received = WebhookEvent.primary.filter(received_at__gte=now - LATELY)
    # One query for each status, since each finds its few rows by the index of the status.
    aside = received.filter(status=Status.SET_ASIDE).count()
    waiting = received.filter(status=Status.WAITING, received_at__lte=now - PATIENCE).count()
    found = []
    if aside:
        text = ngettext("%(count)d webhook was set aside.", "%(count)d webhooks were set aside.", aside)
        found.append(text % {"count": aside})
    if waiting:
        text = ngettext(
            "%(count)d webhook waits for more than an hour for an order that it names.",
            "%(count)d webhooks wait for more than an hour for orders that they name.",
            waiting,
        )
        found.append(text % {"count": waiting})
    if found:
        return warn(
            " ".join([_("In the last %(days)d days:") % {"days": LATELY.days}, *found]),
            _("See the webhook events in the admin. They wait also if their orders were made outside of this shop."),
        )
    return passed(_("No webhook was set aside, and none waits for long."))


def webhooks_missing(context: CheckContext) -> CheckResult:
    """Check that at least one of the recently completed asynchronous orders had a webhook."""
    if conf.SANDBOX:
        return skip(_("In sandbox mode Airalo sends no webhooks."))
    now = database.db_now()
    completed = EsimOrder.primary.filter(
        status=EsimOrder.Status.COMPLETED,
        mode=EsimOrder.Mode.ASYNC,
        is_imported=False,
        created_at__range=(now - LATELY, now - PATIENCE),
    )
    if completed.filter(webhook_events__isnull=False).exists():
        return passed(_("Airalo's webhooks of orders arrive."))
    if count := completed.count():
        text = ngettext(
            "%(count)d asynchronous order was completed in the last days, by look-up: no webhook came for it.",
            "%(count)d asynchronous orders were completed in the last days, all by look-up: no webhook came for any.",
            count,
        )
        return warn(
            text % {"count": count},
            _(
                "See the log django_airalo.webhooks for refusals (AIRALO_WEBHOOK_SECRETS, AIRALO_WEBHOOK_URL_TOKEN), "
                "and try airalo_doctor --simulate. Customers wait longer without webhooks."
            ),
        )
    return skip(_("No asynchronous order was completed in the last days."))


def signature(context: CheckContext) -> CheckResult:
    """Return which form of the body Airalo's signatures fit."""
    since = database.db_now() - LATELY
    latest = WebhookEvent.primary.order_by("-id").values_list("signature_encoding", "last_received_at")[:SAMPLE]
    counts = Counter(reading for reading, at in latest if at >= since)
    if not counts:
        return skip(_("No webhook has arrived in the last %(days)d days.") % {"days": LATELY.days})
    text = ", ".join(f"{reading}: {count}" for reading, count in counts.most_common())
    message = _("The last webhooks were signed over: %(text)s.") % {"text": text}
    if set(counts) <= {"raw"}:
        return passed(message)
    return warn(
        message,
        _("Nothing to do, but webhooks above 64 kB fit only “raw”: their orders are completed by look-up."),
    )


def refused(context: CheckContext) -> CheckResult:
    """Return how many webhooks the web processes refused. They count in memory, so each is asked for its own."""
    reports: dict[int, dict[str, Any]] = {}
    for _attempt in range(ASKED):
        if report := _ask_a_web_process():
            reports[report["process"]] = report
    if not reports:
        return skip(_("No web process of this shop said how many webhooks it refused."))
    counts: Counter[str] = Counter()
    for report in reports.values():
        counts.update(report["counts"])
    values = {"count": len(reports), "since": min(report["since"] for report in reports.values())}
    if not counts:
        return passed(_("Web processes asked: %(count)d. None refused a webhook since %(since)s.") % values)
    values["text"] = ", ".join(f"{reason}: {number}" for reason, number in counts.most_common())
    return warn(
        _("Web processes asked: %(count)d. Webhooks refused since %(since)s: %(text)s.") % values,
        " ".join(str(remedy) for reason, remedy in REMEDIES.items() if counts[reason]),
    )


def _ask_a_web_process() -> dict[str, Any] | None:
    try:
        response = requests.head(
            conf.webhook_delivery_url,
            headers=refusals.doctor_headers(),
            timeout=(conf.CONNECT_TIMEOUT, conf.READ_TIMEOUT),
            allow_redirects=False,
        )
    except requests.RequestException:
        return None
    text = response.headers.get(refusals.COUNTS_HEADER, "")
    return cast("dict[str, Any]", json.loads(text)) if text else None


_STORED = ("database", "migrations")
CHECKS = (
    Check("webhooks", webhooks, needs=_STORED),
    Check("webhooks_missing", webhooks_missing, needs=_STORED),
    Check("signature", signature, needs=_STORED),
    Check("webhooks_refused", refused, needs=("webhook_url",)),
)
