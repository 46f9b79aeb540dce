"""An order for eSIMs and the log of what happened to it."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from django_airalo.html import safe_html

from .signalled import Signalled

#: Airalo's documented limit for one order.
MAX_QUANTITY = 50
REFERENCE_LENGTH = 32


def new_reference() -> str:
    """A random token nobody can guess.

    All are of one length, so none is a prefix of another, and of hex digits, so none means anything else in a
    ``LIKE`` search (which may ignore case and takes ``_`` and ``%`` for wildcards).
    """
    return secrets.token_hex(REFERENCE_LENGTH // 2)


def is_nobody(user: Any) -> bool:
    """Whether it is ``None`` or an anonymous user, who own nothing."""
    return getattr(user, "pk", user) is None


class EsimOrderQuerySet(models.QuerySet["EsimOrder"]):
    """Which orders to look at. All of these can be combined."""

    def of_user(self, user: Any) -> EsimOrderQuerySet:
        """The orders that belong to ``user``. None if nobody is logged in, rather than those of all guests."""
        return self.none() if is_nobody(user) else self.filter(user=user)

    def due(self, now: datetime) -> EsimOrderQuerySet:
        """The orders that the sweep must look at, the longest waiting first."""
        return self.filter(due_at__lte=now).order_by("due_at")

    def late(self, since: datetime) -> EsimOrderQuerySet:
        """The orders that nobody dealt with since, or that were to be sent already then and are not: each try that
        Airalo does not take moves ``due_at`` on. A future order is to be sent when it is placed, too."""
        return self.filter(Q(due_at__lte=since) | Q(status=EsimOrder.Status.PENDING, created_at__lte=since))

    def waiting(self) -> EsimOrderQuerySet:
        """The orders whose eSIM is still to come."""
        return self.exclude(status__in=EsimOrder.FINAL)

    def unconfirmed(self) -> EsimOrderQuerySet:
        """The orders of which nobody knows whether Airalo accepted them."""
        return self.filter(status=EsimOrder.Status.UNCONFIRMED)

    def needing_attention(self) -> EsimOrderQuerySet:
        """The orders that a person should look at."""
        return self.exclude(attention="")


class EsimOrder(models.Model):
    """One order for eSIMs of one package, or for a top-up. Written by :mod:`django_airalo.services` only.

    The row is the fact and the queue: ``due_at`` says when the sweep must look at it next.

    Attributes:
        reference (str): random, 32 hex digits. Airalo gets it at the front of the description, so the order is found
            by it in Airalo's Partner Platform. Good for URLs too.
        idempotency_key (str or None): the shop's own key: one key, one order.
        user (User or None): whose order it is; ``None`` for guests and imported orders.
        type (str): ``sim`` for new eSIMs, ``topup`` for a top-up.
        mode (str): ``async`` (Airalo delivers later) or ``sync`` (with its answer).
        package_id (str): Airalo's package.
        quantity (int): how many eSIMs were ordered; 1 for a top-up.
        esim (Esim or None): the eSIM that a top-up is for. An eSIM has its top-ups in ``esim.topups``.
        esims: the eSIMs that were delivered, ``Esim`` rows, as a manager; none for a top-up.
        description (str): the shop's own words, which Airalo gets behind the reference.
        brand_settings_name (str): the brand that was asked for; empty if none.
        to_email (str): where Airalo itself mails the eSIM; empty if nowhere.
        sharing_option (list): what that mail has: ``link``, ``pdf`` or both.
        copy_address (list): addresses that get a copy of it.
        webhook_url (str): the order's own webhook address; empty for that of the settings.
        status (str): one of ``EsimOrder.Status``.
        attention (str): why a person should look at it, a line for each reason; empty if nobody need.
        due_at (datetime or None): when the sweep looks at it next; ``None`` if never. While it is ``submitting``, the
            end of the lease of the worker that sends it.
        due_date (datetime or None): when Airalo shall deliver a future order; ``None`` for all others.
        latest_cancellation_date (datetime or None): until when a future order can be cancelled, as Airalo says.
        cancel_requested_at (datetime or None): when the shop asked to cancel a future order, until Airalo has answered.
        is_imported (bool): made outside of this shop and taken over by ``services.import_orders()``. Airalo does not
            know its reference.
        request_id (str or None): Airalo's name for an asynchronous order, once it is accepted.
        airalo_order_id (int or None): Airalo's id, once it is delivered.
        airalo_order_code (str): Airalo's code, such as ``20260105-412345``, once it is delivered.
        price (Decimal or None): Airalo's retail price in ``currency``, once it is delivered: not what the customer
            paid. Airalo does not say whether it is the price of one eSIM or of all.
        net_price (Decimal or None): what the shop pays Airalo, likewise; ``None`` under Airalo's discount pricing.
        currency (str): of both prices, three letters; empty until the order is delivered.
        error_code (int or None): Airalo's code of what went wrong last.
        error_reason (str): what went wrong last; empty if nothing did. A pending order says here why it waits.
        manual_installation (str): how to install by hand, HTML as Airalo sent it. Show ``manual_installation_html``.
        qrcode_installation (str): how to install by QR code, likewise. Show ``qrcode_installation_html``.
        created_at (datetime): when it was placed; for an imported order, when Airalo says that it was made.
        submitted_at (datetime or None): when the last try to send it began.
        accepted_at (datetime or None): when it became accepted, if it did.
        scheduled_at (datetime or None): when it became scheduled, if it did.
        unconfirmed_at (datetime or None): when it became unconfirmed, if it did.
        completed_at (datetime or None): when it became completed, if it did.
        failed_at (datetime or None): when it became failed, if it did.
        cancelled_at (datetime or None): when it became cancelled, if it did.
        events: its log, ``OrderEvent`` rows, the oldest first, as a manager.
        webhook_events: the ``WebhookEvent`` rows that told of it, as a manager.
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

    #: Statuses in which nothing is expected any more. (What may be delivered all the same is looked up for a while.)
    FINAL = (Status.COMPLETED, Status.FAILED, Status.CANCELLED)

    reference = models.CharField(
        _("reference"),
        max_length=REFERENCE_LENGTH,
        unique=True,
        default=new_reference,
        editable=False,
        help_text=_("Sent to Airalo at the front of the description, to find the order again."),
    )
    idempotency_key = models.CharField(
        _("idempotency key"),
        max_length=255,
        unique=True,
        null=True,
        blank=True,
        help_text=_("The shop's own key: one key, one order."),
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("user"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="airalo_orders",
    )
    type = models.CharField(_("type"), max_length=5, choices=Type, default=Type.SIM)
    mode = models.CharField(
        _("mode"),
        max_length=5,
        choices=Mode,
        default=Mode.ASYNC,
        help_text=_("Whether Airalo delivers with its answer (synchronous) or later, by webhook or look-up."),
    )
    esim = models.ForeignKey(
        "django_airalo.Esim",
        verbose_name=_("Airalo eSIM"),
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="topups",
        help_text=_("The eSIM that a top-up is for."),
    )
    package_id = models.CharField(_("package"), max_length=255)
    quantity = models.PositiveSmallIntegerField(
        _("quantity"), default=1, validators=[MinValueValidator(1), MaxValueValidator(MAX_QUANTITY)]
    )
    description = models.TextField(_("description"), blank=True, help_text=_("The shop's own words, sent to Airalo."))
    brand_settings_name = models.CharField(_("brand"), max_length=255, blank=True)
    to_email = models.EmailField(_("e-mail"), blank=True, help_text=_("Airalo itself sends the eSIM there."))
    sharing_option = models.JSONField(_("sharing options"), default=list, blank=True)
    copy_address = models.JSONField(_("copies to"), default=list, blank=True)
    webhook_url = models.URLField(_("webhook URL"), max_length=500, blank=True, help_text=_("Overrides the setting."))
    due_date = models.DateTimeField(
        _("due date"), null=True, blank=True, help_text=_("When Airalo shall deliver a future order.")
    )
    latest_cancellation_date = models.DateTimeField(_("can be cancelled until"), null=True, blank=True)
    cancel_requested_at = models.DateTimeField(
        _("cancellation asked for at"), null=True, blank=True, help_text=_("Kept until Airalo has answered.")
    )
    is_imported = models.BooleanField(
        _("imported"), default=False, help_text=_("Made outside of this shop, so Airalo does not know its reference.")
    )

    status = models.CharField(_("status"), max_length=11, choices=Status, default=Status.PENDING)
    attempt = models.PositiveIntegerField(
        _("attempt"), default=0, help_text=_("Number of the last try to submit; only its owner may write the outcome.")
    )
    lookups = models.PositiveIntegerField(_("look-ups"), default=0)
    look_up_first = models.BooleanField(
        _("look up first"),
        default=False,
        help_text=_("The last try may have reached Airalo, so the next one looks the order up before it buys."),
    )
    due_at = models.DateTimeField(_("due at"), null=True, blank=True, db_index=True)
    attention = models.TextField(_("needs attention"), blank=True, help_text=_("Why a person should look at it."))

    request_id = models.CharField(_("request_id"), max_length=255, unique=True, null=True, blank=True)
    airalo_order_id = models.BigIntegerField(_("Airalo order id"), null=True, blank=True, db_index=True)
    airalo_order_code = models.CharField(_("Airalo order code"), max_length=64, blank=True)
    currency = models.CharField(_("currency"), max_length=3, blank=True)
    price = models.DecimalField(_("retail price"), max_digits=12, decimal_places=2, null=True, blank=True)
    net_price = models.DecimalField(_("net price"), max_digits=12, decimal_places=2, null=True, blank=True)
    manual_installation = models.TextField(
        _("instructions by hand"), blank=True, help_text=_("HTML as Airalo sent it: show manual_installation_html.")
    )
    qrcode_installation = models.TextField(
        _("instructions by QR code"), blank=True, help_text=_("HTML as Airalo sent it: show qrcode_installation_html.")
    )
    error_code = models.IntegerField(_("error code"), null=True, blank=True)
    error_reason = models.TextField(_("error"), blank=True)

    created_at = models.DateTimeField(_("placed at"), default=timezone.now, editable=False)
    submitted_at = models.DateTimeField(_("submitted at"), null=True, blank=True)
    accepted_at = models.DateTimeField(_("accepted at"), null=True, blank=True)
    scheduled_at = models.DateTimeField(_("scheduled at"), null=True, blank=True)
    unconfirmed_at = models.DateTimeField(_("unconfirmed since"), null=True, blank=True)
    completed_at = models.DateTimeField(_("completed at"), null=True, blank=True)
    failed_at = models.DateTimeField(_("failed at"), null=True, blank=True)
    cancelled_at = models.DateTimeField(_("cancelled at"), null=True, blank=True)

    objects = EsimOrderQuerySet.as_manager()

    class Meta:
        verbose_name = _("Airalo order")
        verbose_name_plural = _("Airalo orders")
        ordering = ("-id",)
        indexes = [
            models.Index(fields=["status", "created_at"], name="airalo_order_status"),
            models.Index(fields=["package_id"], name="airalo_order_package"),
            models.Index(fields=["to_email"], name="airalo_order_to_email"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(quantity__gte=1, quantity__lte=MAX_QUANTITY), name="airalo_order_quantity"
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
        """Whether it adds to an eSIM that exists, instead of making new ones."""
        return self.type == self.Type.TOPUP

    @property
    def is_future(self) -> bool:
        """Whether Airalo shall deliver it at a date to come (or was to)."""
        return self.due_date is not None

    @property
    def is_final(self) -> bool:
        """Whether nothing more is expected to happen."""
        return self.status in self.FINAL

    @property
    def airalo_description(self) -> str:
        """What Airalo gets as ``description``, which is the reference and then the shop's own words."""
        return f"{self.reference} {self.description}".rstrip()

    @property
    def manual_installation_html(self) -> SafeString:
        """Airalo's instructions for installing the eSIM by hand, safe to show."""
        return safe_html(self.manual_installation)

    @property
    def qrcode_installation_html(self) -> SafeString:
        """Airalo's instructions for installing the eSIM with its QR code, safe to show."""
        return safe_html(self.qrcode_installation)


class OrderEventQuerySet(models.QuerySet["OrderEvent"]):
    """Which events to look at."""

    def unsignalled(self, now: datetime) -> OrderEventQuerySet:
        """The events whose signal has yet to be sent (again), in their order."""
        return self.filter(signal_due_at__lte=now).order_by("id")


class OrderEvent(Signalled):
    """One thing that happened to an order. A change of status is signalled from here.

    Attributes:
        order (EsimOrder): an order has its log in ``order.events``, the oldest first.
        kind (str): one of ``OrderEvent.Kind``.
        old_status (str): for a change of status, the one before; else empty.
        new_status (str): for a change of status, the one from then on; else empty.
        source (str): who brought the news: ``shop``, ``submit``, ``webhook``, ``look-up``, ``sweep``, ``operator`` or
            ``import``.
        late (bool): it came after the order had failed, had been cancelled, or was another worker's.
        detail (str): more about it, for a person.
        attempt (int): the number of the order's last try to be sent when it happened.
        created_at (datetime): when it happened.
    """

    class Kind(models.TextChoices):
        PLACED = "placed", pgettext_lazy("order event", "Placed")
        STATUS_CHANGED = "status_changed", pgettext_lazy("order event", "Status changed")
        LOOKED_UP = "looked_up", pgettext_lazy("order event", "Looked up")
        NOTED = "noted", pgettext_lazy("order event", "Noted")
        ATTENTION = "attention", pgettext_lazy("order event", "Needs attention")

    order = models.ForeignKey(EsimOrder, verbose_name=_("order"), on_delete=models.CASCADE, related_name="events")
    kind = models.CharField(_("kind"), max_length=14, choices=Kind)
    old_status = models.CharField(_("from"), max_length=11, choices=EsimOrder.Status, blank=True)
    new_status = models.CharField(_("to"), max_length=11, choices=EsimOrder.Status, blank=True)
    source = models.CharField(_("source"), max_length=20, blank=True, help_text=_("Who brought the news."))
    late = models.BooleanField(_("late"), default=False, help_text=_("It came after the order had been given up."))
    detail = models.TextField(_("detail"), blank=True)
    attempt = models.PositiveIntegerField(_("attempt"), default=0)
    created_at = models.DateTimeField(_("at"), default=timezone.now, editable=False)

    objects = OrderEventQuerySet.as_manager()

    class Meta:
        verbose_name = _("order event")
        verbose_name_plural = _("order events")
        ordering = ("id",)

    def __str__(self) -> str:
        if self.kind == self.Kind.STATUS_CHANGED:
            return f"{self.get_old_status_display()} → {self.get_new_status_display()}"
        return self.get_kind_display()
