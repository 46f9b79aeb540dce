"""A dummy in the place of a payment provider."""

from decimal import Decimal

from django.utils.translation import gettext as _

#: The last four digits of the two test cards.
GOOD_CARD = "4242"
DECLINED_CARD = "0002"


class PaymentDeclinedError(Exception):
    """The card was not charged; the text is for the customer."""


def charge(card: str, amount: Decimal) -> None:
    """Charge ``amount`` USD to a test card. Raises ``PaymentDeclinedError`` unless it is the good one."""
    if card != GOOD_CARD:
        raise PaymentDeclinedError(_("The card was declined. You have not been charged; try another card."))
