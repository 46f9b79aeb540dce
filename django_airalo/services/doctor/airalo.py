"""Checks of the connection between the shop and Airalo, in both directions."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import requests
from django.utils.translation import gettext as _

from django_airalo.client import get_client
from django_airalo.conf import conf
from django_airalo.exceptions import AiraloError, AiraloRateLimitError, IPAddressNotAllowedError
from django_airalo.models import WebhookEvent
from django_airalo.services.core import database
from django_airalo.services.webhooks import opt_in, refusals

from .result import Check, CheckContext, CheckResult, fail, passed, skip, warn

#: The seconds by which clocks may differ, without a warning and without a failure. Tokens and limits depend on clocks.
SKEW, BAD_SKEW = 30, 300
_LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1", "0.0.0.0")  # noqa: S104  compared, not bound


def credentials(context: CheckContext) -> CheckResult:
    missing = [name for name in ("CLIENT_ID", "CLIENT_SECRET") if not getattr(conf, name)]
    if missing:
        return fail(
            _("Empty: %(names)s.") % {"names": ", ".join(f"AIRALO_{name}" for name in missing)},
            _("Set them to the API credentials that Airalo's Partner Platform shows."),
        )
    return passed(_("AIRALO_CLIENT_ID and AIRALO_CLIENT_SECRET are set."))


def token(context: CheckContext) -> CheckResult:
    try:
        get_client().get_token()
    except AiraloError as error:
        return fail(str(error), _("Check the credentials, AIRALO_BASE_URL, the network and the cache."))
    return passed(_("There is an access token for %(url)s.") % {"url": conf.BASE_URL})


def clock(context: CheckContext) -> CheckResult:
    """Compare this machine's clock with the database's and with Airalo's (the ``Date`` of an answer)."""
    remedy = _("Synchronise the clock of this machine by NTP.")
    before = datetime.now(UTC)
    ours = database.db_now()
    skews = {_("the database's"): abs((ours - before).total_seconds())}
    try:
        answer = requests.head(conf.BASE_URL, timeout=_timeout(), allow_redirects=False)
        theirs = parsedate_to_datetime(answer.headers.get("Date", ""))
    except (requests.RequestException, ValueError):
        note = " " + _("Airalo's clock could not be read.")
    else:
        note = ""
        skews[_("Airalo's")] = abs((theirs.replace(tzinfo=UTC) - datetime.now(UTC)).total_seconds())
    text = ", ".join(f"{name}: {skew:.0f} s" for name, skew in skews.items())
    message = _("This machine's clock differs from %(text)s.") % {"text": text} + note
    if max(skews.values()) > BAD_SKEW:
        return fail(message, remedy)
    return warn(message, remedy) if max(skews.values()) > SKEW or note else passed(message)


def balance(context: CheckContext) -> CheckResult:
    record = context.balance
    if isinstance(record, AiraloError):
        return fail(str(record), _("See what Airalo says, and try again."))
    if record is None:
        return warn(_("Airalo returned no balance."), _("Look in the Partner Platform whether the account has credit."))
    message = _("The balance is %(balance)s.") % {"balance": record}
    if record.amount <= 0 or record.is_low:
        return warn(message, _("Top it up, or orders will be refused with code 11."))
    return passed(message)


def ip_allow_list(context: CheckContext) -> CheckResult:
    outcome = context.balance
    if isinstance(outcome, IPAddressNotAllowedError):
        return fail(_("Airalo takes no request from this machine's address (code 89)."), outcome.remedy)
    if isinstance(outcome, AiraloError):
        return skip(_("Airalo did not answer, so this is not known."))
    return passed(_("Airalo takes requests from this machine. Run it on every machine that sends orders."))


