"""From Airalo's six error shapes, and from whatever else may come, to one exception tree."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from django_airalo import exceptions as e
from django_airalo.client import AiraloClient
from tests.rates import NO_LIMITS
from tests.scripted_server import Answer, ScriptedServer

from .support import PURCHASES, MakeClient

CODES = [
    (11, 422, e.InsufficientCreditError, "Insufficient Airalo Credit: 3 USD are missing"),
    (13, 422, e.OperatorMaintenanceError, "The requested operator is currently undergoing maintenance."),
    (14, 422, e.InvalidChecksumError, "Invalid checksum: x"),
    (23, 422, e.TopupDisabledError, "The requested top-up has been disabled by the operator."),
    (33, 422, e.InsufficientStockError, "Insufficient stock of eSIMs remaining: 4."),
    (34, 422, e.PackageUnavailableError, "The requested eSIM package is invalid or it is currently out of stock."),
    (43, 422, e.BadRequestError, "Bad request. Please check your input and try again."),
    (53, 422, e.UnexpectedAiraloError, "Something unexpected happened."),
    (73, 422, e.RecycledEsimError, "The eSIM with iccid 8900000000000000123 has been recycled."),
    (89, 403, e.IPAddressNotAllowedError, "Your IP address is not permitted to access the Partner API."),
]


def refusal(client: AiraloClient, server: ScriptedServer, answer: Answer) -> e.AiraloAPIError:
    """What a purchase raises that is answered like this."""
    server.on("/v2/orders-async", answer)
    with pytest.raises(e.AiraloAPIError) as caught:
        client.submit_order_async(package_id="p", quantity=1)
    return caught.value


@pytest.mark.parametrize(("code", "status", "kind", "reason"), CODES, ids=[str(row[0]) for row in CODES])
def test_business_codes(
    client: AiraloClient, server: ScriptedServer, code: int, status: int, kind: type, reason: str
) -> None:
    for written in (code, str(code)):
        error = refusal(client, server, Answer(status, {"code": written, "reason": reason}))

        assert type(error) is kind
        assert (error.status_code, error.code, error.reason) == (status, code, reason)
        assert error.field_errors == {}
        assert error.may_have_acted is (code == 53)
        assert reason in str(error)
        assert error.remedy in str(error)


@pytest.mark.parametrize("path", PURCHASES)
def test_business_codes_mean_the_same_wherever_they_come(
    make_client: MakeClient, server: ScriptedServer, path: str
) -> None:
    for code, status, kind, reason in CODES:
        server.on(path, Answer(status, {"code": code, "reason": reason}))
        with override_settings(AIRALO_RATE_LIMITS=NO_LIMITS), pytest.raises(kind) as caught:
            PURCHASES[path](make_client())

        assert type(caught.value) is kind
        assert (caught.value.code, caught.value.may_have_acted) == (code, code == 53)
    assert len(server.requests(path)) == len(CODES)


def test_every_business_code_has_a_class_of_its_own() -> None:
    assert {code: kind for code, _, kind, _ in CODES} == e.ERROR_FOR_CODE
    assert len(set(e.ERROR_FOR_CODE.values())) == len(e.ERROR_FOR_CODE)


#: Airalo's six shapes (a) to (f) and odder ones: body, then code, reason and field errors.
SHAPES = {
    "a": (
        {
            "data": {"package_id": "The selected package is invalid.", "quantity": "At most 50."},
            "meta": {"message": "the parameter is invalid"},
        },
        None,
        "",
        {"package_id": "The selected package is invalid.", "quantity": "At most 50."},
    ),
    "a with lists": (
        {"data": {"quantity": ["Too many.", "Not a number."]}},
        None,
        "",
        {"quantity": "Too many. Not a number."},
    ),
    "b": ({"code": 11, "reason": "No credit"}, 11, "No credit", {}),
    "b unknown code": ({"code": 99, "reason": "Something new"}, 99, "Something new", {}),
    "c": (
        {"reason": "User is not opted in and no webhook URL provided."},
        None,
        "User is not opted in and no webhook URL provided.",
        {},
    ),
    "d": ({"data": [], "meta": {"message": "messages.resource_not_found"}}, None, "messages.resource_not_found", {}),
    "e": ({"message": "Too Many Attempts."}, None, "Too Many Attempts.", {}),
    "f": (
        {"error": "Could not push data to https://example.com"},
        None,
        "Could not push data to https://example.com",
        {},
    ),
    "code in words": ({"code": "invalid_request", "reason": "No"}, None, "No", {}),
    "code as list": ({"code": [11], "reason": {"a": "b"}}, None, "", {}),
    "long": ({"reason": "x" * 2000}, None, "x" * 500, {}),
    "empty object": ({}, None, "", {}),
    "list": ([], None, "", {}),
    "null": ("null", None, "", {}),
    "html": ("<html><h1>Error</h1></html>", None, "", {}),
    "nothing": (b"", None, "", {}),
    "cut off": (b'{"code": 11, "rea', None, "", {}),
    "not text": (b"\xff\xfe\xfd", None, "", {}),
    "deep": ("[" * 200_000, None, "", {}),
    "long integer": ('{"code": ' + "1" * 5000 + "}", None, "", {}),
    "NUL and surrogate": (r'{"reason": "a\u0000b\ud800c"}', None, "ab?c", {}),
    "b without words": ({"code": 34}, 34, "", {}),
    "number of Cloudflare's": ({"code": 1010}, 1010, "", {}),
    "problem": (
        {"type": "about:blank", "title": "Error 1015", "status": 429, "detail": "Slow down.", "error_code": 1015},
        None,
        "",
        {},
    ),
    "error as object": ({"error": {"code": 403, "message": "Forbidden"}}, None, "", {}),
    "list of errors": ({"success": False, "errors": [{"code": 1010, "message": "Denied"}]}, None, "", {}),
    "data without words": ({"data": [], "meta": {}}, None, "", {}),
    "fields without words": ({"data": {"quantity": {}}}, None, "", {"quantity": ""}),
}
#: Of these, those that Airalo does not document. What comes like this with a 4xx was said by a proxy.
FOREIGN = {
    "code as list",
    "empty object",
    "list",
    "null",
    "html",
    "nothing",
    "cut off",
    "not text",
    "deep",
    "long integer",
    "number of Cloudflare's",
    "problem",
    "error as object",
    "list of errors",
    "data without words",
    "fields without words",
}
#: Status: class without a code; whether a purchase may have been carried out.
STATUSES = {
    300: (e.AiraloAPIError, True),
    302: (e.AiraloAPIError, True),
    304: (e.AiraloAPIError, True),
    400: (e.AiraloRefusedError, False),
    403: (e.AiraloPermissionError, False),
    404: (e.AiraloNotFoundError, False),
    405: (e.AiraloAPIError, False),
    408: (e.AiraloAPIError, True),
    409: (e.AiraloAPIError, True),
    413: (e.AiraloAPIError, False),
    415: (e.AiraloAPIError, False),
    418: (e.AiraloAPIError, True),
    422: (e.AiraloRefusedError, False),
    429: (e.AiraloRateLimitError, False),
    500: (e.AiraloServerError, True),
    502: (e.AiraloServerError, True),
    503: (e.AiraloServiceUnavailableError, True),
    504: (e.AiraloServerError, True),
    599: (e.AiraloServerError, True),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_at_every_status(client: AiraloClient, server: ScriptedServer, shape: str) -> None:
    body, code, reason, field_errors = SHAPES[shape]
    for status, (kind, open_outcome) in STATUSES.items():
        if status == 304 and body != b"":
            continue  # such an answer has no body in HTTP
        error = refusal(client, server, Answer(status, body))

        expected = e.ERROR_FOR_CODE.get(code or 0, kind) if status in (400, 403, 422) else kind
        if shape in FOREIGN and status in (400, 403, 404, 405, 413, 415, 422):
            assert (type(error), error.status_code, error.may_have_acted) == (e.AiraloProxyError, status, True)
            assert (error.code, error.reason, error.field_errors) == (None, "", {})
            continue
        assert type(error) is expected, status
        assert (error.status_code, error.code, error.reason) == (status, code, reason)
        assert error.field_errors == field_errors
        assert error.retry_after is None
        assert error.may_have_acted is open_outcome, status
        assert f"HTTP {status}" in str(error)
        for field, message in field_errors.items():
            assert f"{field}: {message}".strip() in str(error)
    # Each went out once.
    assert len(server.requests("/v2/orders-async")) == len(STATUSES) - (body != b"")


@pytest.mark.parametrize("shape", sorted(FOREIGN))
@pytest.mark.parametrize("path", PURCHASES)
def test_a_proxys_page_is_never_a_refusal(
    make_client: MakeClient, server: ScriptedServer, path: str, shape: str
) -> None:
    for status in (400, 403, 404, 405, 413, 415, 422):
        server.on(path, Answer(status, SHAPES[shape][0]))
        with override_settings(AIRALO_RATE_LIMITS=NO_LIMITS), pytest.raises(e.AiraloProxyError) as caught:
            PURCHASES[path](make_client())

        assert not isinstance(caught.value, e.AiraloRefusedError | e.AiraloNotFoundError | e.AiraloPermissionError)
        assert (caught.value.status_code, caught.value.may_have_acted) == (status, True)
        assert f"HTTP {status}" in str(caught.value)
        assert e.AiraloProxyError.remedy in str(caught.value)


def test_proxy_page_for_get_raises_proxy_error(client: AiraloClient, server: ScriptedServer) -> None:
    for status in (400, 403, 404, 422):
        server.on("/v2/balance", Answer(status, "<html><title>Attention Required! | Cloudflare</title></html>"))
        with pytest.raises(e.AiraloProxyError) as caught:
            client.get_balance()
        assert caught.value.may_have_acted is False


@pytest.mark.parametrize("status", [400, 404, 409, 422, 500, 503])
def test_failed_get_may_not_have_acted(client: AiraloClient, server: ScriptedServer, status: int) -> None:
    server.on("/v2/balance", Answer(status, {"code": 53, "reason": "Something unexpected happened."}))

    with pytest.raises(e.AiraloAPIError) as caught:
        client.get_balance()

    assert caught.value.may_have_acted is False
    assert caught.value.code == 53


@pytest.mark.parametrize("status", [302, 307, 308])
def test_redirects_are_not_followed(client: AiraloClient, server: ScriptedServer, status: int) -> None:
    elsewhere = {"Location": f"{server.url}/elsewhere"}
    server.on("/elsewhere", Answer(200, {"data": {"request_id": "r"}}))
    server.on("/v2/balance", Answer(status, {}, elsewhere))

    error = refusal(client, server, Answer(status, {"data": {"request_id": "r"}}, elsewhere))
    with pytest.raises(e.AiraloAPIError) as caught:
        client.get_balance()

    assert (error.status_code, error.may_have_acted) == (status, True)
    assert (caught.value.status_code, caught.value.may_have_acted) == (status, False)
    assert server.requests("/elsewhere") == []


@pytest.mark.parametrize("status", [429, 503, 422])
@pytest.mark.parametrize(
    ("header", "seconds"),
    [("30", 30.0), (" 7 ", 7.0), ("0", 0.0), ("soon", None), ("-5", None), ("", None), ("1.5", None)],
)
def test_retry_after(
    client: AiraloClient, server: ScriptedServer, status: int, header: str, seconds: float | None
) -> None:
    error = refusal(client, server, Answer(status, {"message": "Too Many Attempts."}, {"Retry-After": header}))

    assert error.retry_after == seconds


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("Fri, 31 Dec 99999999999999999999 23:59:59 GMT", None),
        ("Fri, 99999999999999999999 Dec 2027 23:59:59 GMT", None),
        ("Fri, 31 Dec 2027 23:59:59 +99999999999999999999", None),
        ("Fri, 31 Dec 2027 99:99:99 GMT", None),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 365 * 24 * 3600.0),
        ("9" * 400, 365 * 24 * 3600.0),
    ],
)
def test_extreme_retry_after_is_limited(
    client: AiraloClient, server: ScriptedServer, header: str, seconds: float | None
) -> None:
    refusal(client, server, Answer(503, {}, {"Retry-After": "Fri, 31 Dec 2027 23:59:59 GMT", "Date": header}))
    error = refusal(client, server, Answer(503, {}, {"Retry-After": header}))

    assert error.retry_after == seconds
    assert datetime.now(UTC) + timedelta(seconds=error.retry_after or 0)  # there is such a date


def test_retry_after_as_a_date(client: AiraloClient, server: ScriptedServer) -> None:
    now = datetime.now(UTC)
    future = format_datetime(now + timedelta(seconds=90), usegmt=True)
    past = format_datetime(now - timedelta(seconds=90), usegmt=True)
    without_zone = (now + timedelta(seconds=90)).strftime("%a, %d %b %Y %H:%M:%S -0000")  # -0000: zone not known

    def told(value: str) -> float:
        wait = refusal(client, server, Answer(503, {}, {"Retry-After": value})).retry_after
        assert wait is not None
        return wait

    assert 80 < told(future) <= 90
    assert told(past) == 0
    assert 80 < told(without_zone) <= 90


def test_the_text_without_an_answer() -> None:
    assert str(e.AiraloAPIError()) == "Airalo answered with an error"
    assert str(e.AiraloAPIError("Said otherwise.", reason="no")) == "Said otherwise."
    assert str(e.InsufficientCreditError(status_code=422, code=11)) == (
        "Airalo answered HTTP 422, code 11 Top up the Airalo balance."
    )


def test_exception_classes_have_documented_parents() -> None:
    """What shops may catch."""
    assert issubclass(e.AiraloConfigurationError, ImproperlyConfigured)
    for name in (*e.ERROR_FOR_CODE.values(), e.AiraloConnectionError, e.AiraloTokenError, e.AiraloResponseError):
        assert issubclass(name, e.AiraloAPIError)
    assert not issubclass(e.UnexpectedAiraloError, e.AiraloRefusedError)  # it may have been carried out
    assert sorted(e.ERROR_FOR_CODE) == [code for code, *_ in CODES]
