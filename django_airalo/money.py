"""Selling prices as arithmetic: no database, no settings, no Airalo.

All rounding goes up, so that a price can never fall below what went in.
"""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from django.db.models import TextChoices
from django.utils.translation import pgettext_lazy

#: ISO 4217: the currencies whose smallest unit is not a hundredth, and how many decimal places they have.
_PLACES = {
    **dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND"), 0),
    **dict.fromkeys(("VUV", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
}
_CODE = re.compile(r"[A-Z]{3}\Z")


class Rounding(TextChoices):
    """What a selling price is rounded up to."""

    NONE = "none", pgettext_lazy("rounding", "The smallest unit of the currency")
    TO_99 = "99", pgettext_lazy("rounding", "The next .99")
    TO_95 = "95", pgettext_lazy("rounding", "The next .95")
    WHOLE = "whole", pgettext_lazy("rounding", "The next whole number")
    STEP = "step", pgettext_lazy("rounding", "The next multiple of the step")


def currency_code(text: str) -> str:
    """``"eur"`` as ``"EUR"``. Raises ``ValueError`` for what is no code of three letters."""
    code = text.strip().upper()
    if not _CODE.match(code):
        raise ValueError(f"{text!r} is no currency code; one has three letters, such as EUR.")
    return code


def smallest_unit(currency: str) -> Decimal:
    """``0.01`` for most currencies, ``1`` for JPY or KRW, ``0.001`` for KWD."""
    return Decimal(1).scaleb(-_PLACES.get(currency, 2))


def round_up(
    amount: Decimal, currency: str, rounding: Rounding | str = Rounding.NONE, step: Decimal | None = None
) -> Decimal:
    """The lowest amount that is not below ``amount`` and fits the rounding.

    In a currency without a smaller unit there is no .99: such a price is rounded up to a whole number. ``step`` is
    needed with ``Rounding.STEP`` and must be above 0.
    """
    unit = smallest_unit(currency)
    if rounding == Rounding.STEP:
        if step is None or step <= 0:
            raise ValueError("To round to a step, a step above 0 is needed.")
        whole, rest = divmod(amount, step)
        amount = (whole + 1 if rest > 0 else whole) * step
    elif rounding in (Rounding.TO_99, Rounding.TO_95) and unit < 1:
        ending = Decimal(rounding) / 100
        amount = (amount - ending).to_integral_value(ROUND_CEILING) + ending
    elif rounding != Rounding.NONE:
        amount = amount.to_integral_value(ROUND_CEILING)
    return amount.quantize(unit, ROUND_CEILING)


def markup_of(base: Decimal, *, percent: Decimal = Decimal(0), fixed: Decimal = Decimal(0)) -> Decimal:
    """The markup on ``base``, not rounded: so many per cent of it, and a fixed amount."""
    return base * percent / 100 + fixed


def selling_price(
    base: Decimal,
    minimum: Decimal,
    currency: str,
    *,
    markup: Decimal = Decimal(0),
    rounding: Rounding | str = Rounding.NONE,
    step: Decimal | None = None,
) -> Decimal:
    """``base`` and ``markup``, raised to ``minimum`` if that is more, and rounded up. All in ``currency``."""
    return round_up(max(base + markup, minimum), currency, rounding, step)


def as_shown(amount: Decimal, currency: str) -> str:
    """``"4.99 EUR"``; with more decimal places only where the amount has them."""
    unit = smallest_unit(currency)
    fits = amount == amount.quantize(unit, ROUND_FLOOR)
    return f"{amount.quantize(unit) if fits else amount.normalize():f} {currency}"
