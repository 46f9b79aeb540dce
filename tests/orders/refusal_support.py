"""Orders that are refused when they are placed, and what is true of each."""

from __future__ import annotations

from django_airalo import services

from .test_place_order import PACKAGE

TOPUP = f"{PACKAGE}-topup"
#: What ``place_order()`` takes.
NAMES = (
    "package_id",
    "quantity",
    "user",
    "idempotency_key",
    "description",
    "brand_settings_name",
    "to_email",
    "sharing_option",
    "copy_address",
    "webhook_url",
    "mode",
    "due_date",
)


def place(**arguments):
    return services.place_order(**{"package_id": PACKAGE, "on_refusal": "record", **arguments})


def assert_recorded(order, *fields):
    """It is failed for good, says why, and nothing of it is due but its signal."""
    order.refresh_from_db()
    assert (order.status, order.is_refused_at_placing, order.error_code) == ("failed", True, None)
    assert (order.due_at, order.attempt, order.submitted_at, order.request_id, order.attention) == (
        None,
        0,
        None,
        None,
        "",
    )
    assert order.failed_at == order.created_at
    assert [line.partition(":")[0] for line in order.error_reason.splitlines()] == list(fields)
