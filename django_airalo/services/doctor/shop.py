"""Checks of the shop: settings, database, cache, workers, and rows that need an operator."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from collections import Counter
from datetime import timedelta

from django.apps import apps
from django.conf import settings
from django.core import checks
from django.core.cache import caches
from django.core.cache.backends.db import DatabaseCache
from django.db import connections
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_airalo.conf import conf
from django_airalo.exceptions import DecryptionError
from django_airalo.models import EsimOrder, ExchangeRate, Package, Refund, SubmissionPause, Voucher
from django_airalo.models.fields import decrypt, is_current
from django_airalo.models.mixins import SignalOutbox
from django_airalo.models.outbound import OutboundRequestQuerySet
from django_airalo.services.account import pauses
from django_airalo.services.catalogue import sync_runs
from django_airalo.services.catalogue.prices import fresh_rates
from django_airalo.services.core import database, deployment, heartbeats, key_rotation
from django_airalo.services.core.enqueue import find_task, task_problem
from django_airalo.services.core.redaction import redact

from .result import LATELY, Check, CheckContext, CheckResult, fail, passed, skip, warn

#: The documentation asks for a sweep every minute.
SWEEP_SEEN = timedelta(minutes=5)
LATE, REQUEST_LATE = timedelta(minutes=15), timedelta(hours=1)
#: The number of tries from which on a signal counts as stuck.
STUCK = 3
#: The number of rows that are tried at each end of a table.
SAMPLE = 50
_PUT = (
    "import sys, django; django.setup(); from django.core.cache import caches; "
    "caches[sys.argv[1]].set(sys.argv[2], sys.argv[3], 60)"
)


def system_checks(context: CheckContext) -> CheckResult:
    found = checks.run_checks(tags=["airalo"], include_deployment_checks=True)
    ours = [message for message in found if not message.is_silenced()]
    if not ours:
        return passed(_("The system checks found nothing."))
    text = " ".join(f"{message.id}: {message.msg}" for message in ours)
    remedy = _("Run: manage.py check --deploy")
    return fail(text, remedy) if any(message.is_serious() for message in ours) else warn(text, remedy)


def the_database(context: CheckContext) -> CheckResult:
    alias = database.primary_alias()
    database.db_now()
    values = {"alias": alias, "vendor": connections[alias].vendor}
    return passed(_("The database %(alias)r (%(vendor)s) answers.") % values)


def migrations(context: CheckContext) -> CheckResult:
    executor = MigrationExecutor(connections[database.primary_alias()])
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes("django_airalo"))
    if plan:
        names = ", ".join(migration.name for migration, _backwards in plan)
        return fail(_("Not applied: %(names)s.") % {"names": names}, _("Run: manage.py migrate django_airalo"))
    return passed(_("All migrations are applied."))


def encryption_keys(context: CheckContext) -> CheckResult:
    """Check that the oldest and newest values of each encrypted column can be decrypted."""
    counts: Counter[str] = Counter()
    for model, column in key_rotation.encrypted_columns():
        rows = key_rotation.as_stored(model, column)
        # By primary key, since both ends of a small table are the same rows.
        both_ends = {pk: stored for order in ("pk", "-pk") for pk, stored in rows.order_by(order)[:SAMPLE]}
        for stored in both_ends.values():
            counts["current" if is_current(stored) else _other_key(stored)] += 1
    values = {"read": sum(counts.values()), "lost": counts["lost"], "old": counts["old"]}
    if counts["lost"]:
        text = ngettext(
            "%(lost)d of %(read)d stored secrets cannot be decrypted with any configured key.",
            "%(lost)d of %(read)d stored secrets cannot be decrypted with any configured key.",
            counts["lost"],
        )
        return fail(
            text % values,
            _("Put the key they were written with back into AIRALO_ENCRYPTION_KEYS or SECRET_KEY_FALLBACKS."),
        )
    if counts["old"]:
        text = ngettext(
            "%(old)d of %(read)d stored secrets needs an old key.",
            "%(old)d of %(read)d stored secrets need an old key.",
            counts["old"],
        )
        return warn(
            text % values,
            _("Run: manage.py airalo_rotate_keys. Remove no key before that."),
        )
    if not values["read"]:
        return passed(_("No secret is stored yet."))
    text = ngettext(
        "The one stored secret can be decrypted.",
        "All of %(read)d stored secrets that were tried can be decrypted.",
        values["read"],
    )
    return passed(text % values)


def _other_key(stored: str) -> str:
    try:
        decrypt(stored)
    except DecryptionError:
        return "lost"
    return "old"


def cache(context: CheckContext) -> CheckResult:
    """Check that this process can read what another one writes into the cache."""
    if not os.environ.get("DJANGO_SETTINGS_MODULE"):
        return skip(_("DJANGO_SETTINGS_MODULE is not set, so no other process can be started with these settings."))
    key, value = f"django_airalo:doctor:{secrets.token_hex(8)}", secrets.token_hex(8)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", _PUT, conf.CACHE_ALIAS, key, value]
    remedy = _("Use Redis, Memcached or the database cache for AIRALO_CACHE_ALIAS.")
    try:
        done = subprocess.run(command, env=environment, capture_output=True, timeout=60, check=False)  # noqa: S603  our own code
    except subprocess.TimeoutExpired:
        return fail(_("Another process could not write into the cache within a minute."), remedy)
    if done.returncode:
        if isinstance(caches[conf.CACHE_ALIAS], DatabaseCache):
            remedy = _("Run: manage.py createcachetable")
        cause = redact(done.stderr.decode(errors="replace").strip().rpartition("\n")[2])[:300]
        return fail(_("Another process could not write into the cache: %(cause)s") % {"cause": cause}, remedy)
    if caches[conf.CACHE_ALIAS].get(key) != value:
        # A shop in development has one process, which needs no shared cache.
        message = _("The cache %(alias)r is not shared between processes.") % {"alias": conf.CACHE_ALIAS}
        return warn(message, remedy) if settings.DEBUG else fail(message, remedy)
    caches[conf.CACHE_ALIAS].delete(key)
    return passed(_("The cache %(alias)r is shared between processes.") % {"alias": conf.CACHE_ALIAS})


def workers(context: CheckContext) -> CheckResult:
    """Check that a worker runs a task within the time to wait."""
    task = find_task("ping")
    if task is None:
        problem = task_problem()
        if problem is not None and not problem.is_a_choice:
            return fail(_("No task is defined: %(reason)s") % {"reason": problem.reason}, problem.remedy)
        return warn(
            _("There is no task backend: the work is done in the customers' requests."),
            _("Configure a backend with workers in TASKS."),
        )
    before = database.db_now()
    task.enqueue()
    deadline = time.monotonic() + context.wait
    while True:
        seen = heartbeats.last_beat(heartbeats.TASK)
        if seen and seen >= before:
            return passed(_("A task was done within %(seconds).1f s.") % {"seconds": _seconds(seen - before)})
        if time.monotonic() > deadline:
            return fail(
                _("No worker did a task within %(seconds)d s.") % {"seconds": context.wait},
                _("Start the workers of the backend, for the queue in AIRALO_TASK_QUEUE_NAME."),
            )
        time.sleep(0.2)


def sweep(context: CheckContext) -> CheckResult:
    seen = heartbeats.last_beat(heartbeats.SWEEP)
    remedy = _("Run manage.py airalo_sweep every minute, or with --loop as a service.")
    if seen is None:
        return fail(_("No sweep has ever run."), remedy)
    age = database.db_now() - seen
    message = _("The last sweep ended %(seconds)d s ago.") % {"seconds": _seconds(age)}
    return fail(message, remedy) if age > SWEEP_SEEN else passed(message)


def submission(context: CheckContext) -> CheckResult:
    if not conf.SUBMIT:
        return fail(
            _("AIRALO_SUBMIT is False: nothing is sent to Airalo."),
            _("Remove the setting when orders are to be sent again."),
        )
    active = pauses.active_pauses()
    if not active:
        return passed(_("Orders are sent."))
    remedies = {
        SubmissionPause.Kind.NO_CREDIT: _("Top up the balance; then orders go on by themselves."),
        SubmissionPause.Kind.UNKNOWN_OUTCOMES: _(
            "See whether Airalo has an outage (status.airalo.com), and what the unconfirmed orders say. One order at a "
            "time is tried; the first that Airalo takes ends the pause."
        ),
    }
    return fail(
        _("No order has been sent to Airalo since %(pause)s") % {"pause": "; ".join(map(str, active))},
        " ".join(str(remedies[SubmissionPause.Kind(pause.kind)]) for pause in active),
    )


def orders_late(context: CheckContext) -> CheckResult:
    """Check that no order has been due, or has waited to be sent, for too long."""
    late = EsimOrder.primary.overdue(database.db_now() - LATE)
    # The check other_deployments counts the orders that another deployment sends.
    others = Q(status=EsimOrder.Status.PENDING) & ~Q(deployment=deployment.identity().stamp)
    late = late.exclude(others)
    if not conf.SUBMIT or pauses.active_pause():
        late = late.exclude(status=EsimOrder.Status.PENDING)
    if count := late.count():
        text = ngettext(
            "%(count)d order has been due, or waits to be sent, for more than 15 minutes.",
            "%(count)d orders have been due, or wait to be sent, for more than 15 minutes.",
            count,
        )
        return fail(
            text % {"count": count},
            _("See that the sweep runs, what its log django_airalo.sweep says, and the errors of pending orders."),
        )
    return passed(_("No order is late."))


def requests_late(context: CheckContext) -> CheckResult:
    """Check that no refund or voucher waits for too long. Refunds wait longer, since Airalo's limit for them is low."""
    since, stamp = database.db_now() - REQUEST_LATE, deployment.identity().stamp
    if text := _requests(Refund.primary.overdue(since).sent_by(stamp), Voucher.primary.overdue(since).sent_by(stamp)):
        return warn(
            _("To be sent for more than an hour: %(requests)s.") % {"requests": text},
            _("See that the sweep runs, and their errors in the admin."),
        )
    return passed(_("No refund and no voucher is late."))


