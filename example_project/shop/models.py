"""The shop's own orders. What concerns Airalo stays in django_airalo; an order line points there."""

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
    """Orders of the shop."""

    def of_user(self, user: Any) -> OrderQuerySet:
        """The orders that belong to ``user``, with what their pages show."""
        return self.filter(user=user).prefetch_related("lines__esim_order")


class Order(models.Model):
    """What a customer bought and paid, in one go."""

    number = models.UUIDField(_("number"), default=uuid.uuid4, unique=True, editable=False)
    checkout_key = models.UUIDField(
        _("checkout key"), unique=True, help_text=_("Of the form that was sent, so that a double click buys once.")
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("customer"), on_delete=models.PROTECT, related_name="shop_orders"
    )
    email = models.EmailField(_("e-mail"))
    created_at = models.DateTimeField(_("paid at"), default=timezone.now, editable=False)

    objects = OrderQuerySet.as_manager()

    class Meta:
        verbose_name = _("order")
        verbose_name_plural = _("orders")
        ordering = ("-id",)

    def __str__(self) -> str:
        return str(self.number)[:8]

    def get_absolute_url(self) -> str:
        """The order's page, for its customer."""
        return reverse("shop:order", args=[self.number])

    @property
    def total(self) -> Decimal:
        """What the customer paid, in USD."""
        return sum((line.total for line in self.lines.all()), Decimal(0))

    @property
    def is_settled(self) -> bool:
        """Whether nothing more is going to happen to any of its lines."""
        return all(line.esim_order and line.esim_order.is_final for line in self.lines.all())


class OrderLine(models.Model):
    """One package of an order, as it was when it was bought."""

    class Status(models.TextChoices):
        """What the shop has done about it."""

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
    # Empty only within the transaction of the checkout: the eSIM order needs the line's number first.
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
    def total(self) -> Decimal:
        """The price of the whole line, in USD."""
        return self.price * self.quantity


class HeardSignal(models.Model):
    """A signal that the shop has acted upon. Signals come at least once; what they lead to happens once."""

    event_id = models.UUIDField(_("event id"), unique=True)
    signal = models.CharField(_("signal"), max_length=50)
    line = models.ForeignKey(
        OrderLine, verbose_name=_("order line"), on_delete=models.CASCADE, related_name="heard_signals"
    )
    heard_at = models.DateTimeField(_("heard at"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("heard signal")
        verbose_name_plural = _("heard signals")
        ordering = ("-id",)

    def __str__(self) -> str:
        return self.signal
