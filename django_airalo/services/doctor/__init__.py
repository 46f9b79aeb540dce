"""Check a shop's installation, and report what is wrong and how to correct it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace

from django.utils.translation import gettext as _

from django_airalo.services.core.redaction import redact

from . import airalo, deployment, shop, webhooks
from .result import Check, CheckContext, CheckResult

logger: logging.Logger = logging.getLogger("django_airalo.doctor")

__all__ = ["CHECKS", "CheckResult", "run_health_checks"]

CHECKS: tuple[Check, ...] = (*shop.BEFORE, *airalo.CHECKS, *deployment.CHECKS, *shop.CHECKS, *webhooks.CHECKS)


def run_health_checks(*, simulate: bool = False, wait: float = 10.0) -> Iterator[CheckResult]:
    """Check everything that an installation needs, and yield each result as soon as it is known.

    Requests a token and the balance from Airalo, sends requests to the shop's own webhook address, and enqueues a task.
    Only the record of the balance and a heartbeat are written.

    Args:
        simulate: also request a test webhook from Airalo, which calls the shop's receivers of ``esim_low_data``.
        wait: the seconds to wait for a worker, and for that webhook.

    Yields:
        The results, in the sequence of ``CHECKS``. Secrets are redacted.
    """
    context = CheckContext(simulate=simulate, wait=wait)
    for check in CHECKS:
        result = replace(_look(check, context), check=check.name)
        context.levels[check.name] = result.level
        yield replace(result, message=redact(result.message), remedy=redact(result.remedy))


def _look(check: Check, context: CheckContext) -> CheckResult:
    missing = [name for name in check.needs if context.levels.get(name) in ("fail", "skip")]
    if missing:
        return CheckResult("skip", _("Skipped: %(names)s must pass first.") % {"names": ", ".join(missing)})
    try:
        return check.look(context)
    except Exception as error:  # An error in one check must not keep the others from running.
        logger.exception("The check %s could not be made", check.name)
        text = _("The check raised %(error)s.") % {"error": type(error).__name__}
        return CheckResult("fail", text, _("See the log django_airalo.doctor."))
