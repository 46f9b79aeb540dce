"""Read eSIMs whose codes may not be decryptable."""

from __future__ import annotations

import logging

from django_airalo.exceptions import DecryptionError
from django_airalo.models import Esim
from django_airalo.models.esims import SECRETS, EsimQuerySet

logger = logging.getLogger("shop")


def readable(esims: EsimQuerySet) -> list[Esim]:
    """Return the eSIMs. Those whose key is lost get ``is_unreadable``, so that the others can still be shown."""
    try:
        return list(esims)
    except DecryptionError:
        found = list(esims.without_secrets())
        mark(found)
        return found


def mark(esims: list[Esim]) -> None:
    """Read the deferred codes of each eSIM, and mark those that cannot be read with ``is_unreadable``."""
    for esim in esims:
        try:
            esim.refresh_from_db(fields=SECRETS)
        except DecryptionError:
            logger.exception("Cannot decrypt the codes of eSIM %s", esim.pk)
            esim.is_unreadable = True  # type: ignore[attr-defined]  # for the template
