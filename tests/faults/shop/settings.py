"""A tiny shop whose processes are started, killed and counted by the fault suite.

Everything that differs from one test to the next comes as JSON in ``FAULTS_CONFIG``: ``database`` and ``cache``
(entries of DATABASES), ``backend`` (a class of ``backends``), ``trouble`` (see ``receivers``), ``settings``
(``AIRALO_*``) and ``constants`` (of ``django_airalo.conf``, and the leases that it derives).
"""

import json
import os

import django

from django_airalo.conf import Settings

CONFIG = json.loads(os.environ["FAULTS_CONFIG"])

SECRET_KEY = "tests-only"
ALLOWED_HOSTS = ["*"]
USE_TZ = True
ROOT_URLCONF = "tests.faults.shop.urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django_airalo", "tests.faults.shop"]
MIDDLEWARE: list[str] = []

# "other" is a second connection to the same database: what it can see has been committed.
DATABASES = {"default": CONFIG["database"], "other": dict(CONFIG["database"]), "cache": CONFIG["cache"]}
DATABASE_ROUTERS = ["tests.faults.shop.routers.CacheRouter"]
CACHES = {"default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "cache"}}

if django.VERSION < (6, 0):
    INSTALLED_APPS.append("django_tasks")
if CONFIG.get("backend"):
    TASKS = {"default": {"BACKEND": f"tests.faults.shop.backends.{CONFIG['backend']}"}}
else:
    AIRALO_TASK_BACKEND = None

TROUBLE = CONFIG.get("trouble", {})

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(process)d %(levelname)s %(name)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "loggers": {"django_airalo": {"handlers": ["stderr"], "level": "INFO"}},
}

globals().update(CONFIG.get("settings", {}))
for _name, _value in CONFIG.get("constants", {}).items():
    setattr(Settings, _name, _value)
