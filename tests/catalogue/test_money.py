from __future__ import annotations

import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_airalo.client.payloads import as_price
from django_airalo.money import Rounding, as_shown, currency_code, markup_of, round_up, selling_price, smallest_unit

CURRENCIES = ("USD", "EUR", "JPY", "KRW", "KWD", "IDR")

currencies = st.sampled_from(CURRENCIES)
roundings = st.sampled_from(Rounding.values)
amounts = st.decimals(min_value=0, max_value=10**9, places=4, allow_nan=False, allow_infinity=False)
markups = st.decimals(min_value=0, max_value=10**5, places=2, allow_nan=False, allow_infinity=False)
steps = st.sampled_from([Decimal(text) for text in ("0.01", "0.05", "0.25", "0.50", "1", "5", "10", "0.30", "7")])


@pytest.mark.parametrize(
    ("amount", "currency", "rounding", "step", "expected"),
    [
        ("4.321", "EUR", Rounding.NONE, None, "4.33"),
        ("4.30", "EUR", Rounding.NONE, None, "4.30"),
        ("4.321", "EUR", Rounding.TO_99, None, "4.99"),
        ("4.99", "EUR", Rounding.TO_99, None, "4.99"),
        ("4.991", "EUR", Rounding.TO_99, None, "5.99"),
        ("5.00", "EUR", Rounding.TO_99, None, "5.99"),
        ("0", "EUR", Rounding.TO_99, None, "0.99"),
        ("4.95", "EUR", Rounding.TO_95, None, "4.95"),
        ("4.96", "EUR", Rounding.TO_95, None, "5.95"),
        ("4.01", "EUR", Rounding.WHOLE, None, "5.00"),
        ("4.00", "EUR", Rounding.WHOLE, None, "4.00"),
        ("4.01", "EUR", Rounding.STEP, "0.50", "4.50"),
        ("4.50", "EUR", Rounding.STEP, "0.50", "4.50"),
        ("0.3", "EUR", Rounding.STEP, "0.1", "0.30"),
        ("655.2", "JPY", Rounding.NONE, None, "656"),
        ("655.2", "JPY", Rounding.TO_99, None, "656"),  # there is no .99 of a yen
        ("655", "KRW", Rounding.TO_95, None, "655"),
        ("655", "JPY", Rounding.STEP, "10", "660"),
        ("1.2341", "KWD", Rounding.NONE, None, "1.235"),
        ("0.995", "KWD", Rounding.TO_99, None, "1.990"),
    ],
)
def test_rounding(amount, currency, rounding, step, expected):
    rounded = round_up(Decimal(amount), currency, rounding, step and Decimal(step))
    assert str(rounded) == expected


@given(amounts, currencies, roundings, steps)
def test_rounding_goes_up_and_stays_where_it_is(amount, currency, rounding, step):
    once = round_up(amount, currency, rounding, step)
    assert once >= amount
    assert once == once.quantize(smallest_unit(currency))
    if rounding != Rounding.STEP or step % smallest_unit(currency) == 0:
        assert round_up(once, currency, rounding, step) == once


@given(amounts, amounts, markups, markups, currencies, roundings, steps)
def test_a_price_is_never_below_the_minimum_nor_below_what_it_is_made_of(
    base, minimum, percent, fixed, currency, rounding, step
):
    markup = markup_of(base, percent=percent, fixed=fixed)
    price = selling_price(base, minimum, currency, markup=markup, rounding=rounding, step=step)
    assert price >= minimum
    assert price >= base + markup
    # And not far above: at most one step of the rounding.
    widest = max(Decimal(1), step if rounding == Rounding.STEP else Decimal(0)) + smallest_unit(currency)
    assert price < max(minimum, base + markup) + widest


@given(amounts, amounts, amounts, markups, currencies, roundings, steps)
def test_what_costs_more_is_not_sold_for_less(one, other, minimum, percent, currency, rounding, step):
    def price(base, least):
        markup = markup_of(base, percent=percent)
        return selling_price(base, least, currency, markup=markup, rounding=rounding, step=step)

    cheap, dear = sorted((one, other))
    assert price(cheap, minimum) <= price(dear, minimum)
    assert price(minimum, cheap) <= price(minimum, dear)


@given(amounts, amounts, markups, markups, currencies, roundings, steps)
def test_a_higher_markup_makes_no_lower_price(base, minimum, one, other, currency, rounding, step):
    low, high = sorted((one, other))
    prices = [
        selling_price(base, minimum, currency, markup=markup_of(base, percent=percent), rounding=rounding, step=step)
        for percent in (low, high)
    ]
    assert prices == sorted(prices)


@pytest.mark.parametrize("ulps", [-3, -2, -1, 0, 1, 2, 3])
def test_binary_noise_of_a_price_is_cut_before_it_is_rounded_up(ulps):
    for cents in range(1, 20_001):
        price = cents / 100
        noisy = as_price(price + ulps * math.ulp(price))
        least = Decimal(cents) / 100
        assert noisy == least
        assert selling_price(noisy, noisy, "EUR") == least


@pytest.mark.parametrize("step", [None, Decimal(0), Decimal(-1)])
def test_rounding_step_must_be_above_zero(step):
    with pytest.raises(ValueError, match="step above 0"):
        round_up(Decimal(1), "EUR", Rounding.STEP, step)


def test_currency_codes():
    assert currency_code(" eur ") == "EUR"
    for wrong in ("", "EU", "EURO", "E1R", "€", "EUR\n1"):
        with pytest.raises(ValueError, match="currency code"):
            currency_code(wrong)


def test_amounts_as_shown():
    assert as_shown(Decimal("4.5"), "EUR") == "4.50 EUR"
    assert as_shown(Decimal("1.221"), "EUR") == "1.221 EUR"
    assert as_shown(Decimal("656"), "JPY") == "656 JPY"
    assert as_shown(Decimal("1E+3"), "JPY") == "1000 JPY"
