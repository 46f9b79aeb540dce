"""What becomes of an eSIM: usage, packages, and how to install it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .packages import PackageData
from .values import Json, as_bool, as_datetime, as_int, as_mapping, as_objects, as_text, as_texts, unwrap


@dataclass(frozen=True, kw_only=True, slots=True)
class UsageData:
    """GET /v2/sims/{iccid}/usage. Data is in MB, voice in minutes, text in messages.

    ``status`` is ``NOT_ACTIVE``, ``ACTIVE``, ``FINISHED``, ``EXPIRED``, ``RECYCLED`` or ``UNKNOWN``. With
    ``is_unlimited``, ``remaining`` and ``total`` say nothing: do not show them. Airalo renews all this every 20 minutes
    (60 in its sandbox).
    """

    status: str
    remaining: int | None
    total: int | None
    remaining_voice: int | None
    total_voice: int | None
    remaining_text: int | None
    total_text: int | None
    is_unlimited: bool | None
    expired_at: datetime | None
    raw: Json = field(repr=False)

    @classmethod
    def from_json(cls, document: Any) -> UsageData:
        data = as_mapping(unwrap(document))
        return cls(
            status=as_text(data.get("status")).upper(),
            remaining=as_int(data.get("remaining")),
            total=as_int(data.get("total")),
            remaining_voice=as_int(data.get("remaining_voice")),
            total_voice=as_int(data.get("total_voice")),
            remaining_text=as_int(data.get("remaining_text")),
            total_text=as_int(data.get("total_text")),
            is_unlimited=as_bool(data.get("is_unlimited")),
            expired_at=as_datetime(data.get("expired_at")),
            raw=data,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class SimPackageData:
    """A row of GET /v2/sims/{iccid}/packages: a package that was bought for the eSIM. ``remaining`` is in MB."""

    id: int | None
    status: str
    remaining: int | None
    activated_at: datetime | None
    expired_at: datetime | None
    finished_at: datetime | None
    package: PackageData
    raw: Json = field(repr=False)

    @classmethod
    def from_json(cls, data: Json) -> SimPackageData:
        return cls(
            id=as_int(data.get("id")),
            status=as_text(data.get("status")).upper(),
            remaining=as_int(data.get("remaining")),
            activated_at=as_datetime(data.get("activated_at")),
            expired_at=as_datetime(data.get("expired_at")),
            finished_at=as_datetime(data.get("finished_at")),
            package=PackageData.from_json(as_mapping(data.get("package"))),
            raw=data,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class InstallationGuide:
    """How to install the eSIM on devices of one kind: steps in the order in which they are done, as plain text.

    ``model`` and ``version`` (of the system, e.g. ``"15,14,13"``) are empty where the guide is for all.
    """

    model: str
    version: str
    qr_steps: tuple[str, ...] = field(repr=False)
    qr_code_data: str = field(repr=False)
    qr_code_url: str = field(repr=False)
    apple_installation_url: str = field(repr=False)
    manual_steps: tuple[str, ...] = field(repr=False)
    smdp_address_and_activation_code: str = field(repr=False)
    network_steps: tuple[str, ...] = field(repr=False)
    apn_type: str
    apn_value: str
    is_roaming: bool | None

    @classmethod
    def from_json(cls, data: Json) -> InstallationGuide:
        by_qr = as_mapping(data.get("installation_via_qr_code"))
        manual = as_mapping(data.get("installation_manual"))
        network = as_mapping(data.get("network_setup"))
        return cls(
            model=as_text(data.get("model")),
            version=as_text(data.get("version")),
            qr_steps=as_texts(by_qr.get("steps")),
            qr_code_data=as_text(by_qr.get("qr_code_data")),
            qr_code_url=as_text(by_qr.get("qr_code_url")),
            apple_installation_url=as_text(by_qr.get("direct_apple_installation_url")),
            manual_steps=as_texts(manual.get("steps")),
            smdp_address_and_activation_code=as_text(manual.get("smdp_address_and_activation_code")),
            network_steps=as_texts(network.get("steps")),
            apn_type=as_text(network.get("apn_type")),
            apn_value=as_text(network.get("apn_value")),
            is_roaming=as_bool(network.get("is_roaming")),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class InstructionsData:
    """GET /v2/sims/{iccid}/instructions. ``language`` is as Airalo wrote it, e.g. ``EN``."""

    language: str
    ios: tuple[InstallationGuide, ...]
    android: tuple[InstallationGuide, ...]
    raw: Json = field(repr=False)

    @classmethod
    def from_json(cls, document: Any) -> InstructionsData:
        data = as_mapping(unwrap(document))
        data = as_mapping(data.get("instructions")) or data
        return cls(
            language=as_text(data.get("language")),
            ios=tuple(InstallationGuide.from_json(guide) for guide in as_objects(data.get("ios"))),
            android=tuple(InstallationGuide.from_json(guide) for guide in as_objects(data.get("android"))),
            raw=data,
        )
