from __future__ import annotations

import re
from io import StringIO

import pytest
from cryptography.fernet import Fernet
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_airalo.models import EncryptedTextField, Esim, WebhookEvent
from django_airalo.models.esims import SECRETS
from django_airalo.models.fields import encrypt
from django_airalo.services import operations
from django_airalo.services.core import key_rotation
from tests.factories import EsimFactory, WebhookEventFactory

pytestmark = pytest.mark.django_db


def new_key():
    return Fernet.generate_key().decode()


def run(*arguments):
    out = StringIO()
    call_command("airalo_rotate_keys", *arguments, stdout=out)
    return {
        column: tuple(map(int, counts))
        for column, *counts in re.findall(
            r"^column=django_airalo\.([\w.]+) rewritten=(\d+) unchanged=(\d+) unreadable=(\d+)$",
            out.getvalue(),
            re.MULTILINE,
        )
    }


@pytest.fixture
def rows(settings):
    """Secrets written with an old key, which stands behind a new one now; an eSIM without a code among them."""
    old, new = new_key(), new_key()
    settings.AIRALO_ENCRYPTION_KEYS = [old]
    found = [EsimFactory() for _ in range(5)]
    EsimFactory(confirmation_code="")
    WebhookEventFactory(body="\udcff\x00é")
    settings.AIRALO_ENCRYPTION_KEYS = [new, old]
    return found


def test_old_key_can_be_removed_after_rotation(settings, rows):
    counts = run("--batch", "2")
    assert counts["Esim.activation_code"] == (6, 0, 0)
    assert counts["Esim.confirmation_code"] == (5, 0, 0)
    assert counts["WebhookEvent.body"] == (1, 0, 0)
    settings.AIRALO_ENCRYPTION_KEYS = settings.AIRALO_ENCRYPTION_KEYS[:1]
    settings.SECRET_KEY = "another secret key"
    for esim in rows:
        stored = Esim.objects.get(pk=esim.pk)
        assert (stored.activation_code, stored.matching_id, stored.confirmation_code) == (
            esim.activation_code,
            esim.matching_id,
            esim.confirmation_code,
        )
    assert WebhookEvent.objects.get().body_bytes == b"\xff\x00" + "é".encode()


def test_rotation_covers_every_encrypted_column(rows):
    columns = {
        f"{model.__name__}.{field.name}"
        for model in apps.get_app_config("django_airalo").get_models()
        for field in model._meta.fields
        if isinstance(field, EncryptedTextField)
    }
    assert set(run()) == columns


def test_second_run_writes_nothing(rows):
    run()
    with CaptureQueriesContext(connection) as queries:
        assert run()["Esim.activation_code"] == (0, 6, 0)
    assert not [query for query in queries.captured_queries if "UPDATE" in query["sql"]]


def test_secrets_are_rotated_from_derived_to_own_keys(settings):
    esim = EsimFactory()
    settings.AIRALO_ENCRYPTION_KEYS = [new_key()]
    assert run()["Esim.activation_code"] == (1, 0, 0)
    settings.SECRET_KEY = "another secret key"
    assert Esim.objects.get().activation_code == esim.activation_code


def test_interrupted_rotation_is_continued(settings, rows):
    key_rotation.rotate_column(Esim, "matching_id", 100)
    counts = run()
    assert counts["Esim.matching_id"] == (0, 6, 0)
    assert counts["Esim.activation_code"] == (6, 0, 0)


def test_values_that_cannot_be_decrypted_are_kept_and_reported(settings, rows):
    lost = new_key()
    present = settings.AIRALO_ENCRYPTION_KEYS
    settings.AIRALO_ENCRYPTION_KEYS = [lost]
    unreadable = EsimFactory(matching_id="")
    settings.AIRALO_ENCRYPTION_KEYS = present
    # All of its secrets but the empty one.
    filled = sum(bool(getattr(unreadable, name)) for name in SECRETS)
    with pytest.raises(CommandError, match=rf"^{filled} values cannot be decrypted with any configured key"):
        run()
    assert {report.column: report.unchanged for report in operations.rotate_keys()}[
        "django_airalo.Esim.activation_code"
    ] == 6
    settings.AIRALO_ENCRYPTION_KEYS = [lost]
    assert Esim.objects.get(pk=unreadable.pk).activation_code == unreadable.activation_code


def test_value_changed_during_rotation_is_kept(rows):
    esim = rows[0]
    stale = key_rotation.as_stored(Esim, "activation_code").get(pk=esim.pk)[1]
    Esim.objects.filter(pk=esim.pk).update(activation_code="LPA:1$new")
    report = key_rotation.RotationReport("x")
    key_rotation._rotate(key_rotation.as_stored(Esim, "activation_code"), esim.pk, stale, "activation_code", report)
    assert report.rewritten == 0
    assert Esim.objects.get(pk=esim.pk).activation_code == "LPA:1$new"


def test_no_secret_is_printed(rows, capsys):
    call_command("airalo_rotate_keys")
    printed = "".join(capsys.readouterr())
    assert "Esim.activation_code" in printed
    for secret in (rows[0].activation_code, rows[0].matching_id, encrypt("x")[:10]):
        assert secret not in printed


@pytest.mark.parametrize("batch", ["0", "-1"])
def test_batch_size_below_one_is_refused(batch):
    with pytest.raises(CommandError, match="--batch"):
        run(f"--batch={batch}")


def test_invalid_key_is_refused_with_name_of_setting(settings, rows):
    settings.AIRALO_ENCRYPTION_KEYS = ["short"]
    with pytest.raises(CommandError, match="AIRALO_ENCRYPTION_KEYS"):
        run()
