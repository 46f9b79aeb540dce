"""The checkout: take a payment, then place the order with Airalo."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _
from django_airalo.models import Package
from django_airalo.services import place_order

from . import payments
from .models import Order


class PriceChangedError(Exception):
    """The price of the package is not the one that the customer has seen."""

    def __init__(self, price: Decimal) -> None:
        self.price = price
        super().__init__(
            _("The price has changed. It is now $%(price)s for each eSIM. You have not been charged. Pay if you agree.")
            % {"price": price}
        )


def buy(user: Any, package: Package, *, price: Decimal, quantity: int, card: str, checkout_key: uuid.UUID) -> Order:
    """Save the order, take the payment and order the eSIMs.

    The order is committed before the payment, so that a payment is never without an order if the process dies.

    Args:
        price: the price in USD of each eSIM that the customer has agreed to pay.

    Raises:
        PriceChangedError: if the price is a different one now.
        PaymentDeclinedError: if the card was declined.
        ValidationError: if the package has no price.
        IntegrityError: if this ``checkout_key`` was used before.

    In all of these cases nothing is charged or saved.
    """
    # The pricing rules of the admin decide; without any it is Airalo's retail price.
    current = package.selling_price()
    if current is None:
        raise ValidationError(_("This package has no price."))
    if current.amount != price:
        raise PriceChangedError(current.amount)
    with transaction.atomic():
        order = Order.objects.create(user=user, email=user.email, checkout_key=checkout_key)
        order.lines.create(
            package_id=package.package_id,
            title=package.title,
            location=package.location,
            price=price,  # saved, since rules and prices change
            quantity=quantity,
        )
    try:
        payments.charge(card, order.total)
    except payments.PaymentDeclinedError:
        order.delete()
        raise
    payment_received(order)
    return order


@transaction.atomic
def payment_received(order: Order) -> None:
    """Order the eSIMs of an order that the customer has paid. A second call does nothing.

    If a payment provider reports payments by webhook, the view of that webhook calls this function. If it raises, the
    view returns an error, so that the provider sends the webhook again.
    """
    for line in order.lines.select_for_update().filter(esim_order=None):
        # This only writes to the database; the order is sent to Airalo after the commit. The customer has paid, so a
        # refusal (Airalo may have withdrawn the package) is recorded as a failed order instead of raised. The receiver
        # of esim_order_failed then refunds the customer.
        line.esim_order = place_order(
            package_id=line.package_id,
            quantity=line.quantity,
            user=order.user,
            idempotency_key=f"shop-line-{line.pk}",
            on_refusal="record",
        )
        line.save(update_fields=["esim_order"])
