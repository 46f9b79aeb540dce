from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.contrib.auth import get_user_model
from django.contrib.auth.forms import UserCreationForm
from django.utils.translation import gettext_lazy as _

from .payments import DECLINED_CARD, GOOD_CARD

MAX_QUANTITY = 5


class PackageFilterForm(forms.Form):
    """The search form of the list of packages."""

    q = forms.CharField(
        label=_("Search"),
        required=False,
        max_length=100,
        widget=forms.TextInput(attrs={"type": "search", "placeholder": _("Japan, 5 GB …")}),
    )
    country = forms.ChoiceField(label=_("Country or region"), required=False)

    def __init__(self, *args: Any, countries: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["country"]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101  for the type checker
        field.choices = [("", _("All")), *countries]


class CheckoutForm(forms.Form):
    """The quantity and the card."""

    checkout_key = forms.UUIDField(initial=uuid.uuid4, widget=forms.HiddenInput)
    # The price on the page, which is compared with the current price.
    price = forms.DecimalField(widget=forms.HiddenInput)
    quantity = forms.TypedChoiceField(
        label=_("How many eSIMs?"),
        help_text=_("Each phone needs its own."),
        coerce=int,
        choices=[(number, str(number)) for number in range(1, MAX_QUANTITY + 1)],
        initial=1,
    )
    card = forms.ChoiceField(
        label=_("Card"),
        help_text=_("Test cards. No money is moved."),
        choices=[
            (GOOD_CARD, _("•••• 4242, which pays")),
            (DECLINED_CARD, _("•••• 0002, which is declined")),
        ],
        initial=GOOD_CARD,
        widget=forms.RadioSelect,
    )


class SignUpForm(UserCreationForm):  # type: ignore[type-arg]  # generic in stubs only
    """A form for new customers, with the e-mail address for messages about eSIMs."""

    email = forms.EmailField(label=_("E-mail"), widget=forms.EmailInput(attrs={"autocomplete": "email"}))

    class Meta(UserCreationForm.Meta):
        model = get_user_model()
        fields = ("username", "email")
