"""Checks of the deployment, and of whether orders may be sent from its database."""

from __future__ import annotations

from django.utils.formats import localize
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_airalo.conf import conf
from django_airalo.models import EsimOrder, Refund, Voucher
from django_airalo.models.outbound import PENDING
from django_airalo.services.core import deployment, servers

from .result import Check, CheckContext, CheckResult, fail, passed, warn

_STORED = ("database", "migrations")


def newest(context: CheckContext) -> CheckResult:
    """Check that sending is not stopped because the database may not be the newest one."""
    row = deployment.state()
    if row.behind_since:
        values = {"since": localize(localtime(row.behind_since)), "why": row.get_behind_because_display()}
        return fail(
            _("Nothing is sent since %(since)s, until Airalo's list was read: %(why)s") % values,
            _("The next sweep reads it. If it cannot, the log django_airalo.sweep says why."),
        )
    if row.alive_at is None:
        return passed(_("Nothing was ever sent from this database."))
    return passed(_("The database was alive at %(at)s.") % {"at": localize(localtime(row.alive_at))})


def database_server(context: CheckContext) -> CheckResult:
    """Check that a failover would be noticed."""
    if not conf.CHECK_SERVER:
        return warn(
            _("AIRALO_CHECK_SERVER is False: a failover is only noticed if nothing was alive for five minutes."),
            _("Remove the setting, unless the servers take turns without losing anything."),
        )
    hidden = servers.hidden()
    if hidden:
        return warn(
            _("The database server hides: %(names)s. A failover may not be noticed.") % {"names": ", ".join(hidden)},
            _("Run manage.py airalo_after_restore after each failover and restore."),
        )
    return passed(_("The database server shows what is needed to notice a failover."))


def other_deployments(context: CheckContext) -> CheckResult:
    """Check that no order waits that only another deployment sends."""
    stamp = deployment.identity().stamp
    others = EsimOrder.primary.filter(status=EsimOrder.Status.PENDING).exclude(deployment=stamp)
    cancelled = EsimOrder.primary.filter(status=EsimOrder.Status.SCHEDULED, cancel_requested_at__isnull=False)
    rows = [model.primary.filter(status=PENDING).exclude(deployment=stamp).count() for model in (Refund, Voucher)]
    count = others.count() + cancelled.exclude(deployment=stamp).count() + sum(rows)
    if not count:
        return passed(_("This deployment (%(name)s) sends all that waits.") % {"name": stamp})
    text = ngettext(
        "%(count)d order, refund, voucher or cancellation is another deployment's: %(name)s does not send it.",
        "%(count)d orders, refunds, vouchers and cancellations are another deployment's: %(name)s does not send them.",
        count,
    )
    return warn(
        text % {"count": count, "name": stamp},
        _("In a copy this is expected. If AIRALO_DEPLOYMENT was changed, run manage.py airalo_deployment --take-over."),
    )


CHECKS = (
    Check("newest_database", newest, needs=_STORED),
    Check("database_server", database_server, needs=_STORED),
    Check("other_deployments", other_deployments, needs=_STORED),
)
