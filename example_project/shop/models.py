"""The shop's own orders. An order line points to its order in django_airalo."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


class OrderQuerySet(models.QuerySet["Order"]):
    """A queryset of orders."""

    def for_user(self, user: Any) -> OrderQuerySet:
        """Return the orders of ``user``, with the eSIM orders that their pages show."""
        return self.filter(user=user).prefetch_related("lines__esim_order")


class Order(models.Model):
    """One purchase of a customer."""

    number = models.UUIDField(_("number"), default=uuid.uuid4, unique=True, editable=False)
    checkout_key = models.UUIDField(
        _("checkout key"), unique=True, help_text=_("Identifies the checkout form, so that a double click buys once.")
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("customer"), on_delete=models.PROTECT, related_name="shop_orders"
    )
    email = models.EmailField(_("e-mail"))
    created_at = models.DateTimeField(_("ordered at"), default=timezone.now, editable=False)

    objects = OrderQuerySet.as_manager()

    class Meta:
        verbose_name = _("order")
        verbose_name_plural = _("orders")
        ordering = ("-id",)

    def __str__(self) -> str:
        return str(self.number)[:8]

    def get_absolute_url(self) -> str:
        """Return the URL of the order's page for its customer."""
        return reverse("shop:order", args=[self.number])

    @property
    def total(self) -> Decimal:
        """The total price, in USD."""
        return sum((line.total for line in self.lines.all()), Decimal(0))

    @property
    def is_settled(self) -> bool:
        """Whether all lines are settled."""
        return all(line.is_settled for line in self.lines.all())


class OrderLine(models.Model):
    """One package of an order, as it was when it was bought."""

    class Status(models.TextChoices):
        """How far the shop has got with the line."""

        WAITING = "waiting", pgettext_lazy("order line", "Waiting for Airalo")
        FULFILLED = "fulfilled", pgettext_lazy("order line", "Fulfilled")
        REFUNDED = "refunded", pgettext_lazy("order line", "Not delivered, money back")

    order = models.ForeignKey(Order, verbose_name=_("order"), on_delete=models.CASCADE, related_name="lines")
    package_id = models.CharField(_("package"), max_length=255)
    title = models.CharField(_("title"), max_length=255)
    location = models.CharField(_("country or region"), max_length=255)
    price = models.DecimalField(_("price"), max_digits=12, decimal_places=2, help_text=_("For one, in USD."))
    quantity = models.PositiveSmallIntegerField(_("quantity"), default=1)
    status = models.CharField(_("status"), max_length=9, choices=Status, default=Status.WAITING)
    # Empty until the customer has paid.
    esim_order = models.OneToOneField(
        "django_airalo.EsimOrder",
        verbose_name=_("eSIM order"),
        null=True,
        on_delete=models.PROTECT,
        related_name="order_line",
    )

    class Meta:
        verbose_name = _("order line")
        verbose_name_plural = _("order lines")
        ordering = ("id",)

    def __str__(self) -> str:
        return f"{self.location}: {self.title}"

    @property
    def is_settled(self) -> bool:
        """Whether all eSIMs are delivered, or none will be."""
        order = self.esim_order
        return order is not None and (order.is_complete or (order.is_final and order.status != "completed"))

    @property
    def total(self) -> Decimal:
        """The price of the whole line, in USD."""
        return self.price * self.quantity


class ReceivedSignal(models.Model):
    """A signal that the shop has handled. Signals are sent at least once, but must be handled only once."""

    event_id = models.UUIDField(_("event id"), unique=True)
    signal = models.CharField(_("signal"), max_length=50)
    line = models.ForeignKey(
        OrderLine, verbose_name=_("order line"), on_delete=models.CASCADE, related_name="received_signals"
    )
    received_at = models.DateTimeField(_("received at"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("received signal")
        verbose_name_plural = _("received signals")
        ordering = ("-id",)

    def __str__(self) -> str:
        return self.signal