def _requests(refunds: OutboundRequestQuerySet[Refund], vouchers: OutboundRequestQuerySet[Voucher]) -> str:
    """Return the numbers of refunds and vouchers as text; empty if there are none."""
    counts = refunds.count(), vouchers.count()
    parts = (
        ngettext("%(count)d refund", "%(count)d refunds", counts[0]) % {"count": counts[0]},
        ngettext("%(count)d voucher", "%(count)d vouchers", counts[1]) % {"count": counts[1]},
    )
    return ", ".join(part for part, count in zip(parts, counts, strict=True) if count)


def orders_unconfirmed(context: CheckContext) -> CheckResult:
    count = EsimOrder.primary.unconfirmed().count()
    if count:
        text = ngettext(
            "%(count)d order is unconfirmed: it is not known whether Airalo took it.",
            "%(count)d orders are unconfirmed: it is not known whether Airalo took them.",
            count,
        )
        return warn(
            text % {"count": count},
            _("Look-ups go on by themselves. If they stay, decide in the admin."),
        )
    return passed(_("No order is unconfirmed."))


def orders_attention(context: CheckContext) -> CheckResult:
    count = EsimOrder.primary.needing_attention().count()
    if count:
        text = ngettext("%(count)d order needs attention.", "%(count)d orders need attention.", count)
        return warn(
            text % {"count": count},
            _("Filter the orders in the admin by: needs attention."),
        )
    return passed(_("No order needs attention."))


