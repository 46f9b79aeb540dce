"""eSIMs with their codes, as far as these can be read."""

from __future__ import annotations

import logging

from django_airalo.exceptions import DecryptionError
from django_airalo.models import Esim
from django_airalo.models.esims import SECRETS, EsimQuerySet

logger = logging.getLogger("shop")


def readable(esims: EsimQuerySet) -> list[Esim]:
    """The eSIMs. One whose key is lost is marked with ``is_unreadable``, so that the others are shown all the same."""
    try:
        return list(esims)
    except DecryptionError:
        found = list(esims.without_secrets())
        mark(found)
        return found


def mark(esims: list[Esim]) -> None:
    """Read the codes of eSIMs that came without, each by itself."""
    for esim in esims:
        try:
            esim.refresh_from_db(fields=SECRETS)
        except DecryptionError:
            logger.exception("The codes of eSIM %s cannot be shown", esim.pk)
            esim.is_unreadable = True  # type: ignore[attr-defined]  # for the template
