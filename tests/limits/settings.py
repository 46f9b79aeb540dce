"""Several real processes that share a database file and, in it, a cache; the test says which and where Airalo is."""

import json
import os

from django_airalo.conf import Settings
from tests.settings import *

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ["LIMITS_DATABASE"],
        "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 30},
    },
    # Apart from the orders, as a cache is.
    "cache": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ["LIMITS_DATABASE"] + "-cache",
        "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 30},
    },
}


class CacheRouter:
    """The cache's table is in the other database."""

    def db_for_read(self, model, **hints):
        return "cache" if model._meta.app_label == "django_cache" else None

    db_for_write = db_for_read

    def allow_migrate(self, db, app_label, **hints):
        return (db == "cache") == (app_label == "django_cache")


DATABASE_ROUTERS = ["tests.limits.settings.CacheRouter"]
CACHES = {"default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "cache"}}
AIRALO_CLIENT_ID = "emulator-client"
AIRALO_CLIENT_SECRET = "emulator-secret"
AIRALO_SANDBOX = True
globals().update(json.loads(os.environ.get("LIMITS_SETTINGS", "{}")))
for _name, _value in json.loads(os.environ.get("LIMITS_CONSTANTS", "{}")).items():
    setattr(Settings, _name, _value)
