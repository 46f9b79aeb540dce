"""What dumpdata writes of encrypted fields, and loaddata reads again."""

from __future__ import annotations

import json

import pytest
from cryptography.fernet import Fernet
from django.core.management import call_command
from django.core.serializers.base import DeserializationError

from django_airalo.models import Esim, WebhookEvent
from tests.factories import EsimFactory, WebhookEventFactory

pytestmark = pytest.mark.django_db

NOT_UTF8 = b'{"reason": "\xff\xfe"}'


def dump(path):
    call_command("dumpdata", "django_airalo", output=str(path), verbosity=0)
    return path.read_text(encoding="utf-8")


def test_dump_holds_ciphertext_and_loads_again(tmp_path):
    esim = EsimFactory(matching_id="MATCHING-4711")
    text = dump(tmp_path / "dump.json")
    assert "MATCHING-4711" not in text
    rows = [row["fields"] for row in json.loads(text) if row["model"] == "django_airalo.esim"]
    assert rows[0]["matching_id"].startswith("f1:")
    Esim.objects.all().delete()
    call_command("loaddata", str(tmp_path / "dump.json"), verbosity=0)
    assert Esim.objects.get(pk=esim.pk).matching_id == "MATCHING-4711"


def test_dump_of_webhook_that_is_not_utf8_loads_again(tmp_path):
    event = WebhookEventFactory(body=NOT_UTF8.decode("utf-8", "surrogateescape"))
    dump(tmp_path / "dump.json")
    WebhookEvent.objects.all().delete()
    call_command("loaddata", str(tmp_path / "dump.json"), verbosity=0)
    assert WebhookEvent.objects.get(pk=event.pk).body_bytes == NOT_UTF8


def test_dump_with_another_key_is_not_loaded_as_plain_text(tmp_path, settings):
    settings.AIRALO_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    EsimFactory(matching_id="MATCHING-4711")
    dump(tmp_path / "dump.json")
    Esim.objects.all().delete()
    settings.AIRALO_ENCRYPTION_KEYS = []
    with pytest.raises(DeserializationError):
        call_command("loaddata", str(tmp_path / "dump.json"), verbosity=0)


@pytest.mark.parametrize("code", ["f1:gAAAAA", "f1:", "f1:gAAAAABnot-ours"])
def test_code_that_looks_like_ciphertext_is_stored_as_it_is(tmp_path, code):
    esim = EsimFactory(matching_id=code)
    assert Esim.objects.get(pk=esim.pk).matching_id == code
    dump(tmp_path / "dump.json")
    Esim.objects.all().delete()
    call_command("loaddata", str(tmp_path / "dump.json"), verbosity=0)
    assert Esim.objects.get(pk=esim.pk).matching_id == code
