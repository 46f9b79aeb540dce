"""What Django writes into the report of an error that nobody caught: nothing that lets somebody use the account."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
from django.core.cache.backends.base import BaseCache
from django.test import RequestFactory, override_settings
from django.views.debug import ExceptionReporter

from django_airalo.client import AiraloClient
from django_airalo.conf import NO_LIMIT
from django_airalo.exceptions import AiraloAPIError
from tests.scripted_server import Answer, ScriptedServer

from .support import CLIENT_SECRET, PURCHASES, TOKEN_MARK, token_answer

FAILURES = {
    "refused": Answer(422, {"data": {"quantity": "No."}}),
    "unauthorized": Answer(401, {}),
    "broken": Answer(drop="close"),
    "not understood": Answer(200, "<html>"),
}


def report(call: Callable[[], object]) -> str:
    with pytest.raises(AiraloAPIError) as caught:
        call()
    with override_settings(DEBUG=False):
        reporter = ExceptionReporter(RequestFactory().post("/buy/"), caught.type, caught.value, caught.tb)
        return reporter.get_traceback_html() + reporter.get_traceback_text()


@pytest.mark.parametrize("failure", FAILURES)
def test_a_report_shows_no_token(client: AiraloClient, server: ScriptedServer, failure: str) -> None:
    for path in ("/v2/orders-async", "/v2/balance"):
        server.on(path, FAILURES[failure])
    for call in (PURCHASES["/v2/orders-async"], AiraloClient.get_balance):
        text = report(partial(call, client))

        assert "send" in text  # the frames are there
        assert TOKEN_MARK not in text
        assert CLIENT_SECRET not in text


def test_a_report_of_the_token_request_shows_no_secret(
    client: AiraloClient, server: ScriptedServer, cache: BaseCache
) -> None:
    client._tokens._limit = NO_LIMIT
    unusable = token_answer(1, access_token=f"{TOKEN_MARK}\r\nX: y")
    for answer in (*FAILURES.values(), unusable):
        server.on("/v2/token", answer)
        cache.clear()  # else a refusal of the credentials is repeated for a minute
        text = report(client.get_token)

        assert "_obtain" in text
        assert CLIENT_SECRET not in text
        assert TOKEN_MARK not in text
    assert len(server.requests("/v2/token")) == len(FAILURES) + 1
