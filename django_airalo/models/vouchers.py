"""Vouchers bought from Airalo, to be redeemed in Airalo's app."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from .fields import EncryptedTextField
from .orders import new_reference
from .outgoing import Outgoing, OutgoingQuerySet


class VoucherQuerySet(OutgoingQuerySet["Voucher"]):
    """Which vouchers to look at."""


class Voucher(Outgoing):
    """Codes for eSIMs of one package, or a code for credit ("airmoney"). Who knows a code can redeem it.

    Attributes:
        kind (str): ``esim`` or ``airmoney``.
        status (str): one of ``Voucher.Status``.
        booking_reference (str): the shop's handle. Airalo gets it too if the voucher is for eSIMs.
        package_id (str): Airalo's package; empty for airmoney.
        quantity (int): how many codes were asked for; 1 for airmoney.
        amount (Decimal or None): what a code for airmoney is worth, in USD.
        usage_limit (int or None): how often a code for airmoney can be redeemed.
        is_paid (bool or None): as given to Airalo, which does not say what it means.
        codes (str): the codes, one a line, encrypted in the database. Use ``code_list``: until Airalo has made the
            voucher this is at most a code that the shop has chosen.
        airalo_id (int or None): Airalo's id of an airmoney voucher.
    """

    class Kind(models.TextChoices):
        ESIM = "esim", pgettext_lazy("voucher", "eSIM")
        AIRMONEY = "airmoney", pgettext_lazy("voucher", "Airmoney")

    class Status(models.TextChoices):
        PENDING = "pending", pgettext_lazy("voucher", "To be sent")
        SENDING = "sending", pgettext_lazy("voucher", "Being sent")
        CREATED = "created", pgettext_lazy("voucher", "Created")
        REFUSED = "refused", pgettext_lazy("voucher", "Refused")
        UNCONFIRMED = "unconfirmed", pgettext_lazy("voucher", "Unconfirmed")
        CANCELLED = "cancelled", pgettext_lazy("voucher", "Cancelled")

    ACCEPTED = Status.CREATED
    SECRETS = ("codes",)

    kind = models.CharField(_("kind"), max_length=8, choices=Kind)
    status = models.CharField(_("status"), max_length=11, choices=Status, default=Status.PENDING, db_index=True)
    booking_reference = models.CharField(
        _("booking reference"),
        max_length=255,
        default=new_reference,
        help_text=_("The handle by which it is found, here and (if it is for eSIMs) at Airalo."),
    )
    package_id = models.CharField(_("package"), max_length=255, blank=True)
    quantity = models.PositiveSmallIntegerField(_("quantity"), default=1)
    amount = models.DecimalField(
        _("amount"), max_digits=12, decimal_places=2, null=True, blank=True, help_text=_("In USD.")
    )
    usage_limit = models.PositiveIntegerField(
        _("usage limit"), null=True, blank=True, help_text=_("How often the code can be redeemed.")
    )
    is_paid = models.BooleanField(_("paid"), null=True, blank=True)
    codes = EncryptedTextField(_("codes"), blank=True, help_text=_("One a line."))
    airalo_id = models.BigIntegerField(_("Airalo id"), null=True, blank=True)

    objects = VoucherQuerySet.as_manager()

    class Meta:
        verbose_name = _("voucher")
        verbose_name_plural = _("vouchers")
        ordering = ("-id",)
        permissions = [("view_voucher_codes", _("Can see the codes of vouchers"))]
        constraints = [
            models.UniqueConstraint(fields=["booking_reference", "package_id"], name="airalo_voucher_reference")
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.booking_reference}"

    @property
    def code_list(self) -> list[str]:
        """The codes. Empty until the status is ``created``."""
        return self.codes.splitlines() if self.status == self.Status.CREATED else []
