"""While the database is unavailable, a webhook is answered with 503, so that Airalo sends it again."""

from __future__ import annotations

import subprocess
import sys

import pytest
from django.db import connection
from django.test import Client

from django_airalo.models import WebhookEvent
from django_airalo.testing import sign_webhook

from .support import BODY, URL, post


@pytest.mark.django_db(transaction=True)
def test_missing_table_is_503_until_it_is_back():
    table, away = WebhookEvent._meta.db_table, "webhook_event_away"
    with connection.schema_editor() as editor:
        editor.alter_db_table(WebhookEvent, table, away)
    try:
        response = post(BODY, sign_webhook(BODY))
        assert (response.status_code, response.content) == (503, b"")
        assert post(BODY).status_code == 401  # the signature comes first
        assert Client().head(URL).status_code == 200
    finally:
        with connection.schema_editor() as editor:
            editor.alter_db_table(WebhookEvent, away, table)
    assert post(BODY, sign_webhook(BODY)).status_code == 200
    assert WebhookEvent.objects.count() == 1


def test_locked_database_file_is_503(tmp_path):
    """Another process holds SQLite's write lock for longer than the time-out."""
    script = f"""
import os, sqlite3, sys
os.environ.update(TEST_DATABASE="sqlite", TEST_DATABASE_FILE={str(tmp_path / "shop.sqlite3")!r})
import django
from django.conf import settings
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
settings.DATABASES["default"]["OPTIONS"]["timeout"] = 0.2
django.setup()
from django.core.management import call_command
from django.test import Client
from django_airalo.models import WebhookEvent
from django_airalo.testing import sign_webhook
call_command("migrate", verbosity=0)
body = {BODY!r}
def post():
    return Client().post({URL!r}, body, content_type="application/json",
                         headers={{"airalo-signature": sign_webhook(body)}}).status_code
other = sqlite3.connect({str(tmp_path / "shop.sqlite3")!r})
other.execute("BEGIN EXCLUSIVE")
print(post())
other.rollback()
print(post(), WebhookEvent.objects.count())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["503", "200", "1"]
