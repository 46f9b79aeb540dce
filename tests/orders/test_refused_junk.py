"""Once the customer has paid, an order is recorded for any input."""

from __future__ import annotations

import pytest
from django.db import connection, transaction
from hypothesis import given
from hypothesis import strategies as st

from django_airalo import services
from django_airalo.exceptions import IdempotencyConflictError
from django_airalo.models import EsimOrder, OrderEvent

from .refusal_support import NAMES, place
from .test_place_order import PACKAGE

pytestmark = pytest.mark.django_db


JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([-(2**63), 2**53 + 1])
    | st.sampled_from([400, 5000]).map(lambda exponent: 10**exponent)  # hypothesis cannot print the second
    | st.floats()
    | st.text()
    | st.text(alphabet="\x00\ud800\udfff\U0001f600a\\")
    | st.sampled_from(["x" * 100_000, "https://example.com/\x00", "a@\ud800.example.com", "LPA:1$example.com$X"]),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=5),
    max_leaves=20,
)
CALLS = st.dictionaries(st.sampled_from(NAMES), JUNK)


def assert_recorded_or_in_conflict(call):
    """The call returns an order or is in conflict with one, and the transaction that it is in stays of use."""
    with transaction.atomic():
        try:
            order = call()
        except IdempotencyConflictError:
            order = place(quantity=0)
        order.refresh_from_db()
        if order.is_refused_at_placing:
            assert (order.status, order.due_at) == ("failed", None)
            assert order.error_reason
            assert OrderEvent.objects.filter(order=order, signal_due_at__isnull=False).count() == 1
        connection.check_constraints(table_names=[EsimOrder._meta.db_table])
        transaction.set_rollback(True)


@given(arguments=CALLS)
def test_place_order_records_any_input(arguments):
    assert_recorded_or_in_conflict(lambda: place(**arguments))


@given(arguments=CALLS, key=st.text(min_size=1))
def test_any_input_with_same_key_is_recorded_once(arguments, key):
    def call():
        first, second = (place(**{**arguments, "idempotency_key": key}) for _ in range(2))
        assert first == second
        return second

    assert_recorded_or_in_conflict(call)


@given(lines=st.lists(CALLS, min_size=1, max_size=4))
def test_place_orders_records_each_line_of_any_input(lines):
    def call():
        orders = services.place_orders([{"package_id": PACKAGE, **line} for line in lines], on_refusal="record")
        assert len(orders) == len(lines)
        return orders[0]

    assert_recorded_or_in_conflict(call)


@given(esim=JUNK, package_id=JUNK, key=JUNK, description=JUNK)
def test_place_topup_records_any_input(esim, package_id, key, description):
    content = {"idempotency_key": key, "description": description, "on_refusal": "record"}
    assert_recorded_or_in_conflict(lambda: services.place_topup(esim, package_id=package_id, **content))