def requests_unconfirmed(context: CheckContext) -> CheckResult:
    if text := _requests(Refund.primary.unconfirmed(), Voucher.primary.unconfirmed()):
        return warn(
            _("Unconfirmed: %(requests)s.") % {"requests": text},
            _("Ask Airalo's support whether it has them, and decide in the admin."),
        )
    return passed(_("No refund and no voucher is unconfirmed."))


def requests_flawed(context: CheckContext) -> CheckResult:
    """Check that Airalo carried out recent requests as they were sent: once, and with the right number of codes."""
    since = database.db_now() - LATELY
    flawed = (
        Refund.primary.flawed().filter(accepted_at__gte=since),
        Voucher.primary.flawed().filter(accepted_at__gte=since),
    )
    if text := _requests(*flawed):
        return warn(
            _("Accepted by Airalo, but not as requested: %(requests)s.") % {"requests": text},
            _("See their errors in the admin, and ask Airalo's support."),
        )
    return passed(_("Airalo accepted refunds and vouchers as requested."))


def signals_stuck(context: CheckContext) -> CheckResult:
    counts = {}
    for model in apps.get_app_config("django_airalo").get_models():
        if issubclass(model, SignalOutbox):
            stuck = model.primary.filter(signal_due_at__isnull=False, signal_tries__gte=STUCK)
            counts[model.__name__] = stuck.count()
    text = ", ".join(f"{name}: {count}" for name, count in counts.items() if count)
    if text:
        return warn(
            _("Signals whose receivers keep raising: %(text)s.") % {"text": text},
            _("See signal_error in the admin, and the log django.dispatch."),
        )
    return passed(_("No signal is stuck."))


