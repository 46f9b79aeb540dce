"""Payloads of orders and their eSIMs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django_airalo.exceptions import PayloadError

from .packages import MAX_INSTRUCTIONS, apn_settings
from .values import (
    Json,
    as_bool,
    as_datetime,
    as_decimal,
    as_int,
    as_mapping,
    as_request_id,
    as_text,
    as_texts,
    unwrap,
)

#: The most eSIMs of an order that are read. Airalo sells 50 at once; a webhook could hold 60,000, taking minutes.
MAX_SIMS = 200

#: An object with one of these fields is an order.
_ORDER_FIELDS = ("sims", "package_id", "quantity")
#: An object with one of these fields is an eSIM.
_SIM_FIELDS = ("iccid", "qrcode", "matching_id", "lpa", "direct_apple_installation_url")


def _sims(value: Any) -> list[Json]:
    """Return the eSIMs of an order, from a list, an object keyed by index, or a single eSIM; also inside ``data``.

    An item that is not an eSIM becomes an empty one, so that the number of eSIMs is right.
    """
    value = unwrap(value)
    if isinstance(value, Mapping):
        value = [value] if any(name in value for name in _SIM_FIELDS) else list(value.values())
    if not isinstance(value, list):
        value = [] if value in (None, "", False) else [value]
    return [_sim(item) for item in value]


def order_in(document: Any) -> Json:
    """Return the order in a response or a webhook.

    It is in ``data``, alone or as the only item of a list; otherwise at the top level. An order has its own ``data``,
    which is text as far as Airalo documents it. If that is an object, it is not mistaken for an envelope.
    """
    outer, inner = as_mapping(document), unwrap(document)
    if isinstance(inner, list) and len(inner) == 1:
        inner = inner[0]
    inner = as_mapping(inner)
    is_on_top = any(name in outer for name in _ORDER_FIELDS) and not any(name in inner for name in _ORDER_FIELDS)
    return outer if is_on_top else inner


def _sim(item: Any) -> Json:
    if isinstance(item, str) and item.startswith("LPA:"):
        return {"qrcode": item}
    return as_mapping(item)


@dataclass(frozen=True, kw_only=True, slots=True)
class AcceptedOrder:
    """The 202 of POST /v2/orders-async: Airalo has accepted the order."""

    request_id: str
    accepted_at: datetime | None

    @classmethod
    def from_json(cls, document: Any) -> AcceptedOrder:
        data = as_mapping(unwrap(document))
        request_id = as_request_id(data.get("request_id"))
        if not request_id:
            raise PayloadError("The answer to POST /v2/orders-async has no data.request_id.")
        return cls(request_id=request_id, accepted_at=as_datetime(data.get("accepted_at")))


@dataclass(frozen=True, kw_only=True, slots=True)
class ScheduledOrder:
    """POST /v2/future-orders. The order can be cancelled until ``latest_cancellation_date``."""

    request_id: str
    due_date: datetime | None
    latest_cancellation_date: datetime | None

    @classmethod
    def from_json(cls, document: Any) -> ScheduledOrder:
        data = as_mapping(unwrap(document))
        request_id = as_request_id(data.get("request_id"))
        if not request_id:
            raise PayloadError("The answer to POST /v2/future-orders has no data.request_id.")
        return cls(
            request_id=request_id,
            due_date=as_datetime(data.get("due_date")),
            latest_cancellation_date=as_datetime(data.get("latest_cancellation_date")),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class FutureOrderData:
    """A row of GET /v2/future-orders. ``status`` is ``pending``, ``failed`` or ``retry``, never fulfilled."""

    request_id: str
    quantity: int | None
    description: str
    status: str
    package_id: str
    due_date: datetime | None
    latest_cancellation_date: datetime | None
    raw: Json = field(repr=False)

    @classmethod
    def from_json(cls, data: Json) -> FutureOrderData:
        return cls(
            request_id=as_request_id(data.get("request_id")),
            quantity=as_int(data.get("quantity")),
            description=as_text(data.get("description")),
            status=as_text(data.get("status")),
            package_id=as_text(data.get("package_id")),
            due_date=as_datetime(data.get("due_date")),
            latest_cancellation_date=as_datetime(data.get("latest_cancellation_date")),
            raw=data,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class UserData:
    """The user of the Partner Platform who ordered (``include=user``): one of the shop, never a customer."""

    id: int | None
    created_at: datetime | None
    name: str = field(repr=False)
    email: str = field(repr=False)
    mobile: str = field(repr=False)
    address: str = field(repr=False)
    state: str = field(repr=False)
    city: str = field(repr=False)
    postal_code: str = field(repr=False)
    country_id: int | None
    company: str

    @classmethod
    def from_json(cls, data: Any) -> UserData | None:
        if not (data := as_mapping(data)):
            return None
        return cls(
            id=as_int(data.get("id")),
            created_at=as_datetime(data.get("created_at")),
            name=as_text(data.get("name")),
            email=as_text(data.get("email")),
            mobile=as_text(data.get("mobile")),
            address=as_text(data.get("address")),
            state=as_text(data.get("state")),
            city=as_text(data.get("city")),
            postal_code=as_text(data.get("postal_code")),
            country_id=as_int(data.get("country_id")),
            company=as_text(data.get("company")),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class SimData:
    """One eSIM of an order, of GET /v2/sims or of GET /v2/sims/{iccid}. ``iccid`` is empty if Airalo sent none.

    ``order`` is the order of the eSIM without its eSIMs, which Airalo calls ``simable``. It is ``None`` inside an
    order, and unless requested with ``include=order``. ``recycled`` is ``None`` if Airalo does not say.
    ``sharing_link`` and ``sharing_access_code`` open Airalo's page of the eSIM; anyone who has both can install it.
    """

    id: int | None
    created_at: datetime | None
    iccid: str
    imsis: tuple[str, ...] = field(repr=False)
    smdp_address: str = field(repr=False)
    matching_id: str = field(repr=False)
    activation_code: str = field(repr=False)
    confirmation_code: str = field(repr=False)
    qrcode_url: str = field(repr=False)
    apple_installation_url: str = field(repr=False)
    airalo_code: str = field(repr=False)
    voucher_code: str = field(repr=False)
    msisdn: str = field(repr=False)
    apn: Json
    is_roaming: bool | None
    brand_settings_name: str
    recycled: bool | None
    recycled_at: datetime | None
    sharing_link: str = field(repr=False)
    sharing_access_code: str = field(repr=False)
    order: OrderData | None
    raw: Json = field(repr=False)

    @classmethod
    def from_json(cls, document: Any, *, of_order: bool = False) -> SimData:
        """Read an eSIM, with or without an envelope. ``of_order`` says that it is inside an order."""
        data = as_mapping(document if of_order else unwrap(document))
        # An eSIM's order is read without eSIMs, since documents could be nested without end.
        simable = {} if of_order else as_mapping(data.get("simable"))
        order = OrderData.from_json({**simable, "sims": []}) if simable else None
        sharing = as_mapping(data.get("sharing")) or as_mapping(simable.get("sharing"))
        return cls(
            id=as_int(data.get("id")),
            created_at=as_datetime(data.get("created_at")),
            iccid=as_text(data.get("iccid")),
            imsis=as_texts(data.get("imsis")),
            smdp_address=as_text(data.get("lpa")),
            matching_id=as_text(data.get("matching_id")),
            activation_code=as_text(data.get("qrcode")),
            confirmation_code=as_text(data.get("confirmation_code")),
            qrcode_url=as_text(data.get("qrcode_url")),
            apple_installation_url=as_text(data.get("direct_apple_installation_url")),
            airalo_code=as_text(data.get("airalo_code")),
            voucher_code=as_text(data.get("voucher_code")),
            msisdn=as_text(data.get("msisdn")),
            apn=apn_settings(data),
            is_roaming=as_bool(data.get("is_roaming")),
            brand_settings_name=as_text(data.get("brand_settings_name")),
            recycled=as_bool(data.get("recycled")),
            recycled_at=as_datetime(data.get("recycled_at")),
            sharing_link=as_text(sharing.get("link")),
            sharing_access_code=as_text(sharing.get("access_code")),
            order=order,
            raw=data,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class OrderData:
    """An order of POST /v2/orders, /v2/orders/topups, GET /v2/orders, /v2/orders/{id} or the webhook of async orders.

    ``status`` is the slug (``completed``, ``failed``, ``refunded`` or ``partially_refunded``); empty unless requested
    with ``include=status``. ``validity`` is in days, ``voice`` in minutes, ``text`` in messages. ``package`` is the
    title of the package. Under Airalo's ``discount_pricing``, ``net_price`` is ``None``, and ``discount_percentage``,
    ``discount_amount``, ``unit_paid_price`` and ``total_amount_paid`` are given instead. The instructions are HTML as
    Airalo sent it, at most ``MAX_INSTRUCTIONS`` characters; sanitise it with ``django_airalo.html.safe_html``.
    ``installation_guides`` are URLs by language. A top-up has no ``sims``.
    """

    id: int | None
    code: str
    request_id: str
    package_id: str
    package: str
    quantity: int | None
    type: str
    description: str
    status: str
    esim_type: str
    data: str
    voice: int | None
    text: int | None
    currency: str
    price: Decimal | None
    net_price: Decimal | None
    pricing_model: str
    discount_percentage: Decimal | None
    discount_amount: Decimal | None
    unit_paid_price: Decimal | None
    total_amount_paid: Decimal | None
    validity: int | None
    created_at: datetime | None
    brand_settings_name: str
    manual_installation: str = field(repr=False)
    qrcode_installation: str = field(repr=False)
    installation_guides: dict[str, str] = field(repr=False)
    sharing_link: str = field(repr=False)
    sharing_access_code: str = field(repr=False)
    user: UserData | None
    sims: tuple[SimData, ...]
    raw: Json = field(repr=False)

    @classmethod
    def from_json(cls, document: Any) -> OrderData:
        data = order_in(document)
        outer = as_mapping(document)
        status = data.get("status")
        sharing = as_mapping(data.get("sharing"))
        guides = as_mapping(data.get("installation_guides"))
        return cls(
            id=as_int(data.get("id")),
            code=as_text(data.get("code")),
            request_id=as_request_id(outer.get("request_id")) or as_request_id(data.get("request_id")),
            package_id=as_text(data.get("package_id")),
            package=as_text(data.get("package")),
            quantity=as_int(data.get("quantity")),
            type=as_text(data.get("type")),
            description=as_text(data.get("description")),
            status=as_text(status.get("slug")) if isinstance(status, Mapping) else as_text(status),
            esim_type=as_text(data.get("esim_type")),
            data=as_text(data.get("data")),
            voice=as_int(data.get("voice")),
            text=as_int(data.get("text")),
            currency=as_text(data.get("currency")),
            price=as_decimal(data.get("price")),
            net_price=as_decimal(data.get("net_price")),
            pricing_model=as_text(data.get("pricing_model")),
            discount_percentage=as_decimal(data.get("discount_percentage")),
            discount_amount=as_decimal(data.get("discount_amount")),
            unit_paid_price=as_decimal(data.get("unit_paid_price")),
            total_amount_paid=as_decimal(data.get("total_amount_paid")),
            validity=as_int(data.get("validity")),
            created_at=as_datetime(data.get("created_at")),
            brand_settings_name=as_text(data.get("brand_settings_name")),
            manual_installation=as_text(data.get("manual_installation"))[:MAX_INSTRUCTIONS],
            qrcode_installation=as_text(data.get("qrcode_installation"))[:MAX_INSTRUCTIONS],
            installation_guides={as_text(key): as_text(value) for key, value in guides.items()},
            sharing_link=as_text(sharing.get("link")),
            sharing_access_code=as_text(sharing.get("access_code")),
            user=UserData.from_json(data.get("user")),
            sims=tuple(SimData.from_json(sim, of_order=True) for sim in _sims(data.get("sims"))[:MAX_SIMS]),
            raw=data,
        )
