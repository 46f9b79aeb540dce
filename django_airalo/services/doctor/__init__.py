"""What is wrong with a shop's installation, for the person who set it up."""

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
    """Look at everything that an installation needs, one result for each check, as they come.

    Asks Airalo for a token and the balance, the shop's webhook address for an answer, and enqueues a task. Changes
    nothing but the record of the balance and a heartbeat.

    Args:
        simulate: also have Airalo send a test webhook. The shop's receivers of ``esim_low_data`` are called.
        wait: seconds to wait for a worker and for that webhook.

    Yields:
        Findings, in the order of ``CHECKS``. No secret of the settings is in them.
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
    except Exception as error:  # Whatever it is, the others are to be looked at too.
        logger.exception("The check %s could not be made", check.name)
        text = _("The check raised %(error)s.") % {"error": type(error).__name__}
        return CheckResult("fail", text, _("See the log django_airalo.doctor."))
