"""What is left, for a customer to read."""

from __future__ import annotations

import pytest
from django.utils import translation

from django_airalo.models import Esim, usage


@pytest.mark.parametrize(
    ("fields", "text", "percentage"),
    [
        ({}, "", None),
        ({"remaining": 767, "total": 2048}, "767 MB of 2 GB left", 37),
        ({"remaining": 1536, "total": 3072}, "1.5 GB of 3 GB left", 50),
        ({"remaining": 0, "total": 1024}, "0 MB of 1 GB left", 0),
        ({"remaining": 1, "total": 102400}, "1 MB of 100 GB left", 1),
        ({"remaining": 2048, "total": 1024}, "2 GB of 1 GB left", 100),
        ({"remaining": None, "total": 1024}, "Not known how much is left", None),
        ({"remaining": 767, "total": None}, "767 MB left", None),
        ({"remaining": 767, "total": 0}, "", None),
        ({"remaining": 0, "total": 0}, "", None),
        ({"remaining": 0, "total": 0, "is_unlimited": False}, "", None),
        ({"remaining": 0, "total": 0, "is_unlimited": True}, "Unlimited", None),
        ({"remaining": 767, "total": 2048, "is_unlimited": True}, "Unlimited", None),
        ({"is_unlimited": True}, "Unlimited", None),
    ],
)
def test_data(fields, text, percentage):
    data = Esim(**fields).data
    assert (str(data), data.percentage, bool(data)) == (text, percentage, bool(text))


def test_voice_and_text():
    esim = Esim(remaining_voice=1, total_voice=100, remaining_text=20, total_text=20, is_unlimited=True)
    assert (str(esim.voice), esim.voice.percentage) == ("1 minute of 100 minutes left", 1)
    assert (str(esim.text), esim.text.percentage) == ("20 texts of 20 texts left", 100)
    nothing = Esim(remaining_voice=0, total_voice=0, remaining_text=0, total_text=0)
    assert (str(nothing.voice), str(nothing.text)) == ("", "")
    assert not nothing.voice


def test_the_units_can_be_translated(monkeypatch):
    monkeypatch.setattr(usage, "gettext", lambda text: text.replace("GB", "Go").replace("MB", "Mo"))
    assert str(Esim(remaining=512, total=3072).data) == "512 Mo of 3 Go left"


def test_numbers_are_written_as_the_language_has_them():
    with translation.override("de"):
        assert str(Esim(remaining=1536, total=3072).data).startswith("1,5 GB")
