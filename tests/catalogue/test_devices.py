"""The mirror of Airalo's list of devices, and the search in it."""

from __future__ import annotations

import json

import pytest

from django_airalo import services
from django_airalo.exceptions import AiraloAPIError, AiraloResponseError
from django_airalo.models import CompatibleDevice
from django_airalo.services import operations
from tests.scripted_server import Answer

pytestmark = pytest.mark.django_db


@pytest.fixture
def devices(server):
    """Call it with brands and names, and Airalo lists these."""

    def tell(*names, **answer):
        systems = {"apple": "ios"}
        rows = [{"os": systems.get(brand.lower(), "android"), "brand": brand, "name": name} for brand, name in names]
        server.on("/v2/compatible-devices-lite", Answer(body=json.dumps({"data": rows}).encode(), **answer))

    return tell


def names():
    return sorted(str(device) for device in CompatibleDevice.objects.all())


PHONES = [("Apple", "iPhone 15"), ("Apple", "iPhone 15 Pro"), ("Samsung", "Galaxy S21"), ("bq", "Aquaris X2")]


def test_only_what_changed_is_written(devices, django_assert_max_num_queries):
    devices(*PHONES)
    assert vars(operations.sync_devices()) == {"added": 4, "changed": 0, "withdrawn": 0, "unchanged": 0}
    before = list(CompatibleDevice.objects.values())
    assert vars(operations.sync_devices()) == {"added": 0, "changed": 0, "withdrawn": 0, "unchanged": 4}
    assert list(CompatibleDevice.objects.values()) == before
    devices(*PHONES[1:], ("Google", "Pixel 8"), ("APPLE", "iphone 15 pro"))
    assert vars(operations.sync_devices()) == {"added": 1, "changed": 1, "withdrawn": 1, "unchanged": 2}
    assert names() == ["APPLE iphone 15 pro", "Google Pixel 8", "Samsung Galaxy S21", "bq Aquaris X2"]


def test_a_device_listed_twice_is_one_and_one_without_a_name_none(devices):
    devices(*PHONES, ("samsung", "Galaxy-S21"), ("", ""), ("Brand", "x" * 500))
    assert operations.sync_devices().added == 5


@pytest.mark.parametrize("answer", [{"status": 500}, {"status": 403}, {}])
def test_a_fault_deletes_nothing(devices, answer):
    devices(*PHONES)
    operations.sync_devices()
    devices(**answer)
    with pytest.raises(AiraloAPIError):
        operations.sync_devices()
    assert CompatibleDevice.objects.count() == 4


def test_more_than_half_is_deleted_by_force_only(devices):
    devices(*PHONES)
    operations.sync_devices()
    devices(PHONES[0])
    with pytest.raises(AiraloResponseError, match="only 1 of the 4 devices"):
        operations.sync_devices()
    assert CompatibleDevice.objects.count() == 4
    operations.sync_devices(force=True)
    assert names() == ["Apple iPhone 15"]


def test_searching_the_mirror(devices):
    assert not services.is_compatible("iPhone 15")
    assert services.find_devices("iphone") == []
    devices(*PHONES)
    operations.sync_devices()
    assert services.is_compatible("iphone15")
    assert not services.is_compatible("iPhone 14")
    assert [str(device) for device in services.find_devices("iphone 15")] == ["Apple iPhone 15", "Apple iPhone 15 Pro"]
    assert [str(device) for device in services.find_devices("iphone 15", limit=1)] == ["Apple iPhone 15"]
    devices(("Apple", "iPhone 14"), *PHONES[1:])
    operations.sync_devices()
    assert services.is_compatible("iPhone 14")
    assert not services.is_compatible("iPhone 15")


def test_a_search_costs_one_query(devices, django_assert_num_queries):
    devices(*PHONES)
    operations.sync_devices()
    with django_assert_num_queries(1):
        assert len(services.find_devices("iphone")) == 2
    with django_assert_num_queries(1):
        services.is_compatible("iphone")
