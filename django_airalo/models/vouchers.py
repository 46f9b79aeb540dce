"""Vouchers bought from Airalo, to be redeemed in Airalo's app."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from . import field_types as t
from .fields import EncryptedTextField
from .managers import PrimaryManager
from .outbound import OutboundRequest, OutboundRequestQuerySet
from .references import new_reference


class VoucherQuerySet(OutboundRequestQuerySet["Voucher"]):
    """Which vouchers to look at."""


VoucherPrimaryManager = PrimaryManager.from_queryset(VoucherQuerySet)


class Voucher(OutboundRequest):
    """Codes for eSIMs of one package, or a code for credit ("airmoney"). Who knows a code can redeem it.

    Attributes:
        kind (str): ``esim`` or ``airmoney``.
        status (str): one of ``Voucher.Status``.
        idempotency_key (str): the shop's own key: one key, one voucher for each package. Airalo gets it as
            ``booking_reference`` if the voucher is for eSIMs.
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

    ACCEPTED: ClassVar[str] = Status.CREATED
    REFUSED: ClassVar[str] = Status.REFUSED
    SECRETS: ClassVar[tuple[str, ...]] = ("codes",)

    kind: t.Char = models.CharField(_("kind"), max_length=8, choices=Kind)
    status: t.Char = models.CharField(_("status"), max_length=11, choices=Status, default=Status.PENDING, db_index=True)
    idempotency_key: t.Char = models.CharField(
        _("idempotency key"),
        max_length=255,
        default=new_reference,
        help_text=_("The shop's own key. Airalo has it as the booking reference, if the voucher is for eSIMs."),
    )
    package_id: t.Char = models.CharField(_("package"), max_length=255, blank=True)
    quantity: t.PositiveSmallInteger = models.PositiveSmallIntegerField(_("quantity"), default=1)
    amount: t.OptionalDecimal = models.DecimalField(
        _("amount"), max_digits=12, decimal_places=2, null=True, blank=True, help_text=_("In USD.")
    )
    usage_limit: t.OptionalPositiveInteger = models.PositiveIntegerField(
        _("usage limit"), null=True, blank=True, help_text=_("How often the code can be redeemed.")
    )
    is_paid: t.OptionalBoolean = models.BooleanField(_("paid"), null=True, blank=True)
    codes: EncryptedTextField = EncryptedTextField(_("codes"), blank=True, help_text=_("One a line."))
    airalo_id: t.OptionalBigInteger = models.BigIntegerField(_("Airalo id"), null=True, blank=True)

    objects: ClassVar[models.Manager[Voucher]] = VoucherQuerySet.as_manager()
    primary: ClassVar[PrimaryManager[Self]] = VoucherPrimaryManager()

    class Meta:
        verbose_name: ClassVar[Any] = _("voucher")
        verbose_name_plural: ClassVar[Any] = _("vouchers")
        ordering: ClassVar[tuple[str, ...]] = ("-id",)
        permissions: ClassVar[list[tuple[str, Any]]] = [("view_voucher_codes", _("Can see the codes of vouchers"))]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["idempotency_key", "package_id"], name="airalo_voucher_key")
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.idempotency_key}"

    @property
    def code_list(self) -> list[str]:
        """The codes. Empty until the status is ``created``."""
        return self.codes.splitlines() if self.status == self.Status.CREATED else []
