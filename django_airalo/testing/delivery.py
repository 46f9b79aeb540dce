"""Between the shop and the emulator's core, within one process: requests go in, webhooks come out."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import requests
from django.http import HttpResponse
from django.test import Client, TestCase
from django.urls import reverse
from requests.adapters import BaseAdapter

from django_airalo.conf import conf
from django_airalo.emulator.messages import Request, Response


def respond(status: int, body: Any, headers: dict[str, str] | None = None) -> requests.Response:
    """Return an answer: ``body`` as JSON, or as it is if it is bytes."""
    response = requests.Response()
    response.status_code = status
    response._content = body if isinstance(body, bytes) else json.dumps(body).encode()
    response.headers.update({"Content-Type": "application/json", **(headers or {})})
    return response


def to_emulator(request: requests.PreparedRequest) -> Request:
    """Return a request of the shop's client in the form that the emulator's core takes."""
    body = request.body or b""
    headers = {name.lower(): str(value) for name, value in request.headers.items()}
    headers.setdefault("host", urlsplit(request.url or "").netloc)
    content = body if isinstance(body, bytes) else body.encode()
    return Request(str(request.method), request.path_url, headers, content, scheme="https")


def from_emulator(response: Response | None) -> requests.Response:
    """Return an answer of the core to the shop's client. Raises ConnectionError if the core resets the connection."""
    if response is None:
        raise requests.ConnectionError("The fake Airalo has closed the connection.")
    return respond(response.status, response.body, {**response.headers, "Content-Type": response.content_type})


class Adapter(BaseAdapter):
    """Hands what a requests session sends to a function."""

    def __init__(self, handle: Callable[[requests.PreparedRequest], requests.Response]) -> None:
        super().__init__()
        self._handle = handle

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Return the answer to a request."""
        response = self._handle(request)
        response.request, response.url = request, request.url or ""
        return response

    def close(self) -> None:
        """Do nothing: there is no connection."""


class InProcessDeliverer:
    """Posts webhooks to the shop's webhook view, in the thread that asks for it.

    Attributes:
        response: the shop's answer to the last one.
    """

    response: HttpResponse

    def post(self, url: str, body: bytes, headers: dict[str, str]) -> tuple[int, None]:
        """Post one webhook to the view, whatever its address; return the status of the answer."""
        token = (conf.WEBHOOK_URL_TOKEN,) if conf.WEBHOOK_URL_TOKEN else ()
        sent = {name: value for name, value in headers.items() if name != "Content-Type"}
        with TestCase.captureOnCommitCallbacks(execute=True):
            self.response = Client(enforce_csrf_checks=True).post(  # type: ignore[assignment]  # its stubs differ
                reverse("django_airalo:webhook", args=token),
                data=body,
                content_type=headers["Content-Type"],
                headers=sent,
            )
        return self.response.status_code, None

    def wake(self) -> None:
        """Do nothing: the test says when a webhook is sent."""

    def is_reachable(self, url: str) -> bool:
        """Return True: the view is in this process."""
        return True

    def reserve(self, webhook_ids: list[int]) -> None:
        """Do nothing: webhooks are sent in this process only."""

    def release(self, webhook_id: int) -> None:
        """Do nothing: webhooks are sent in this process only."""
