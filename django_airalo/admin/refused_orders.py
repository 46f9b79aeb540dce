"""What an operator sees of an order that was refused when it was placed."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_airalo.models import EsimOrder


class RefusedFilter(admin.SimpleListFilter):
    title: Any = gettext_lazy("refused when placed")
    parameter_name: str = "refused"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", _("Yes")), ("no", _("No"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[EsimOrder]) -> QuerySet[EsimOrder]:
        if self.value() in ("yes", "no"):
            return queryset.filter(refused_call__isnull=self.value() == "no")
        return queryset


def call_as_shown(order: EsimOrder) -> SafeString | str:
    """Return the call that was refused, an argument on each line."""
    if order.refused_call is None:
        return "-"
    text = json.dumps(order.refused_call, indent=2, ensure_ascii=False)
    return format_html("{}<pre>{}</pre>", _("Never sent to Airalo. The call was:"), text)
