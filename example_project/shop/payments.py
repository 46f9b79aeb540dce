"""A dummy payment provider."""

from decimal import Decimal

from django.utils.translation import gettext as _

#: The last four digits of the two test cards.
GOOD_CARD = "4242"
DECLINED_CARD = "0002"


class PaymentDeclinedError(Exception):
    """The card was not charged. The message is for the customer."""


def charge(card: str, amount: Decimal) -> None:
    """Charge ``amount`` USD to a test card.

    Raises:
        PaymentDeclinedError: if it is not ``GOOD_CARD``.
    """
    if card != GOOD_CARD:
        raise PaymentDeclinedError(_("The card was declined. You have not been charged; try another card."))
