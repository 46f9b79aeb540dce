"""The page between an action that cannot be undone and what it does."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django import forms
from django.contrib.admin import ModelAdmin
from django.http import HttpRequest
from django.template.response import TemplateResponse


def is_confirmed(request: HttpRequest) -> bool:
    """Return whether the action comes from that page, or from another one that warned."""
    return "confirmed" in request.POST


def with_status(row: Any) -> str:
    """Return the row and its status, in a line."""
    return f"{row} – {row.get_status_display()}"


def ask_first(
    model_admin: ModelAdmin[Any],
    request: HttpRequest,
    rows: Iterable[Any],
    *,
    action: str,
    title: str,
    warning: str,
    yes: str,
    describe: Callable[[Any], str] = with_status,
    form: forms.Form | None = None,
) -> TemplateResponse:
    """Return the rows, what it means to go on, and a button that runs the same action again.

    Args:
        action: the name of the action.
        yes: what the button says.
        describe: a row, in a line.
        form: what else is to be filled in.
    """
    context = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "action": action,
        "title": title,
        "warning": warning,
        "yes": yes,
        "lines": [{"pk": row.pk, "text": describe(row)} for row in rows],
        "form": form,
    }
    request.current_app = model_admin.admin_site.name
    return TemplateResponse(request, "admin/django_airalo/confirm_action.html", context)
