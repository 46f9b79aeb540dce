"""An installation in which processes share their cache and their database."""

import os

from tests.settings import *

_DIRECTORY = os.environ["DOCTOR_DIRECTORY"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{_DIRECTORY}/shop.sqlite3"}}
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.filebased.FileBasedCache", "LOCATION": f"{_DIRECTORY}/cache"}
}
AIRALO_BASE_URL = os.environ["DOCTOR_AIRALO"]
AIRALO_CLIENT_ID, AIRALO_CLIENT_SECRET = "emulator-client", "emulator-secret"
AIRALO_WEBHOOK_URL = "http://127.0.0.1:9/airalo/webhook/"  # where nothing listens: no name is looked up outside
AIRALO_WEBHOOK_URL_TOKEN = "s3cret-token"
