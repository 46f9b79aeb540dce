"""Searching devices, as people write them."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_airalo.device_names import DeviceIndex, key_of, words_of

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


def index(devices=DEVICES):
    return DeviceIndex([(f"{brand} {name}", brand, name) for brand, name in devices])


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("iPhone 15", "Apple iPhone 15"),
        ("iphone15", "Apple iPhone 15"),
        ("  IPHONE-15 ", "Apple iPhone 15"),
        ("Apple iPhone 15", "Apple iPhone 15"),
        ("ipone 15", "Apple iPhone 15"),
        ("iphone 15 pro max", "Apple iPhone 15 Pro Max"),
        ("iPhone 15ProMax", "Apple iPhone 15 Pro Max"),
        ("galaxy s21+ 5g", "Samsung Galaxy S21+ 5G"),
        ("Galaxy S21 Plus 5G", "Samsung Galaxy S21+ 5G"),
        ("samsung gallaxy z flip 4", "Samsung Galaxy Z Flip4"),
        ("pixel3a", "Google Pixel 3a"),
        ("gogle pixle 8 pro", "Google Pixel 8 Pro"),
        ("edge 40", "Motorola Motorola Edge 40"),
        ("motorola edge 40", "Motorola Motorola Edge 40"),
        ("iPad Air (3rd generation)", "Apple iPad Air (3rd generation)"),
        ("xiaomi 13t pro", "Xiaomi Xiaomi 13T Pro"),
        ("BQ Aquaris X2", "bq Aquaris X2"),
    ],
)
def test_it_is_known_however_it_is_written(text, name):
    assert index().has(text)
    assert index().find(text, 10)[0] == name


@pytest.mark.parametrize(
    "text",
    [
        "iPhone 14",  # the number tells the model
        "iPhone 1",
        "iPhone 155",
        "iPhone",  # no model
        "iPhone XX",  # too short for a slip
        "Pixel 8",
        "Galaxy S21",  # a name must be whole
        "Galaxy S21 Ultra 5G",
        "Galaxy Z Folder9",
        "Nokia 3310",
        "Samsung Pixel 3",
        "15",
        "",
        "   ",
        "???",
    ],
)
def test_what_is_not_listed_is_not_compatible(text):
    assert not index().has(text)


def test_suggestions_while_somebody_types():
    devices = index()
    assert devices.find("iph", 3) == ["Apple iPhone 15", "Apple iPhone XR", "Apple iPhone XS"]
    assert devices.find("iphone 15", 10) == [
        "Apple iPhone 15",
        "Apple iPhone 15 Pro",
        "Apple iPhone 15 Pro Max",
    ]
    assert devices.find("15 pro", 10) == ["Apple iPhone 15 Pro", "Apple iPhone 15 Pro Max"]
    assert devices.find("samsung z", 10) == ["Samsung Galaxy Z Flip4", "Samsung Galaxy Z Fold4"]
    assert devices.find("galaxi s21", 10) == ["Samsung Galaxy S21 5G", "Samsung Galaxy S21+ 5G"]
    assert devices.find("nokia", 10) == []
    assert devices.find("", 10) == []
    assert DeviceIndex([]).find("iphone", 10) == []


def test_words_and_keys():
    assert words_of("Galaxy S21+ 5G") == ("galaxy", "s", "21", "plus", "5", "g")
    assert words_of("Téléphone№7") == ("telephoneno", "7")
    assert key_of("Motorola", "Motorola Edge 40") == key_of("motorola", "edge-40") == "motorola edge 40"
    assert key_of("Samsung", "Samsung") == "samsung samsung"
    assert key_of("", "") == ""


@given(st.text(max_size=300))
def test_any_text_can_be_asked_for(text):
    assert len(INDEX.find(text, 5)) <= 5
    assert INDEX.has(text) in (True, False)


INDEX = index()


def test_it_is_quick_with_a_long_list():
    """Airalo lists more than a thousand. A slip is the slow case, since each word has to be compared."""
    makers = ["Apple", "Samsung", "Google", "Motorola", "Xiaomi", "Oppo", "Honor", "Sony", "Nokia", "Huawei"]
    many = index([(maker, f"Model{chr(97 + n % 26)}{'xyz'[n % 3]} {n}") for maker in makers for n in range(200)])
    slowest = 0.0
    for text in ("samsung modelax 26", "samsnug modleax 26", "sonny moddel", "pixel", "a", "zzzzzzzz yyyyyyy xxxxxxxx"):
        begun = time.process_time()
        many.find(text, 10)
        many.has(text)
        slowest = max(slowest, time.process_time() - begun)
    assert slowest < 0.3  # of the processor, where some 3 ms are usual: other work on the machine does not count
