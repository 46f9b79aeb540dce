"""The main path, from a paid order to an eSIM."""

import pytest

from django_airalo import services, signals
from django_airalo.models import EsimOrder

pytestmark = pytest.mark.django_db


@pytest.fixture
def heard():
    log = []

    def receiver(signal, **kwargs):
        log.append((kwargs["order"].status, kwargs["event_id"]))

    signals.esim_order_completed.connect(receiver)
    yield log
    signals.esim_order_completed.disconnect(receiver)


def test_order_is_completed_by_webhook(airalo, heard, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        order = services.place_order(package_id="test-mobile-7days-1gb", quantity=2)
    order.refresh_from_db()
    assert order.status == EsimOrder.Status.ACCEPTED
    assert order.request_id == airalo.find(order).request_id

    assert airalo.deliver(order).status_code == 200

    order.refresh_from_db()
    assert order.status == EsimOrder.Status.COMPLETED
    delivered = {sim["iccid"]: sim["qrcode"] for sim in airalo.find(order).payload["sims"]}
    assert {esim.iccid: esim.activation_code for esim in order.esims.all()} == delivered
    assert [status for status, _ in heard] == ["completed"]
    assert len(airalo.orders) == 1