def webhook_url(context: CheckContext) -> CheckResult:
    """Check that HEAD gets a 200, as Airalo requires, and an unsigned POST a 401, as from our view."""
    address, is_needed = conf.webhook_delivery_url, conf.ORDER_MODE != "sync"
    bad = fail if is_needed else warn  # only notifications need a webhook if orders are synchronous
    if not address and not is_needed:
        return skip(_("AIRALO_WEBHOOK_URL is empty. Synchronous orders need none; notifications and other orders do."))
    if not address:
        return bad(
            _("AIRALO_WEBHOOK_URL is empty."), _("Set it to the public address of the view django_airalo:webhook.")
        )
    if urlsplit(address).hostname in _LOCAL_HOSTS and urlsplit(conf.BASE_URL).hostname not in _LOCAL_HOSTS:
        return bad(
            _("Airalo cannot reach %(address)s: the address is local to this machine.") % {"address": address},
            _("Set AIRALO_WEBHOOK_URL to the shop's public address."),
        )
    try:
        head = requests.head(address, timeout=_timeout(), allow_redirects=False).status_code
        post = requests.post(
            address, data=b"{}", headers=refusals.doctor_headers(), timeout=_timeout(), allow_redirects=False
        ).status_code
    except requests.RequestException as error:
        return bad(
            _("%(address)s cannot be reached from here: %(error)s.")
            % {"address": address, "error": type(error).__name__},
            _("See that the name, the certificate and the web server are right; the log of the web server may help."),
        )
    values = {"address": address, "head": head, "post": post}
    if head != 200:
        return bad(
            _("HEAD %(address)s is answered with %(head)s; Airalo requires 200.") % values,
            _("Route the address to the view django_airalo:webhook, without a redirect or a login before it."),
        )
    if post != 401:
        return bad(
            _("An unsigned POST to %(address)s is answered with %(post)s, not with 401: it is not our view.") % values,
            _("Route the address to the view django_airalo:webhook, and let nothing before it answer."),
        )
    return passed(
        _("%(address)s answers as it should, from here. Only --simulate shows that Airalo reaches it.") % values
    )


def webhook_delivery(context: CheckContext) -> CheckResult:
    """Request a signed test webhook, if the operator wants it: Airalo allows few, and receivers are called."""
    if not context.simulate:
        return skip(_("Give --simulate to have Airalo send a test webhook."))
    before = database.db_now()
    remedy = _(
        "See the log django_airalo.webhooks for a refusal (AIRALO_WEBHOOK_SECRETS, AIRALO_WEBHOOK_URL_TOKEN) and the "
        "firewall for the rest."
    )
    try:
        opt_in.simulate_webhook("low_data_notification")
    except AiraloRateLimitError as error:
        return skip(str(error))
    except AiraloError as error:
        return fail(str(error), remedy)
    deadline = time.monotonic() + context.wait
    while True:
        for event in WebhookEvent.primary.filter(last_received_at__gte=before):
            if _is_low_data(event):
                values = {"reading": event.signature_encoding}
                return passed(_("Airalo's test webhook arrived, signed over: %(reading)s.") % values)
        if time.monotonic() > deadline:
            return fail(_("Airalo says that it sent a test webhook, but none was kept."), remedy)
        time.sleep(0.2)


def _is_low_data(event: WebhookEvent) -> bool:
    """Return whether an event may be the test webhook, even if no worker has processed it yet."""
    return event.kind == WebhookEvent.Kind.LOW_DATA or (
        event.status == WebhookEvent.Status.RECEIVED and b'"level"' in event.body_bytes
    )


def opted_in(context: CheckContext) -> CheckResult:
    remedy = _("Run: manage.py airalo_webhooks opt-in")
    try:
        current = opt_in.get_opt_in()
    except AiraloError as error:
        return warn(str(error), _("Try again."))
    if current is None:
        return warn(
            _("Airalo returned no opt-in, so notifications of low data and of the credit limit may not come."), remedy
        )
    values = {"type": current.type, "address": current.contact_point}
    if current.type in opt_in.WEBHOOK_TYPES and current.contact_point != conf.webhook_delivery_url:
        return warn(_("Airalo sends %(type)s to %(address)s, not to this shop.") % values, remedy)
    return passed(_("Airalo returned the opt-in %(type)s. It returns only one; others are not known.") % values)


def _timeout() -> tuple[float, float]:
    return conf.CONNECT_TIMEOUT, conf.READ_TIMEOUT


CHECKS = (
    Check("credentials", credentials),
    Check("token", token, needs=("credentials", "database")),
    Check("clock", clock, needs=("database",)),
    Check("balance", balance, needs=("token", "migrations")),
    Check("ip_allow_list", ip_allow_list, needs=("token", "migrations")),
    Check("webhook_url", webhook_url),
    Check("webhook_delivery", webhook_delivery, needs=("token", "migrations", "webhook_url")),
    Check("opt_in", opted_in, needs=("token",)),
)
