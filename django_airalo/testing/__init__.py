"""What a shop imports in its own tests: a fake Airalo and payloads of its kind. Needs no pytest.

>>> from django_airalo.testing import FakeAiralo
>>> with FakeAiralo() as airalo:
...     order = buy_something_in_my_shop()
...     airalo.deliver(order)
"""

from .fake import FakeAiralo, sign_webhook
from .order import FakeOrder
from .payloads import (
    credit_limit_payload,
    esim_payload,
    failure_payload,
    instructions_payload,
    listed_order_payload,
    low_data_payload,
    order_payload,
    package_payload,
    sim_payload,
    topup_payload,
    usage_payload,
    webhook_payload,
)

__all__ = [
    "FakeAiralo",
    "FakeOrder",
    "credit_limit_payload",
    "esim_payload",
    "failure_payload",
    "instructions_payload",
    "listed_order_payload",
    "low_data_payload",
    "order_payload",
    "package_payload",
    "sign_webhook",
    "sim_payload",
    "topup_payload",
    "usage_payload",
    "webhook_payload",
]
