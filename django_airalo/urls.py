"""The URL of the webhook: ``path("airalo/", include("django_airalo.urls"))``."""

from __future__ import annotations

from typing import Any

from django.urls import path

from .views import AiraloWebhookView

app_name = "django_airalo"

urlpatterns: list[Any] = [
    path("webhook/", AiraloWebhookView.as_view(), name="webhook"),
    path("webhook/<str:token>/", AiraloWebhookView.as_view(), name="webhook"),
]
