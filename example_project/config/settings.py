"""The example shop's settings, read from the environment and from ``.env`` (see ``.env.example``).

The defaults fit a shop at 127.0.0.1:8000 and the emulator at 127.0.0.1:8010.
"""

from pathlib import Path
from urllib.parse import quote

import django
import environ

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()
environ.Env.read_env(BASE_DIR / ".env")

DEBUG = env.bool("DEBUG", default=True)
# There is no default in production.
SECRET_KEY = env.str("SECRET_KEY", default="insecure-and-for-the-example-only" if DEBUG else environ.Env.NOTSET)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

INSTALLED_APPS = [
    "shop",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_htmx",
    "django_tasks_db",
    "rest_framework",
    "django_airalo",
]
if django.VERSION < (6, 0):
    INSTALLED_APPS.append("django_tasks")  # Django's Tasks API before Django had it

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"

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

VAR_DIR = Path(env.str("SHOP_VAR", default=str(BASE_DIR / "var")))
VAR_DIR.mkdir(parents=True, exist_ok=True)

DATABASES = {"default": env.db("DATABASE_URL", default=f"sqlite:///{quote(str(VAR_DIR / 'shop.sqlite3'))}")}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # Shop, worker and sweep write to the same file, so each transaction waits for the lock when it begins.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;",
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# All processes must share the cache, since it holds the Airalo token.
CACHES = {"default": env.cache("CACHE_URL", default="dbcache://django_cache?max_entries=100000")}

# "manage.py db_worker" runs the tasks.
TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}

# Sets EMAIL_BACKEND and so on, which work in Django 5.2 to 6.1.
globals().update(env.email("EMAIL_URL", default="consolemail://"))
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="shop@example.com")

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "shop:packages"
LOGOUT_REDIRECT_URL = "shop:packages"

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "static/"

SHOP_URL = env.str("SHOP_URL", default="http://127.0.0.1:8000")

AIRALO_BASE_URL = env.str("AIRALO_BASE_URL", default="http://127.0.0.1:8010")
AIRALO_CLIENT_ID = env.str("AIRALO_CLIENT_ID", default="emulator-client")
AIRALO_CLIENT_SECRET = env.str("AIRALO_CLIENT_SECRET", default="emulator-secret")
AIRALO_WEBHOOK_URL = env.str("AIRALO_WEBHOOK_URL", default=f"{SHOP_URL}/airalo/webhook/")
AIRALO_WEBHOOK_SECRETS = env.list("AIRALO_WEBHOOK_SECRETS", default=[])
AIRALO_SANDBOX = env.bool("AIRALO_SANDBOX", default=False)
AIRALO_ENCRYPTION_KEYS = env.list("AIRALO_ENCRYPTION_KEYS", default=[])

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name} {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "loggers": {
        "django_airalo": {"handlers": ["console"], "level": "INFO"},
        "shop": {"handlers": ["console"], "level": "INFO"},
    },
}
