"""The deployment of the shop that a database belongs to, and whether the database is the newest one."""

from __future__ import annotations

import secrets
from typing import Any, ClassVar

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from . import field_types as t
from .leases import Lease
from .managers import AiraloModel
from .references import REFERENCE_LENGTH

#: The length of a deployment's short name, which is derived from its secret and stored with everything it sends.
STAMP_LENGTH = 12


def new_deployment_key() -> str:
    """Return a long random string for ``AIRALO_DEPLOYMENT``."""
    return secrets.token_urlsafe(48)


class Deployment(AiraloModel):
    """The identity of the database, in one row. It shows whether this is the newest database, a copy or an old backup.

    Attributes:
        alive_at (datetime or None): when this was last known to be the newest database. A sweep or a submission records
            it, at most every 30 seconds. ``None`` if nothing was ever sent from this database.
        server (str): the database server when something was last sent.
        behind_since (datetime or None): since when nothing is sent, because this may not be the newest database;
            ``None`` if orders are sent.
        behind_because (str): the reason, one of ``Deployment.Reason``; else empty.
        read_from (datetime or None): since when Airalo's list must be read before anything is sent again.
        read_not_before (datetime or None): when the list may be read; before that, it may be incomplete.
        list_read_at (datetime or None): when the last complete reading of Airalo's list began.
    """

    class Reason(models.TextChoices):
        SERVER = (
            "server",
            pgettext_lazy("deployment", "The database is on another server, or its tables were recreated."),
        )
        SILENT = "silent", pgettext_lazy("deployment", "Nothing was running for more than five minutes.")
        UNKNOWN = "unknown", pgettext_lazy("deployment", "Something was sent, but the database does not know when.")
        ASKED = "asked", pgettext_lazy("deployment", "An operator requested it.")

    #: The lease to read Airalo's list.
    READING_LEASE: ClassVar[Lease] = Lease("reading_until", fence=("reading_until",))

    # The primary key of the one row is 1.
    key: t.Char = models.CharField(_("key"), max_length=64, default=new_deployment_key, editable=False)
    server: t.Char = models.CharField(_("database server"), max_length=255, blank=True)
    alive_at: t.OptionalDateTime = models.DateTimeField(_("last alive at"), null=True, blank=True)
    behind_since: t.OptionalDateTime = models.DateTimeField(_("perhaps not the newest since"), null=True, blank=True)
    behind_because: t.Char = models.CharField(_("because"), max_length=7, choices=Reason, blank=True)
    read_from: t.OptionalDateTime = models.DateTimeField(_("list to be read from"), null=True, blank=True)
    read_not_before: t.OptionalDateTime = models.DateTimeField(_("list to be read not before"), null=True, blank=True)
    list_read_at: t.OptionalDateTime = models.DateTimeField(_("list read at"), null=True, blank=True)
    list_too_long_at: t.OptionalDateTime = models.DateTimeField(_("list found too long at"), null=True, blank=True)
    reading_until: t.OptionalDateTime = models.DateTimeField(_("list being read until"), null=True, blank=True)

    class Meta:
        verbose_name: ClassVar[Any] = _("deployment")
        verbose_name_plural: ClassVar[Any] = _("deployment")

    def __str__(self) -> str:
        return str(self._meta.verbose_name)


class ListedPurchase(AiraloModel):
    """A purchase on Airalo's list whose reference belongs to no order here: another shop's, or one whose row was lost.

    ``place_order()`` with the key that the reference was derived from adopts it instead of buying again.

    Attributes:
        reference (str): 32 hex digits, from the front of Airalo's description.
        airalo_order_id (int or None): Airalo's id; ``None`` for a future order before its date.
        package_id (str): Airalo's package.
        seen_at (datetime): when it was first seen on Airalo's list.
    """

    reference: t.Char = models.CharField(_("reference"), max_length=REFERENCE_LENGTH, unique=True)
    airalo_order_id: t.OptionalBigInteger = models.BigIntegerField(_("Airalo order id"), null=True, blank=True)
    package_id: t.Char = models.CharField(_("package"), max_length=255, blank=True)
    seen_at: t.DateTime = models.DateTimeField(_("first seen at"), default=timezone.now, db_index=True)

    class Meta:
        verbose_name: ClassVar[Any] = _("listed purchase")
        verbose_name_plural: ClassVar[Any] = _("listed purchases")
        ordering: ClassVar[tuple[str, ...]] = ("-id",)

    def __str__(self) -> str:
        return self.reference
