"""An order for eSIMs."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, Self

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from django_airalo.html import safe_html

from . import field_types as t
from .leases import Lease, LeaseQuerySet
from .managers import PrimaryManager
from .mixins import Costed
from .references import REFERENCE_LENGTH, new_reference

#: Airalo's documented limit for one order.
MAX_QUANTITY = 50


def is_anonymous(user: Any) -> bool:
    """Return whether ``user`` is ``None`` or an anonymous user, who own nothing."""
    return getattr(user, "pk", user) is None


class EsimOrderQuerySet(LeaseQuerySet["EsimOrder"]):
    """A queryset of orders. All of its methods can be combined."""

    def for_user(self, user: Any) -> EsimOrderQuerySet:
        """Return the orders of ``user``. An anonymous user has none, not those of all guests."""
        return self.none() if is_anonymous(user) else self.filter(user=user)

    def due(self, now: datetime) -> EsimOrderQuerySet:
        """Return the orders that are due, the longest overdue first."""
        return self.filter(due_at__lte=now).order_by("due_at")

    def overdue(self, before: datetime) -> EsimOrderQuerySet:
        """Return the orders that have been due since ``before``, or pending since then.

        Pending orders are compared by ``created_at``, since each failed attempt postpones ``due_at``. This includes
        future orders, which are submitted when they are placed.
        """
        return self.filter(Q(due_at__lte=before) | Q(status=EsimOrder.Status.PENDING, created_at__lte=before))

    def waiting(self) -> EsimOrderQuerySet:
        """Return the orders whose eSIM has not been delivered yet."""
        return self.exclude(status__in=EsimOrder.FINAL)

    def unconfirmed(self) -> EsimOrderQuerySet:
        """Return the orders of which it is unknown whether Airalo accepted them."""
        return self.filter(status=EsimOrder.Status.UNCONFIRMED)

    def needing_attention(self) -> EsimOrderQuerySet:
        """Return the orders that an operator should look at."""
        return self.exclude(attention="")


EsimOrderPrimaryManager = PrimaryManager.from_queryset(EsimOrderQuerySet)


class EsimOrder(Costed):
    """One order for eSIMs of one package, or for a top-up. Only :mod:`django_airalo.services` writes it.

    The row is also the queue: ``due_at`` says when the sweep processes the order next.

    Attributes:
        reference (str): 32 hex digits, derived from the idempotency key and the deployment's secret; random without a
            key. Airalo gets it at the front of the description, so the order can be found by it in Airalo's Partner
            Platform. It can also be used in URLs.
        idempotency_key (str or None): the shop's own key. Each key makes one order.
        deployment (str): the short name of the deployment that placed the order. No other deployment sends it.
        user (User or None): the owner of the order; ``None`` for guests and imported orders.
        type (str): ``sim`` for new eSIMs, ``topup`` for a top-up.
        mode (str): ``async`` (Airalo delivers later) or ``sync`` (Airalo delivers with its response).
        package_id (str): Airalo's package.
        quantity (int): the number of eSIMs ordered; 1 for a top-up. For a refused order, 0 if the given number cannot
            be stored.
        esim (Esim or None): the eSIM that a top-up is for. The top-ups of an eSIM are ``esim.topups``.
        esims: the delivered eSIMs, ``Esim`` rows, as a manager; none for a top-up.
        delivered_quantity (int): the number of delivered eSIMs.
        description (str): the shop's own text, which Airalo gets after the reference.
        brand_settings_name (str): the requested brand; empty if none.
        to_email (str): the address to which Airalo e-mails the eSIM; empty if none.
        sharing_option (list): what that e-mail contains: ``link``, ``pdf`` or both.
        copy_address (list): addresses that get a copy of it.
        webhook_url (str): the order's own webhook URL; empty for that of the settings.
        status (str): one of ``EsimOrder.Status``.
        attention (str): why an operator should look at the order, one line for each reason; else empty.
        due_at (datetime or None): when the sweep processes the order next; ``None`` if never. While the order is
            ``submitting``, the end of the lease of the worker that sends it.
        requested_due_date (datetime or None): the delivery time that the shop requested for a future order, to the
            minute; ``None`` for other orders.
        due_date (datetime or None): when Airalo delivers a future order, which Airalo may have changed; ``None`` for
            other orders.
        in_doubt_until (datetime or None): until when a purchase by an attempt whose outcome is unknown may still appear
            on Airalo's list; ``None`` if no attempt is in doubt, or a look-up after that time found nothing.
        latest_cancellation_date (datetime or None): until when Airalo allows a future order to be cancelled.
        cancel_requested_at (datetime or None): when the shop requested to cancel a future order, until Airalo has
            responded.
        refused_call (dict or None): the arguments of a call that was refused and recorded, as JSON. Texts that no
            database can store are escaped, and long ones are cut. ``None`` for other orders. See
            ``is_refused_at_placing``.
        is_imported (bool): whether it was placed outside of this shop and imported by ``operations.import_orders()``.
            Airalo does not know its reference.
        duplicate_of (EsimOrder or None): the order that Airalo fulfilled twice, if this is its second purchase. A
            duplicate is kept for a refund. It has no user, sends no signals, and is never delivered to the customer.
        duplicates: the second purchases of this order, ``EsimOrder`` rows, as a manager; usually none.
        request_id (str or None): Airalo's id of an asynchronous order, once it is accepted.
        airalo_order_id (int or None): Airalo's id, once it is delivered.
        airalo_order_code (str): Airalo's code, such as ``20260105-412345``, once it is delivered.
        currency (str): the currency of ``price``, three letters; empty until the order is delivered.
        price (Decimal or None): Airalo's retail price, once the order is delivered. It is not what the customer paid.
            It is assumed to be the price of one eSIM; Airalo does not document that.
        error_code (int or None): Airalo's code of the last error.
        error_reason (str): the last error; empty if there was none. For a pending order, why it waits; for a refused
            order, which value was wrong.
        manual_installation (str): how to install by hand, HTML as Airalo sent it. Show ``manual_installation_html``.
        qrcode_installation (str): how to install by QR code, HTML as Airalo sent it. Show
            ``qrcode_installation_html``.
        created_at (datetime): when it was placed; for an imported order, when it was placed according to Airalo.
        submitted_at (datetime or None): when the last attempt to send it began.
        accepted_at (datetime or None): when it became accepted, if it did.
        scheduled_at (datetime or None): when it became scheduled, if it did.
        unconfirmed_at (datetime or None): when it became unconfirmed, if it did.
        completed_at (datetime or None): when it became completed, if it did.
        failed_at (datetime or None): when it became failed, if it did.
        cancelled_at (datetime or None): when it became cancelled, if it did.
        events: its log, ``OrderEvent`` rows, the oldest first, as a manager.
        webhook_events: the ``WebhookEvent`` rows about it, as a manager.
    """

    class Status(models.TextChoices):
        PENDING = "pending", pgettext_lazy("eSIM order", "Pending")
        SUBMITTING = "submitting", pgettext_lazy("eSIM order", "Submitting")
        ACCEPTED = "accepted", pgettext_lazy("eSIM order", "Accepted")
        COMPLETED = "completed", pgettext_lazy("eSIM order", "Completed")
        FAILED = "failed", pgettext_lazy("eSIM order", "Failed")
        UNCONFIRMED = "unconfirmed", pgettext_lazy("eSIM order", "Unconfirmed")
        SCHEDULED = "scheduled", pgettext_lazy("eSIM order", "Scheduled")
        CANCELLED = "cancelled", pgettext_lazy("eSIM order", "Cancelled")

    class Type(models.TextChoices):
        SIM = "sim", pgettext_lazy("eSIM order", "New eSIMs")
        TOPUP = "topup", pgettext_lazy("eSIM order", "Top-up")

    class Mode(models.TextChoices):
        ASYNC = "async", pgettext_lazy("eSIM order", "Asynchronous")
        SYNC = "sync", pgettext_lazy("eSIM order", "Synchronous")

    #: Statuses after which no change is expected. (An order that may still be delivered is looked up for some time.)
    FINAL = (Status.COMPLETED, Status.FAILED, Status.CANCELLED)
    #: To submit it. An attempt with another number has lost the order.
    SUBMISSION_LEASE: ClassVar[Lease] = Lease("due_at", fence=("status", "attempt"))
    #: To look it up. News of the order ends it.
    LOOK_UP_LEASE: ClassVar[Lease] = Lease("due_at", fence=("status", "due_at", "lookups"))

    reference: t.Char = models.CharField(
        _("reference"),
        max_length=REFERENCE_LENGTH,
        unique=True,
        default=new_reference,
        editable=False,
        help_text=_("Sent to Airalo at the front of the description, to find the order again."),
    )
    idempotency_key: t.OptionalChar = models.CharField(
        _("idempotency key"),
        max_length=255,
        unique=True,
        null=True,
        blank=True,
        help_text=_("The shop's own key. Each key makes one order."),
    )
    deployment: t.Char = models.CharField(
        _("deployment"),
        max_length=16,
        blank=True,
        editable=False,
        help_text=_("The short name of the deployment that placed the order. No other one sends it."),
    )
    user: models.ForeignKey[Any, Any] = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("user"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="airalo_orders",
    )
    type: t.Char = models.CharField(_("type"), max_length=5, choices=Type, default=Type.SIM)
    mode: t.Char = models.CharField(
        _("mode"),
        max_length=5,
        choices=Mode,
        default=Mode.ASYNC,
        help_text=_("Whether Airalo delivers with its response (synchronous) or later, by webhook or look-up."),
    )
    esim: models.ForeignKey[Any, Any] = models.ForeignKey(
        "django_airalo.Esim",
        verbose_name=_("Airalo eSIM"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="topups",
        help_text=_("The eSIM that a top-up is for."),
    )
    package_id: t.Char = models.CharField(_("package"), max_length=255)
    quantity: t.PositiveSmallInteger = models.PositiveSmallIntegerField(
        _("quantity"), default=1, validators=[MinValueValidator(1), MaxValueValidator(MAX_QUANTITY)]
    )
    delivered_quantity: t.PositiveSmallInteger = models.PositiveSmallIntegerField(
        _("delivered"), default=0, help_text=_("The number of eSIMs that Airalo has delivered.")
    )
    description: t.Text = models.TextField(
        _("description"), blank=True, help_text=_("The shop's own text, sent to Airalo.")
    )
    brand_settings_name: t.Char = models.CharField(_("brand"), max_length=255, blank=True)
    to_email: t.Email = models.EmailField(
        _("e-mail"), blank=True, help_text=_("Airalo e-mails the eSIM to this address.")
    )
    sharing_option: t.JSON = models.JSONField(_("sharing options"), default=list, blank=True)
    copy_address: t.JSON = models.JSONField(_("copies to"), default=list, blank=True)
    webhook_url: t.URL = models.URLField(
        _("webhook URL"), max_length=500, blank=True, help_text=_("Overrides the setting.")
    )
    requested_due_date: t.OptionalDateTime = models.DateTimeField(
        _("requested due date"),
        null=True,
        blank=True,
        help_text=_("As the shop requested it. Airalo may have changed it."),
    )
    due_date: t.OptionalDateTime = models.DateTimeField(
        _("due date"), null=True, blank=True, help_text=_("When Airalo delivers a future order.")
    )
    latest_cancellation_date: t.OptionalDateTime = models.DateTimeField(
        _("can be cancelled until"), null=True, blank=True
    )
    cancel_requested_at: t.OptionalDateTime = models.DateTimeField(
        _("cancellation requested at"), null=True, blank=True, help_text=_("Kept until Airalo has responded.")
    )
    refused_call: t.JSON = models.JSONField(
        _("refused call"), null=True, blank=True, help_text=_("The call that place_order() refused. It was never sent.")
    )
    is_imported: t.Boolean = models.BooleanField(
        _("imported"), default=False, help_text=_("Placed outside of this shop, so Airalo does not know its reference.")
    )

    duplicate_of: models.ForeignKey[EsimOrder | None, EsimOrder | None] = models.ForeignKey(
        "self",
        verbose_name=_("duplicate of"),
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="duplicates",
        help_text=_("The order that Airalo fulfilled twice. Kept for a refund, never delivered to the customer."),
    )

    status: t.Char = models.CharField(_("status"), max_length=11, choices=Status, default=Status.PENDING)
    attempt: t.PositiveInteger = models.PositiveIntegerField(
        _("attempt"),
        default=0,
        help_text=_("The number of the last attempt. Only the worker of that attempt may write the outcome."),
    )
    lookups: t.PositiveInteger = models.PositiveIntegerField(_("look-ups"), default=0)
    look_up_first: t.Boolean = models.BooleanField(
        _("look up first"),
        default=False,
        help_text=_("The last attempt may have reached Airalo, so the next one looks up the order before it buys."),
    )
    due_at: t.OptionalDateTime = models.DateTimeField(_("due at"), null=True, blank=True, db_index=True)
    in_doubt_until: t.OptionalDateTime = models.DateTimeField(
        _("in doubt until"),
        null=True,
        blank=True,
        help_text=_("Until then a purchase by an attempt whose outcome is unknown may appear on Airalo's list."),
    )
    attention: t.Text = models.TextField(
        _("needs attention"), blank=True, help_text=_("Why an operator should look at the order.")
    )

    request_id: t.OptionalChar = models.CharField(_("request_id"), max_length=255, unique=True, null=True, blank=True)
    airalo_order_id: t.OptionalBigInteger = models.BigIntegerField(
        _("Airalo order id"), null=True, blank=True, db_index=True
    )
    airalo_order_code: t.Char = models.CharField(_("Airalo order code"), max_length=64, blank=True)
    currency: t.Char = models.CharField(_("currency"), max_length=3, blank=True)
    price: t.OptionalDecimal = models.DecimalField(
        _("retail price"), max_digits=12, decimal_places=2, null=True, blank=True
    )
    manual_installation: t.Text = models.TextField(
        _("instructions by hand"), blank=True, help_text=_("HTML as Airalo sent it. Show manual_installation_html.")
    )
    qrcode_installation: t.Text = models.TextField(
        _("instructions by QR code"), blank=True, help_text=_("HTML as Airalo sent it. Show qrcode_installation_html.")
    )
    error_code: t.OptionalInteger = models.IntegerField(_("error code"), null=True, blank=True)
    error_reason: t.Text = models.TextField(_("error"), blank=True)

    created_at: t.DateTime = models.DateTimeField(_("placed at"), default=timezone.now, editable=False)
    submitted_at: t.OptionalDateTime = models.DateTimeField(_("submitted at"), null=True, blank=True)
    accepted_at: t.OptionalDateTime = models.DateTimeField(_("accepted at"), null=True, blank=True)
    scheduled_at: t.OptionalDateTime = models.DateTimeField(_("scheduled at"), null=True, blank=True)
    unconfirmed_at: t.OptionalDateTime = models.DateTimeField(_("unconfirmed since"), null=True, blank=True)
    completed_at: t.OptionalDateTime = models.DateTimeField(_("completed at"), null=True, blank=True)
    failed_at: t.OptionalDateTime = models.DateTimeField(_("failed at"), null=True, blank=True)
    cancelled_at: t.OptionalDateTime = models.DateTimeField(_("cancelled at"), null=True, blank=True)

    objects: ClassVar[models.Manager[EsimOrder]] = EsimOrderQuerySet.as_manager()
    primary: ClassVar[PrimaryManager[Self]] = EsimOrderPrimaryManager()

    class Meta:
        verbose_name: ClassVar[Any] = _("Airalo order")
        verbose_name_plural: ClassVar[Any] = _("Airalo orders")
        ordering: ClassVar[tuple[str, ...]] = ("-id",)
        permissions: ClassVar[list[tuple[str, Any]]] = [
            ("force_submission", _("Can submit orders in doubt before the grace period is over"))
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["status", "created_at"], name="airalo_order_status"),
            models.Index(fields=["package_id"], name="airalo_order_package"),
            models.Index(fields=["to_email"], name="airalo_order_to_email"),
        ]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                condition=models.Q(quantity__gte=1, quantity__lte=MAX_QUANTITY) | models.Q(refused_call__isnull=False),
                name="airalo_order_quantity",
            ),
            models.CheckConstraint(
                condition=models.Q(
                    status__in=[
                        "pending",
                        "submitting",
                        "accepted",
                        "completed",
                        "failed",
                        "unconfirmed",
                        "scheduled",
                        "cancelled",
                    ]
                ),
                name="airalo_order_status_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.reference} ({self.quantity} × {self.package_id})"

    @property
    def is_topup(self) -> bool:
        """Whether it tops up an existing eSIM instead of buying new ones."""
        return self.type == self.Type.TOPUP

    @property
    def is_future(self) -> bool:
        """Whether Airalo delivers it at a date that the shop chose."""
        return self.due_date is not None

    @property
    def is_final(self) -> bool:
        """Whether its status is not expected to change."""
        return self.status in self.FINAL

    @property
    def is_refused_at_placing(self) -> bool:
        """Whether ``place_order()`` refused it and recorded that. It was never sent to Airalo."""
        return self.refused_call is not None

    @property
    def missing(self) -> int:
        """The number of ordered eSIMs that are not delivered yet; 0 for a top-up, which has no eSIMs of its own."""
        return 0 if self.is_topup else max(0, self.quantity - self.delivered_quantity)

    @property
    def is_complete(self) -> bool:
        """Whether it is completed and no eSIM is missing. Needs no query."""
        return self.status == self.Status.COMPLETED and not self.missing

    @property
    def airalo_description(self) -> str:
        """The ``description`` that is sent to Airalo, which is the reference followed by the shop's own text."""
        return f"{self.reference} {self.description}".rstrip()

    @property
    def manual_installation_html(self) -> SafeString:
        """Airalo's instructions for installing the eSIM by hand, safe to show."""
        return safe_html(self.manual_installation)

    @property
    def qrcode_installation_html(self) -> SafeString:
        """Airalo's instructions for installing the eSIM with its QR code, safe to show."""
        return safe_html(self.qrcode_installation)
