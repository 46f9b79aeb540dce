"""What the client's tests share: invented credentials and documented answers with values of our own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from django_airalo import __version__
from django_airalo.client import AiraloClient
from django_airalo.client.payloads import EsimVoucherRequest, TokenData
from tests.scripted_server import Answer, Request, ScriptedServer

MakeClient = Callable[..., AiraloClient]

CLIENT_ID = "the-client-id"
CLIENT_SECRET = "the-client-secret-0123456789"
#: Time-outs for connecting and for the answer. Where none is expected to pass, they are longer than any pause of a busy
#: machine on which server and client are one process; a test of a time-out sets its own.
PATIENT = (10.0, 30.0)
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


def sent(server: ScriptedServer, method: str, path: str) -> Request:
    """The one request of this path; checks what every request must have."""
    (request,) = server.requests(path)
    assert request.method == method
    assert request.headers["authorization"] == f"Bearer {token(1)}"
    assert request.headers["accept"] == "application/json"
    assert request.headers["user-agent"] == f"django-airalo/{__version__}"
    return request


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
SIM_SECRETS = (
    "MATCHING-SECRET",
    "QR-SECRET",
    "CONFIRMATION-SECRET",
    "lpa.example.com",
    "IMSI-SECRET",
    "AIRALO-CODE",
    "VOUCHER-SECRET",
    "SHARING-LINK",
    "SHARING-CODE",
    "PERSON",
    "person@example.com",
)

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


SHARING = {"link": "https://example.com/esims/SHARING-LINK", "access_code": "SHARING-CODE"}
#: As GET /v2/sims/{iccid} has it.
FULL_SIM = {
    **SIM,
    "imsis": ["IMSI-SECRET"],
    "airalo_code": "AIRALO-CODE",
    "voucher_code": "VOUCHER-SECRET",
    "brand_settings_name": "Our Brand",
    "recycled": True,
    "recycled_at": "2026-05-06 07:08:09",
    "simable": {
        **{key: value for key, value in ORDER.items() if key != "sims"},
        "installation_guides": {"en": "https://example.com/help"},
        "user": {
            "id": 120,
            "created_at": "2026-01-01 00:00:00",
            "name": "PERSON",
            "email": "person@example.com",
            "mobile": None,
            "address": None,
            "state": None,
            "city": None,
            "postal_code": None,
            "country_id": None,
            "company": "Shop Ltd",
        },
        "sharing": SHARING,
    },
}
USAGE = {
    "remaining": 767,
    "total": "2048",
    "expired_at": "2026-01-09 00:00:00",
    "is_unlimited": False,
    "status": "ACTIVE",
    "remaining_voice": 5,
    "remaining_text": "6",
    "total_voice": 10,
    "total_text": 20,
}
SIM_PACKAGE = {
    "id": 728,
    "status": "ACTIVE",
    "remaining": 2378,
    "activated_at": "2026-01-02T03:04:05+00:00",
    "expired_at": "2026-02-02T03:04:05+00:00",
    "finished_at": None,
    "package": PACKAGE,
}
GUIDE = {
    "model": "Example 1",
    "version": "17,16",
    "installation_via_qr_code": {
        "steps": {"2": "Scan.", "10": "Done.", "1": "Open the settings."},
        "qr_code_data": "LPA:1$lpa.example.com$MATCHING-SECRET",
        "qr_code_url": "https://example.com/qr?signature=QR-SECRET",
        "direct_apple_installation_url": "https://example.com/apple?carddata=MATCHING-SECRET",
    },
    "installation_manual": {
        "steps": {"1": "Enter the code."},
        "smdp_address_and_activation_code": "LPA:1$lpa.example.com$MATCHING-SECRET",
    },
    "network_setup": {"steps": {"1": "Turn it on."}, "apn_type": "manual", "apn_value": "a", "is_roaming": True},
}
INSTRUCTIONS = {"data": {"instructions": {"language": "EN", "ios": [GUIDE], "android": [GUIDE]}}, "meta": META}
SCHEDULED = {
    "request_id": "9_rK4-KGgz8n71eGgdNS5cV7Y",
    "due_date": "2026-03-28 10:00",
    "latest_cancellation_date": "2026-03-27 10:00",
}
FUTURE_ORDER = {**SCHEDULED, "quantity": 1, "description": "REF", "status": "pending", "package_id": PACKAGE["id"]}
ESIM_VOUCHERS = [
    {"package_id": "a", "codes": ["VOUCHER-SECRET", "VOUCHER-SECRET-2"], "booking_reference": "123"},
    {"package_id": "b", "codes": ["VOUCHER-SECRET-3"], "booking_reference": 123},
]
AIRMONEY = {
    "id": 8,
    "code": "VOUCHER-SECRET",
    "usage_limit": 40,
    "amount": 22.5,
    "is_paid": False,
    "created_at": "2026-01-02 03:04:05",
}
REFUND = {"refund_id": "12345", "created_at": "2026-01-02 03:04"}
RATES = {
    "date": "2026-01-30",
    "rates": [{"from": "USD", "mid": "1.6059162", "to": "AUD"}, {"from": "usd", "mid": 0.5, "to": "GBP"}],
}
PRODUCT_INFORMATION = {
    "package_id": "test-land-7days-1gb",
    "product_name": "1 GB - 7 Tage",
    "product_description": "1 GB - 7 Tage",
    "date_marketed": None,
    "service_internet": True,
    "service_telephony": False,
    "service_sms": False,
    "network_providers": ["Testcom"],
    "network_technologies": ["5G"],
    "data_allowance_mb": "1024",
    "data_allowance_display": "1 GB",
    "validity_days": 7,
    "voice_minutes": 0,
    "sms_included": 0,
    "retail_price_eur": "10.12",
    "max_download_speed_mbit": "20000",
    "max_upload_speed_mbit": "10000",
    "throttled_download_speed_mbit": "1 Mbps",
    "throttled_upload_speed_mbit": "1 Mbps",
    "throttle_threshold_mb": 3072,
    "is_unlimited": False,
    "is_fair_usage_policy": True,
    "fair_usage_policy": "Langsamer nach 3 GB am Tag.",
    "out_of_bundle_rate_eur_per_mb": "Not applicable",
    "activation_policy": "first-usage",
    "is_roaming": True,
    "auto_renewal": "Nein",
    "terms_url": "https://example.com/terms",
    "partner_brand_name": "Shop",
    "partner_logo_url": "https://example.com/logo.png",
    "legal_entity_name": "Shop Ltd",
    "legal_address": "1 Example Street",
    "pib_version": 1,
    "pib_version_date": "2026-06-29T11:34:59+00:00",
    "version_hash": "59b0",
    "pib_version_pdf_link": "https://example.com/1.pdf",
}
DEVICES = [{"os": "ios", "brand": "Apple", "name": "iPhone 12"}, {"os": "android", "brand": "bq", "name": "X2"}]


#: All that spends money, or asks people at Airalo for it, by path.
PURCHASES: dict[str, Callable[[AiraloClient], Any]] = {
    "/v2/orders-async": lambda client: client.submit_order_async(package_id="p", quantity=1),
    "/v2/orders": lambda client: client.submit_order(package_id="p", quantity=1),
    "/v2/orders/topups": lambda client: client.submit_topup(package_id="p", iccid="1"),
    "/v2/future-orders": lambda client: client.submit_future_order(
        package_id="p", quantity=1, due_date=datetime(2026, 3, 28, tzinfo=UTC)
    ),
    "/v2/voucher/esim": lambda client: client.create_esim_vouchers([EsimVoucherRequest(package_id="p", quantity=1)]),
    "/v2/voucher/airmoney": lambda client: client.create_airmoney_voucher(
        amount=1, quantity=1, usage_limit=1, is_paid=True
    ),
    "/v2/refund": lambda client: client.request_refund(iccids=["1"], reason="OTHERS"),
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


#: What may go wrong with an answer, each as a scripted one.
FAILURES = {
    "500": Answer(500, {"data": []}),
    "502 with HTML": Answer(502, "<html>Bad Gateway</html>"),
    "503": Answer(503, {}, {"Retry-After": "0"}),
    "504": Answer(504, b""),
    "429": Answer(429, {"message": "Too Many Attempts."}, {"Retry-After": "0"}),
    "closed": Answer(drop="close"),
    "reset": Answer(drop="reset"),
    "reset unread": Answer(drop="unread"),
    "time-out": Answer(202, ACCEPTED, delay=60),
    "cut-off headers": Answer(garbage=b"HTTP/1.1 202 Acc"),
    "no HTTP": Answer(garbage=b"hello\r\n\r\n"),
    "cut-off body": Answer(202, ACCEPTED, cut=20),
    "body stops": Answer(202, ACCEPTED, drip=60),
    "bad chunks": Answer(garbage=b"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
    "bad gzip": Answer(202, b"not gzip", {"Content-Encoding": "gzip"}),
}
