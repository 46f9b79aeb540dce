"""The selling price of a package, and how it was computed."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from django.db import models
from django.utils.translation import gettext as _

from django_airalo import money


@dataclass(frozen=True, kw_only=True, slots=True)
class SellingPrice:
    """The selling price of a package, and how it was computed. All amounts are in ``currency``.

    Attributes:
        amount (Decimal): what the customer pays.
        rule (PricingRule or None): the rule that made it; ``None`` if none fits.
        base (Decimal): what the markup was put on.
        markup (Decimal): what the rule adds to the base, before rounding.
        minimum (Decimal): Airalo's retail price, below which no shop may sell.
        base_is_net (bool): whether the base is the net price.
        is_converted (bool): whether it was converted from US dollars.
        discount (Decimal or None): per cent; set if the base is the retail price less so much, which is the cost under
            Airalo's discount pricing.
    """

    amount: Decimal
    currency: str
    rule: models.Model | None
    base: Decimal
    markup: Decimal
    minimum: Decimal
    base_is_net: bool
    is_converted: bool
    discount: Decimal | None = None

    def __str__(self) -> str:
        return money.as_shown(self.amount, self.currency)

    @property
    def explanation(self) -> str:
        """How the amount was computed, as sentences for operators."""
        if self.rule is None:
            text = _("No rule fits: Airalo's own retail price.")
        else:
            text = _("Rule “%(rule)s”: %(base)s %(amount)s and a markup of %(markup)s.") % {
                "rule": self.rule,
                "base": self._base_name(),
                "amount": money.as_shown(self.base, self.currency),
                "markup": money.as_shown(self.markup, self.currency),
            }
        if self.minimum > self.base + self.markup:
            text += " " + _("Raised to Airalo's minimum, %s.") % money.as_shown(self.minimum, self.currency)
        if self.amount > max(self.minimum, self.base + self.markup):
            text += " " + _("Rounded up to %s.") % self
        if self.is_converted:
            text += " " + _("Converted from US dollars at Airalo's rate.")
        return text

    def _base_name(self) -> str:
        if self.discount is not None:
            return _("retail price less %(discount)s per cent,") % {"discount": f"{self.discount.normalize():f}"}
        return _("net price") if self.base_is_net else _("retail price")
