"""Devices are found however people write their names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from django_airalo import services
from django_airalo.device_names import key_of, model_words, words_of
from django_airalo.models import CompatibleDevice
from tests.factories import CompatibleDeviceFactory

DEVICES = [
    ("Apple", "iPhone 15"),
    ("Apple", "iPhone 15 Pro"),
    ("Apple", "iPhone 15 Pro Max"),
    ("Apple", "iPhone 5G Phantom"),
    ("Apple", "iPhone XS"),
    ("Apple", "iPhone XR"),
    ("Apple", "iPad Air (3rd generation)"),
    ("Google", "Pixel 3"),
    ("Google", "Pixel 3a"),
    ("Google", "Pixel 8 Pro"),
    ("Samsung", "Galaxy S21 5G"),
    ("Samsung", "Galaxy S21+ 5G"),
    ("Samsung", "Galaxy Z Flip4"),
    ("Samsung", "Galaxy Z Fold4"),
    ("Motorola", "Motorola Edge 40"),
    ("bq", "Aquaris X2"),
    ("Xiaomi", "Xiaomi 13T Pro"),
]


@pytest.fixture
def devices(db):
    for brand, name in DEVICES:
        CompatibleDeviceFactory(brand=brand, name=name)


def found(text, limit=10):
    return [str(device) for device in services.find_devices(text, limit=limit)]


@pytest.mark.usefixtures("devices")
@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("iPhone 15", "Apple iPhone 15"),
        ("iphone15", "Apple iPhone 15"),
        ("  IPHONE-15 ", "Apple iPhone 15"),
        ("Apple iPhone 15", "Apple iPhone 15"),
        ("iphone 15 pro max", "Apple iPhone 15 Pro Max"),
        ("iPhone 15ProMax", "Apple iPhone 15 Pro Max"),
        ("galaxy s21+ 5g", "Samsung Galaxy S21+ 5G"),
        ("Galaxy S21 Plus 5G", "Samsung Galaxy S21+ 5G"),
        ("samsung galaxy z flip 4", "Samsung Galaxy Z Flip4"),
        ("pixel3a", "Google Pixel 3a"),
        ("google pixel 8 pro", "Google Pixel 8 Pro"),
        ("edge 40", "Motorola Motorola Edge 40"),
        ("motorola edge 40", "Motorola Motorola Edge 40"),
        ("iPad Air (3rd generation)", "Apple iPad Air (3rd generation)"),
        ("xiaomi 13t pro", "Xiaomi Xiaomi 13T Pro"),
        ("BQ Aquaris X2", "bq Aquaris X2"),
    ],
)
def test_listed_device_is_compatible_and_found_first_however_it_is_written(text, name):
    assert services.is_compatible(text)
    assert found(text)[0] == name


@pytest.mark.usefixtures("devices")
@pytest.mark.parametrize(
    "text",
    [
        "iPhone 14",  # the number tells the model
        "iPhone 1",
        "iPhone 155",
        "iPhone",  # no model
        "Pixel 8",
        "Galaxy S21",  # a name must be whole
        "Galaxy S21 Ultra 5G",
        "Nokia 3310",
        "Samsung Pixel 3",
        "15",
        "",
        "   ",
        "???",
        "%",
        "_",
    ],
)
def test_device_that_is_not_listed_is_not_compatible(text):
    assert not services.is_compatible(text)


@pytest.mark.usefixtures("devices")
def test_unfinished_text_finds_the_devices_with_all_its_words():
    assert found("iph", 3) == ["Apple iPhone 15", "Apple iPhone XR", "Apple iPhone XS"]
    assert found("iphone 15") == ["Apple iPhone 15", "Apple iPhone 15 Pro", "Apple iPhone 15 Pro Max"]
    assert found("15 pro") == ["Apple iPhone 15 Pro", "Apple iPhone 15 Pro Max"]
    assert found("iphone 1") == []
    assert found("samsung z") == ["Samsung Galaxy Z Flip4", "Samsung Galaxy Z Fold4"]
    assert found("galaxy s21") == ["Samsung Galaxy S21 5G", "Samsung Galaxy S21+ 5G"]
    assert found("nokia") == found("") == found("%") == found("_") == []


@pytest.mark.usefixtures("devices")
def test_search_can_be_narrowed_like_any_queryset():
    assert CompatibleDevice.objects.filter(brand="Google").search("pixel 3").count() == 2
    assert not CompatibleDevice.objects.filter(brand="Apple").search("pixel").exists()


def test_words_and_keys():
    assert words_of("Galaxy S21+ 5G") == ("galaxy", "s", "21", "plus", "5", "g")
    assert words_of("Téléphone№7") == ("telephoneno", "7")
    assert model_words("Motorola", "Motorola Edge 40") == ("edge", "40")
    assert key_of("Motorola", "Motorola Edge 40") == key_of("motorola", "edge-40") == "motorola edge 40"
    assert key_of("Samsung", "Samsung") == "samsung samsung"
    assert key_of("", "") == ""


class TestAnyText(TestCase):
    @given(st.text(max_size=300))
    def test_any_text_can_be_asked_for(self, text):
        assert services.find_devices(text, limit=5) == []
        assert services.is_compatible(text) is False
