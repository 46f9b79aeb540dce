"""Abstract models that give the models of several subjects their common columns."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from . import field_types as t
from .leases import Lease
from .managers import AiraloModel


class SignalOutbox(AiraloModel):
    """A row whose signal is sent at least once: until all receivers have returned.

    Attributes:
        event_id (uuid.UUID): the id that the signal carries, by which receivers recognise a repetition.
        signal_due_at (datetime or None): when the signal is sent, or sent again; ``None`` if nothing is to be sent.
        signalled_at (datetime or None): when all receivers had returned without raising.
        signal_tries (int): how often the signal was sent.
        signal_error (str): which receiver raised at the last try, and what it raised.
    """

    #: The lease to send the signals.
    SIGNAL_LEASE: ClassVar[Lease] = Lease("signal_due_at", fence=("signal_due_at",))

    event_id: t.UUID = models.UUIDField(_("event id"), default=uuid.uuid4, unique=True, editable=False)
    signal_due_at: t.OptionalDateTime = models.DateTimeField(
        _("signal due at"), null=True, blank=True, db_index=True, help_text=_("Empty when there is nothing to signal.")
    )
    signalled_at: t.OptionalDateTime = models.DateTimeField(_("signalled at"), null=True, blank=True)
    signal_tries: t.PositiveInteger = models.PositiveIntegerField(_("signal tries"), default=0)
    signal_error: t.Text = models.TextField(_("signal error"), blank=True)

    class Meta:
        abstract = True


class Costed(AiraloModel):
    """What Airalo charges the shop. All amounts are in ``cost_currency``. Use ``cost``.

    Attributes:
        net_price (Decimal or None): what the shop pays for one eSIM; ``None`` under Airalo's discount pricing.
        unit_paid_price (Decimal or None): what the shop pays for one eSIM under discount pricing.
        total_amount_paid (Decimal or None): what the shop pays for all eSIMs under discount pricing.
        discount_percentage (Decimal or None): per cent off the retail price, under discount pricing.
        discount_amount (Decimal or None): the discount on one eSIM.
        cost_currency (str): three letters; empty if the cost is unknown.
        is_cost_estimated (bool): whether the amounts come from the catalogue, as it was when the order was placed.
            Airalo's own figures replace them. They come with its answers and webhooks, not with its lists of orders.
    """

    net_price: t.OptionalDecimal = models.DecimalField(
        _("net price"), max_digits=14, decimal_places=4, null=True, blank=True
    )
    unit_paid_price: t.OptionalDecimal = models.DecimalField(
        _("paid for one"), max_digits=14, decimal_places=4, null=True, blank=True
    )
    total_amount_paid: t.OptionalDecimal = models.DecimalField(
        _("paid for all"), max_digits=14, decimal_places=4, null=True, blank=True
    )
    discount_percentage: t.OptionalDecimal = models.DecimalField(
        _("discount in per cent"), max_digits=6, decimal_places=2, null=True, blank=True
    )
    discount_amount: t.OptionalDecimal = models.DecimalField(
        _("discount on one"), max_digits=14, decimal_places=4, null=True, blank=True
    )
    cost_currency: t.Char = models.CharField(_("currency of the cost"), max_length=3, blank=True)
    is_cost_estimated: t.Boolean = models.BooleanField(
        _("cost is estimated"), default=False, help_text=_("From the catalogue, until Airalo gives its own figures.")
    )

    if TYPE_CHECKING:
        quantity: int

    class Meta:
        abstract = True

    @property
    def cost(self) -> Decimal | None:
        """What the shop pays Airalo for the whole order, in ``cost_currency``; ``None`` if unknown.

        It is an estimate if ``is_cost_estimated``. For an order that failed or was cancelled, it is what the order
        would have cost. Airalo gives a total under discount pricing only. Otherwise the cost is the net price times
        the quantity.
        """
        if self.total_amount_paid is not None:
            return self.total_amount_paid
        unit = self.net_price if self.unit_paid_price is None else self.unit_paid_price
        return None if unit is None else unit * self.quantity
