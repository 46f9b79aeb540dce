"""The webhook view in a shop whose other settings would refuse Airalo's requests."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client

from django_airalo.models import WebhookEvent
from django_airalo.testing import order_payload, sign_webhook, webhook_payload
from django_airalo.views import AiraloWebhookView
from tests.factories import EsimOrderFactory

from .support import BODY, URL, post


def test_login_clickjacking_and_rest_framework_settings_do_not_apply(db, settings):
    settings.MIDDLEWARE = [
        *settings.MIDDLEWARE,
        "django.contrib.auth.middleware.LoginRequiredMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
    ]
    settings.REST_FRAMEWORK = {
        "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
        "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.FormParser"],
        "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.SessionAuthentication"],
    }
    assert post(BODY, sign_webhook(BODY)).status_code == 200
    assert Client().head(URL).status_code == 200
    assert post(BODY).status_code == 401
    assert WebhookEvent.objects.count() == 1
    # The middleware does guard other pages.
    assert Client().get("/api/airalo/orders/").status_code in (302, 403)


@pytest.mark.parametrize(
    "content_type", ["application/json", "text/plain", "application/x-www-form-urlencoded", "x", ""]
)
def test_any_content_type_is_accepted_with_csrf_checks(db, content_type):
    response = Client(enforce_csrf_checks=True).generic(
        "POST", URL, BODY, content_type=content_type, headers={"airalo-signature": sign_webhook(BODY)}
    )
    assert response.status_code == 200


def reads_the_body_first(get_response):
    def middleware(request):
        assert request.body is not None
        return get_response(request)

    return middleware


def test_body_read_by_middleware_is_stored_completely(db, settings):
    settings.MIDDLEWARE = [f"{__name__}.reads_the_body_first", *settings.MIDDLEWARE]
    assert post(BODY, sign_webhook(BODY)).status_code == 200
    assert WebhookEvent.objects.get().body_bytes == BODY


@pytest.mark.django_db(transaction=True)
def test_webhook_is_not_atomic_under_atomic_requests(airalo, settings):
    """It is kept and committed before it is interpreted, as without ATOMIC_REQUESTS."""
    order = EsimOrderFactory(accepted=True)
    payload = webhook_payload(order_payload(description=order.airalo_description), order.request_id)
    connection.settings_dict["ATOMIC_REQUESTS"] = True
    try:
        assert airalo.push(payload).status_code == 200
    finally:
        connection.settings_dict["ATOMIC_REQUESTS"] = False
    order.refresh_from_db()
    assert order.status == "completed"
    assert connection not in transaction_of(AiraloWebhookView)


def transaction_of(view):
    """The connections that Django would open a transaction on for this view."""
    excluded = getattr(view.as_view(), "_non_atomic_requests", set())
    return [] if connection.alias in excluded else [connection]
