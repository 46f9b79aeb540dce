"""``path("airalo/", include("django_airalo.urls"))`` gives Airalo its webhook address."""

from django.urls import path

from .webhooks import AiraloWebhookView

app_name = "django_airalo"

urlpatterns = [
    path("webhook/", AiraloWebhookView.as_view(), name="webhook"),
    path("webhook/<str:token>/", AiraloWebhookView.as_view(), name="webhook"),
]
