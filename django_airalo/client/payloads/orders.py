"""Orders and the eSIMs in them."""

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
    as_objects,
    as_request_id,
    as_text,
    as_texts,
    unwrap,
)

#: eSIMs of an order that are read. Airalo sells 50 at once; a webhook has room for 60,000, which would take minutes.
MAX_SIMS = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class AcceptedOrder:
    """The 202 of POST /v2/orders-async: the order is on its way."""

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
    """POST /v2/future-orders: Airalo will fulfil the order at ``due_date``; it may be cancelled until the other."""

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
    """A row of GET /v2/future-orders. ``status`` is ``pending``, ``failed`` or ``retry``: fulfilled ones are gone."""

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
    """The user of the Partner Platform who ordered (``include=user``): the shop's, never a customer of it."""

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
    """One eSIM: of an order, of GET /v2/sims or of GET /v2/sims/{iccid}. ``iccid`` is empty if Airalo sent none.

    ``order`` is what Airalo calls the eSIM's ``simable``: the order that it came with, without its eSIMs; ``None``
    inside an order, and unless asked for with ``include=order``. ``recycled`` is ``None`` where Airalo does not say.
    ``sharing_link`` and ``sharing_access_code`` open Airalo's page with the eSIM; anybody who has both can install it.
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
        """Read an eSIM, enveloped or not. ``of_order``: it is inside an order, so it has none of its own."""
        data = as_mapping(document if of_order else unwrap(document))
        # Never deeper than eSIM, order: documents could nest without end.
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
    """An order as POST /v2/orders, /v2/orders/topups, GET /v2/orders, /v2/orders/{id} and the async webhook give it.

    ``status`` is the slug (``completed``, ``failed``, ``refunded``, ``partially_refunded``); empty unless asked for
    with ``include=status``. ``validity`` is in days, ``voice`` in minutes, ``text`` in messages; ``package`` is the
    package's title. ``net_price`` is ``None`` under Airalo's ``discount_pricing``, which has ``discount_percentage``,
    ``discount_amount``, ``unit_paid_price`` and ``total_amount_paid`` in its stead. The instructions are HTML as Airalo
    sent it, ``MAX_INSTRUCTIONS`` characters at most; ``django_airalo.html.safe_html`` makes it fit to be shown.
    ``installation_guides`` are addresses by language. A top-up has no ``sims``.
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
        data = as_mapping(unwrap(document))
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
            sims=tuple(SimData.from_json(sim, of_order=True) for sim in as_objects(data.get("sims"))[:MAX_SIMS]),
            raw=data,
        )
