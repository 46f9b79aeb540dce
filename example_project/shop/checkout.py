"""From a customer who pays to an order at Airalo."""

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
    """The package does not cost any more what the customer has seen."""

    def __init__(self, price: Decimal) -> None:
        self.price = price
        super().__init__(
            _("The price has changed: it is $%(price)s for each eSIM now. Pay if you agree; nothing was charged yet.")
            % {"price": price}
        )


def buy(user: Any, package: Package, *, price: Decimal, quantity: int, card: str, checkout_key: uuid.UUID) -> Order:
    """Order the eSIMs and take the money: both, or neither.

    Args:
        price: what the customer has seen and agreed to pay for each eSIM.

    Raises:
        PriceChangedError: it costs something else now.
        PaymentDeclinedError: the card was declined.
        ValidationError: the package cannot be ordered.
        IntegrityError: this ``checkout_key`` was used before.
        Nothing was charged or kept in any of these cases.
    """
    # By the pricing rules of the admin; without any it is Airalo's own retail price.
    current = package.selling_price()
    if current is None:
        raise ValidationError(_("This package has no price."))
    if current.amount != price:
        raise PriceChangedError(current.amount)
    with transaction.atomic():
        order = Order.objects.create(user=user, email=user.email, checkout_key=checkout_key)
        line = order.lines.create(
            package_id=package.package_id,
            title=package.title,
            location=package.location,
            price=price,  # kept: rules and prices change
            quantity=quantity,
        )
        # Only writes to the database; Airalo hears of it once this transaction is committed.
        line.esim_order = place_order(
            package_id=package.package_id, quantity=quantity, user=user, idempotency_key=f"shop-line-{line.pk}"
        )
        line.save(update_fields=["esim_order"])
        # Last, since it cannot be undone by a rollback. With a provider who tells the outcome later, by a webhook of
        # its own, the order is kept unpaid and all of the above that concerns Airalo goes into that webhook's view.
        payments.charge(card, order.total)
    return order
