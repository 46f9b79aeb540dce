"""What is wrong with a shop's installation, for the person who set it up."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace

from django.utils.translation import gettext as _

from django_airalo.services.masking import masked

from . import airalo, shop, webhooks
from .finding import Check, Examination, Finding

logger = logging.getLogger("django_airalo.doctor")

__all__ = ["CHECKS", "Finding", "examine"]

CHECKS: tuple[Check, ...] = (*shop.BEFORE, *airalo.CHECKS, *shop.CHECKS, *webhooks.CHECKS)


def examine(*, simulate: bool = False, wait: float = 10.0) -> Iterator[Finding]:
    """Look at everything that an installation needs, one finding for each check, as they come.

    Asks Airalo for a token and the balance, the shop's webhook address for an answer, and enqueues a task. Changes
    nothing but the record of the balance and a heartbeat.

    Args:
        simulate: also have Airalo send a test webhook. The shop's receivers of ``esim_low_data`` hear of it.
        wait: seconds to wait for a worker and for that webhook.

    Yields:
        Findings, in the order of ``CHECKS``. No secret of the settings is in them.
    """
    examination = Examination(simulate=simulate, wait=wait)
    for check in CHECKS:
        finding = replace(_look(check, examination), check=check.name)
        examination.levels[check.name] = finding.level
        yield replace(finding, message=masked(finding.message), remedy=masked(finding.remedy))


def _look(check: Check, examination: Examination) -> Finding:
    missing = [name for name in check.needs if examination.levels.get(name) in ("fail", "skip")]
    if missing:
        return Finding("skip", _("Not before this is right: %(names)s.") % {"names": ", ".join(missing)})
    try:
        return check.look(examination)
    except Exception as error:  # Whatever it is, the others are to be looked at too.
        logger.exception("The check %s could not be made", check.name)
        text = _("The check raised %(error)s.") % {"error": type(error).__name__}
        return Finding("fail", text, _("See the log django_airalo.doctor."))
