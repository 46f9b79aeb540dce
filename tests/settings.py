"""A small shop for the tests. ``TEST_DATABASE`` chooses the database: sqlite, postgres or mariadb."""

import os

import django

SECRET_KEY = "tests-only"
ALLOWED_HOSTS = ["*"]
USE_TZ = True
ROOT_URLCONF = "tests.urls"
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"  # not ours, so that ours must be pinned

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "rest_framework",
    "django_airalo",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
STATIC_URL = "static/"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

_SQLITE = {
    "ENGINE": "django.db.backends.sqlite3",
    "NAME": os.environ.get("TEST_DATABASE_FILE", ":memory:"),
    "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 20},
    "TEST": {"NAME": os.environ.get("TEST_DATABASE_FILE")},
}
_POSTGRES = {
    "ENGINE": "django.db.backends.postgresql",
    "NAME": os.environ.get("TEST_DATABASE_NAME", "test"),
    "USER": "postgres",
    "HOST": "127.0.0.1",
}
_MARIADB = {
    "ENGINE": "django.db.backends.mysql",
    "NAME": os.environ.get("TEST_DATABASE_NAME", "test"),
    "USER": "root",
    "HOST": "127.0.0.1",
    "OPTIONS": {"charset": "utf8mb4"},
    "TEST": {"CHARSET": "utf8mb4"},
}
DATABASES = {
    "default": {"sqlite": _SQLITE, "postgres": _POSTGRES, "mariadb": _MARIADB}[
        os.environ.get("TEST_DATABASE", "sqlite")
    ]
}
# Each test is one of a shop with a replica that is behind: no service may decide by what it reads there.
DATABASE_ROUTERS = ["tests.replica.ReplicaAwayFromServices"]
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

_TASKS = "django.tasks" if django.VERSION >= (6, 0) else "django_tasks"
TASKS = {"default": {"BACKEND": f"{_TASKS}.backends.immediate.ImmediateBackend"}}
if django.VERSION < (6, 0):
    INSTALLED_APPS.append("django_tasks")

AIRALO_CLIENT_ID = "test-client"
AIRALO_CLIENT_SECRET = "test-secret"
AIRALO_WEBHOOK_URL = "https://shop.example.com/airalo/webhook/"
# Nothing listens there: a test that forgets its fake or emulator fails instead of calling anybody.
AIRALO_BASE_URL = "http://127.0.0.1:9"
# Else every sweep of a test begins with a request that the test does not expect.
AIRALO_BALANCE_CHECK_INTERVAL = 0
