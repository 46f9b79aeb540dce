"""What the client's tests share: invented credentials and documented answers with values of our own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from django_airalo.client import AiraloClient
from django_airalo.client.payloads import TokenData
from tests.scripted_server import Answer

MakeClient = Callable[..., AiraloClient]

CLIENT_ID = "the-client-id"
CLIENT_SECRET = "the-client-secret-0123456789"
#: In every token, so that a search finds any of them.
TOKEN_MARK = "do-not-log-this-token"

META = {"message": "success"}


def token(number: int) -> str:
    """The token that the scripted server gives out as its ``number``-th."""
    return f"{TOKEN_MARK}-{number}"


def token_answer(number: int, **data: Any) -> Answer:
    """The documented answer of POST /v2/token; keywords change its ``data``."""
    document = {"token_type": "Bearer", "expires_in": 31622400, "access_token": token(number), **data}
    return Answer(200, {"data": document, "meta": META})


ACCEPTED = {"data": {"request_id": "Zq-7_aB3dEfGhIjKlMnOpQrSt", "accepted_at": "2026-01-02 03:04:05"}, "meta": META}

SIM = {
    "id": 70001,
    "created_at": "2026-01-02 03:04:05",
    "iccid": "8900000000000000123",
    "lpa": "lpa.example.com",
    "imsis": None,
    "matching_id": "MATCHING-SECRET",
    "qrcode": "LPA:1$lpa.example.com$MATCHING-SECRET",
    "qrcode_url": "https://example.com/qr?expires=1&signature=QR-SECRET",
    "direct_apple_installation_url": "https://example.com/apple?carddata=LPA:1$lpa.example.com$MATCHING-SECRET",
    "airalo_code": None,
    "apn_type": "manual",
    "apn_value": "internet.example",
    "apn": {
        "ios": {"apn_type": "automatic", "apn_value": None},
        "android": {"apn_type": "manual", "apn_value": "internet.example"},
    },
    "is_roaming": True,
    "confirmation_code": "CONFIRMATION-SECRET",
    "msisdn": None,
}
SIM_SECRETS = ("MATCHING-SECRET", "QR-SECRET", "CONFIRMATION-SECRET", "lpa.example.com")

ORDER = {
    "id": 9001,
    "code": "20260102-009001",
    "currency": "USD",
    "package_id": "test-land-7days-1gb",
    "quantity": "2",
    "type": "sim",
    "description": "REF-1 for a customer",
    "esim_type": "Prepaid",
    "validity": "7",
    "package": "Test Land-1 GB - 7 Days",
    "data": "1 GB",
    "price": "9.50",
    "created_at": "2026-01-02 03:04:05",
    "manual_installation": "<p>Type in <b>MATCHING-SECRET</b>.</p>",
    "qrcode_installation": "<p>Scan LPA:1$lpa.example.com$MATCHING-SECRET.</p>",
    "text": None,
    "voice": None,
    "net_price": 7.25,
    "sims": [SIM],
    "status": {"name": "Completed", "slug": "completed"},
}


def page(data: Any, *, current: Any = 1, last: Any = 1, total: Any = 1) -> dict[str, Any]:
    """A page of a list, as Laravel writes it."""
    return {
        "data": data,
        "links": {"first": "https://example.com?page=1", "last": None, "prev": None, "next": None},
        "meta": {"message": "success", "current_page": current, "last_page": last, "per_page": "50", "total": total},
    }


PACKAGE = {
    "id": "test-land-7days-1gb",
    "type": "sim",
    "price": 9.5,
    "net_price": "7.25",
    "amount": 1024,
    "day": 7,
    "is_unlimited": False,
    "title": "1 GB - 7 Days",
    "data": "1 GB",
    "voice": None,
    "text": "10",
    "short_info": None,
    "prices": {"net_price": {"USD": 7.25}, "recommended_retail_price": {"USD": 9.5}},
}
LOCATION = {
    "slug": "test-land",
    "country_code": "tl",
    "title": "Test Land",
    "image": {"width": 132, "height": 99, "url": "https://example.com/tl.png"},
    "operators": [
        {
            "id": "801",
            "title": "Téstcom",
            "type": "local",
            "plan_type": "data",
            "activation_policy": "first-usage",
            "is_kyc_verify": 0,
            "rechargeability": "true",
            "coverages": [{"name": "Test Land", "code": "TL", "networks": [{"name": "Test", "types": ["LTE"]}]}],
            "packages": [PACKAGE],
        }
    ],
}


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """An exception and everything it was raised from or beside."""
    seen: set[int] = set()
    queue = [error]
    while queue:
        current = queue.pop()
        if current is not None and id(current) not in seen:
            seen.add(id(current))
            yield current
            queue += [current.__cause__, current.__context__]


def assert_no_secret(error: BaseException) -> None:
    """Neither the error nor anything in its chain shows a token or the client secret."""
    for link in chain(error):
        for text in (str(link), repr(link)):
            assert TOKEN_MARK not in text
            assert CLIENT_SECRET not in text


def seed_token(client: AiraloClient) -> None:
    """Put a token into the client's cache, as if another process had got it while Airalo could be reached."""
    client._tokens._fetch = lambda: TokenData(access_token=token(1), expires_in=3600)
    client.get_token()
