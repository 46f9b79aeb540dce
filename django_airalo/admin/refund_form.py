"""What an operator fills in to ask Airalo for a refund."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy

from django_airalo import services
from django_airalo.models import Esim, Refund, RefundReason
from django_airalo.models.refunds import MAX_NOTES


def _reasons() -> list[tuple[str, Any]]:
    labels = dict(RefundReason.choices)
    return [("", "---------"), *((reason, labels.get(reason, reason)) for reason in services.refund_reasons())]


class RefundForm(forms.Form):
    """The arguments of ``request_refund()``, which has the last word about them."""

    reason: forms.ChoiceField = forms.ChoiceField(label=gettext_lazy("Reason"), choices=_reasons)
    notes: forms.CharField = forms.CharField(
        label=gettext_lazy("Notes"),
        required=False,
        max_length=MAX_NOTES,
        widget=forms.Textarea(attrs={"rows": 3, "cols": 60}),
        help_text=gettext_lazy("For Airalo. Needed if the reason is: Something else."),
    )
    email: forms.EmailField = forms.EmailField(
        label=gettext_lazy("E-mail"), required=False, help_text=gettext_lazy("Where Airalo answers. Optional.")
    )

    def request_refund(self, esims: list[Esim]) -> list[Refund]:
        """Ask for it. Returns none, and has errors, if something is wrong."""
        if not self.is_valid():
            return []
        try:
            return services.request_refund(esims, **self.cleaned_data)
        except ValidationError as error:
            for field, found in error.message_dict.items():
                self.add_error(field if field in self.fields else None, found)
            return []
