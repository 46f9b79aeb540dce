"""Calculate selling prices, without a database, settings or Airalo.

Prices are always rounded up, so that rounding never takes a price below Airalo's retail price.
"""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from django.db.models import TextChoices
from django.utils.translation import pgettext_lazy

#: The number of decimal places of the currencies that do not have two (ISO 4217).
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
    """Return a currency code in upper case: ``"eur"`` becomes ``"EUR"``.

    Raises:
        ValueError: if it does not have three letters.
    """
    code = text.strip().upper()
    if not _CODE.match(code):
        raise ValueError(f"{text!r} is not a currency code of three letters, such as EUR.")
    return code


def smallest_unit(currency: str) -> Decimal:
    """Return the smallest unit of a currency: ``0.01`` for most, ``1`` for JPY or KRW, ``0.001`` for KWD."""
    return Decimal(1).scaleb(-_PLACES.get(currency, 2))


def round_up(
    amount: Decimal, currency: str, rounding: Rounding | str = Rounding.NONE, step: Decimal | None = None
) -> Decimal:
    """Return the lowest amount that is not below ``amount`` and fits the rounding.

    Args:
        amount: in ``currency``.
        currency: a code of three letters. A currency without decimal places has no .99 or .95: the amount is rounded
            up to a whole number.
        rounding: what to round up to.
        step: required for ``Rounding.STEP``, and above 0.

    Raises:
        ValueError: if ``step`` is required and missing, or not above 0.
    """
    unit = smallest_unit(currency)
    if rounding == Rounding.STEP:
        if step is None or step <= 0:
            raise ValueError("Rounding.STEP needs a step above 0.")
        whole, rest = divmod(amount, step)
        amount = (whole + 1 if rest > 0 else whole) * step
    elif rounding in (Rounding.TO_99, Rounding.TO_95) and unit < 1:
        ending = Decimal(rounding) / 100
        amount = (amount - ending).to_integral_value(ROUND_CEILING) + ending
    elif rounding != Rounding.NONE:
        amount = amount.to_integral_value(ROUND_CEILING)
    return amount.quantize(unit, ROUND_CEILING)


def markup_of(base: Decimal, *, percent: Decimal = Decimal(0), fixed: Decimal = Decimal(0)) -> Decimal:
    """Return the markup on ``base``, not rounded: ``percent`` per cent of it plus ``fixed``."""
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
    """Return ``base`` plus ``markup``, at least ``minimum``, rounded up. All amounts are in ``currency``."""
    return round_up(max(base + markup, minimum), currency, rounding, step)


def as_shown(amount: Decimal, currency: str) -> str:
    """Return an amount as text, such as ``"4.99 EUR"``, with more decimal places only if the amount has them."""
    unit = smallest_unit(currency)
    fits = amount == amount.quantize(unit, ROUND_FLOOR)
    return f"{amount.quantize(unit) if fits else amount.normalize():f} {currency}"