def catalogue(context: CheckContext) -> CheckResult:
    remedy = _("Run manage.py airalo_sync_packages every hour.")
    if sync_runs.catalogue_is_stale():
        return warn(_("The catalogue was never fetched, or too long ago."), remedy)
    count = Package.primary.on_sale().count()
    text = ngettext("%(count)d package is on sale.", "%(count)d packages are on sale.", count)
    return passed(text % {"count": count})


def exchange_rates(context: CheckContext) -> CheckResult:
    """Check that all exchange rates are new enough to sell at."""
    known, fresh = ExchangeRate.primary.count(), fresh_rates(ExchangeRate.primary.all(), database.db_now()).count()
    if not known:
        return skip(_("There are no exchange rates: prices are in the currencies that Airalo gives them in."))
    if old := known - fresh:
        text = ngettext(
            "%(count)d exchange rate is too old, so nothing is sold at it.",
            "%(count)d exchange rates are too old, so nothing is sold at them.",
            old,
        )
        return warn(text % {"count": old}, _("Run manage.py airalo_sync_exchange_rates every day."))
    text = ngettext("%(count)d exchange rate is up to date.", "%(count)d exchange rates are up to date.", known)
    return passed(text % {"count": known})


def _seconds(duration: timedelta) -> float:
    return duration.total_seconds()


BEFORE = (
    Check("settings", system_checks),
    Check("database", the_database),
    Check("migrations", migrations, needs=("database",)),
)
_STORED = ("database", "migrations")
CHECKS = (
    Check("encryption", encryption_keys, needs=_STORED),
    Check("cache", cache),
    Check("workers", workers, needs=_STORED),
    Check("sweep", sweep, needs=_STORED),
    Check("submission", submission, needs=_STORED),
    Check("orders_late", orders_late, needs=_STORED),
    Check("requests_late", requests_late, needs=_STORED),
    Check("orders_unconfirmed", orders_unconfirmed, needs=_STORED),
    Check("orders_attention", orders_attention, needs=_STORED),
    Check("requests_unconfirmed", requests_unconfirmed, needs=_STORED),
    Check("requests_flawed", requests_flawed, needs=_STORED),
    Check("signals", signals_stuck, needs=_STORED),
    Check("catalogue", catalogue, needs=_STORED),
    Check("exchange_rates", exchange_rates, needs=_STORED),
)
