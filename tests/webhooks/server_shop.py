"""A shop for real web servers: the settings, and its applications for WSGI and ASGI."""

from __future__ import annotations

from typing import Any

from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse

from tests.settings import *  # noqa: F403  the same shop, but for what follows
from tests.settings import MIDDLEWARE as _MIDDLEWARE

SECRET_KEY = "tests-only"
DEBUG = False
MIDDLEWARE = [*_MIDDLEWARE, "tests.webhooks.server_shop.read_body_afterwards"]
LOGGING = {
    "version": 1,
    "handlers": {"stderr": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
}


def read_body_afterwards(get_response: Any) -> Any:
    """A middleware that logs the length of each body once the view is done with it."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if response.status_code == 200 and request.method == "POST":
            response["X-Body-Length"] = str(len(request.body))
        return response

    return middleware


def __getattr__(name: str) -> Any:
    """Make an application when a server asks for it: Django reads this module as settings first."""
    makers = {"wsgi": get_wsgi_application, "asgi": get_asgi_application}
    if name in makers:
        return makers[name]()
    raise AttributeError(name)
