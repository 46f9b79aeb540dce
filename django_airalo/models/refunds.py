"""Refunds that the shop asked Airalo for."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from . import field_types as t
from .esims import Esim
from .managers import PrimaryManager
from .outbound import OutboundRequest, OutboundRequestQuerySet

#: Airalo's limit of characters.
MAX_NOTES = 255


class RefundReason(models.TextChoices):
    """The reasons that Airalo's answer to an unknown one lists (in 2026). More: ``AIRALO_REFUND_REASONS``."""

    INSTALLATION_FAILURE = "INSTALLATION_FAILURE", pgettext_lazy("refund", "Installation failed")
    NO_COVERAGE = "NO_COVERAGE", pgettext_lazy("refund", "No coverage")
    APN_FAILURE = "APN_FAILURE", pgettext_lazy("refund", "APN failed")
    TRIP_CANCELLATION = "TRIP_CANCELLATION", pgettext_lazy("refund", "Trip cancelled")
    INTERMITTENT_CONNECTION = "INTERMITTENT_CONNECTION", pgettext_lazy("refund", "Connection comes and goes")
    BLOCKED_NETWORK = "BLOCKED_NETWORK", pgettext_lazy("refund", "Network blocked")
    CHANGE_OF_PLAN = "CHANGE_OF_PLAN", pgettext_lazy("refund", "Change of plan")
    DELETED_ESIM = "DELETED_ESIM", pgettext_lazy("refund", "eSIM deleted")
    EARLY_EXPIRY = "EARLY_EXPIRY", pgettext_lazy("refund", "Expired early")
    HOTSPOT_NOT_WORKING = "HOTSPOT_NOT_WORKING", pgettext_lazy("refund", "Hotspot does not work")
    IMSI_CHANGE = "IMSI_CHANGE", pgettext_lazy("refund", "IMSI changed")
    INCOMPATIBLE_DEVICE = "INCOMPATIBLE_DEVICE", pgettext_lazy("refund", "Device not compatible")
    LOCKED_DEVICE = "LOCKED_DEVICE", pgettext_lazy("refund", "Device locked")
    NO_VOICE_TEXT_SERVICES = "NO_VOICE_TEXT_SERVICES", pgettext_lazy("refund", "No voice or text")
    OVERCHARGED = "OVERCHARGED", pgettext_lazy("refund", "Overcharged")
    SLOW_SPEED = "SLOW_SPEED", pgettext_lazy("refund", "Too slow")
    TOP_UP_PACKAGE_FAILURE = "TOP_UP_PACKAGE_FAILURE", pgettext_lazy("refund", "Top-up failed")
    UNKNOWN_CHARGES = "UNKNOWN_CHARGES", pgettext_lazy("refund", "Unknown charges")
    WRONG_PURCHASE = "WRONG_PURCHASE", pgettext_lazy("refund", "Bought by mistake")
    UNABLE_TO_ACCESS_APPS = "UNABLE_TO_ACCESS_APPS", pgettext_lazy("refund", "Apps cannot be reached")
    SERVICE_DEGRADATION = "SERVICE_DEGRADATION", pgettext_lazy("refund", "Service degraded")
    QR_ISSUE_PARTNERS = "QR_ISSUE_PARTNERS", pgettext_lazy("refund", "QR code does not work")
    OTHERS = "OTHERS", pgettext_lazy("refund", "Something else")


class RefundQuerySet(OutboundRequestQuerySet["Refund"]):
    """Which refunds to look at."""


RefundPrimaryManager = PrimaryManager.from_queryset(RefundQuerySet)


class Refund(OutboundRequest):
    """A request for a refund of at most five eSIMs. People at Airalo decide, and no endpoint tells what they decided.

    So ``approved`` and ``declined`` are set by hand, from Airalo's mail or its Partner Platform.

    Attributes:
        status (str): one of ``Refund.Status``.
        esims: the eSIMs, as a manager: ``refund.esims.all()``. An eSIM has its refunds in ``esim.refunds``.
        reason (str): one of ``services.refund_reasons()``.
        notes (str): the shop's words to Airalo.
        email (str): where Airalo answers; empty if none was given.
        refund_id (str): Airalo's name for it; empty until Airalo took it.
        proposed_outcome (str): ``refunded`` or ``partially_refunded`` if Airalo lists its orders so; or empty.
            Confirm it with ``operations.resolve_refund()``.
        listed_outcomes (dict): the same for each of its orders, by primary key.
    """

    class Status(models.TextChoices):
        PENDING = "pending", pgettext_lazy("refund", "To be sent")
        SENDING = "sending", pgettext_lazy("refund", "Being sent")
        REQUESTED = "requested", pgettext_lazy("refund", "Requested")
        APPROVED = "approved", pgettext_lazy("refund", "Approved")
        DECLINED = "declined", pgettext_lazy("refund", "Declined")
        INVALID = "invalid", pgettext_lazy("refund", "Refused as invalid")
        UNCONFIRMED = "unconfirmed", pgettext_lazy("refund", "Unconfirmed")
        CANCELLED = "cancelled", pgettext_lazy("refund", "Cancelled")

    class Outcome(models.TextChoices):
        REFUNDED = "refunded", pgettext_lazy("refund", "Refunded")
        PARTIALLY_REFUNDED = "partially_refunded", pgettext_lazy("refund", "Refunded in part")

    ACCEPTED: ClassVar[str] = Status.REQUESTED
    REFUSED: ClassVar[str] = Status.INVALID
    #: The statuses in which the same eSIM is not asked for again.
    OPEN = (Status.PENDING, Status.SENDING, Status.REQUESTED, Status.UNCONFIRMED, Status.APPROVED)

    status: t.Char = models.CharField(_("status"), max_length=11, choices=Status, default=Status.PENDING, db_index=True)
    esims: models.ManyToManyField[Esim, Any] = models.ManyToManyField(
        Esim, verbose_name=_("Airalo eSIMs"), related_name="refunds"
    )
    # Without choices, since Airalo's list has changed before.
    reason: t.Char = models.CharField(_("reason"), max_length=255)
    notes: t.Char = models.CharField(_("notes"), max_length=MAX_NOTES, blank=True)
    email: t.Email = models.EmailField(_("e-mail"), blank=True, help_text=_("Where Airalo answers."))
    refund_id: t.Char = models.CharField(_("Airalo refund id"), max_length=255, blank=True, db_index=True)

    proposed_outcome: t.Char = models.CharField(
        _("proposed outcome"),
        max_length=18,
        choices=Outcome,
        blank=True,
        help_text=_("As Airalo lists the orders. An operator confirms it."),
    )
    listed_outcomes: t.JSON = models.JSONField(_("listed outcomes"), default=dict, blank=True, editable=False)

    objects: ClassVar[models.Manager[Refund]] = RefundQuerySet.as_manager()
    primary: ClassVar[PrimaryManager[Self]] = RefundPrimaryManager()

    class Meta:
        verbose_name: ClassVar[Any] = _("refund")
        verbose_name_plural: ClassVar[Any] = _("refunds")
        ordering: ClassVar[tuple[str, ...]] = ("-id",)

    def __str__(self) -> str:
        return f"{self.refund_id or self.pk} {self.reason}"
