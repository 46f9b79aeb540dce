"""A reader who follows one order has few files to open."""

from __future__ import annotations

import pytest

from benchmarks.order_path import path_of_an_order
from django_airalo import services
from django_airalo.models import EsimOrder


@pytest.mark.django_db(transaction=True)
def test_path_of_order_touches_few_service_files(airalo, heard):
    placing, delivering = path_of_an_order(
        lambda: services.place_order(package_id="test"),
        lambda: airalo.deliver(EsimOrder.objects.get()),
    )
    assert heard.of("esim_order_completed")
    assert 3 < len(placing) <= 8, placing
    assert 3 < len(delivering) <= 7, delivering
