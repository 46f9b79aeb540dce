"""Payloads of delivered eSIMs: usage, packages, and how to install them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .packages import PackageData
from .values import (
    Json,
    as_amount,
    as_bool,
    as_datetime,
    as_id,
    as_mapping,
    as_objects,
    as_text,
    as_texts,
    is_whole,
    unwrap,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class UsageData:
    """GET /v2/sims/{iccid}/usage. Data is in MB, voice in minutes, text in messages.

    ``status`` is ``NOT_ACTIVE``, ``ACTIVE``, ``FINISHED``, ``EXPIRED``, ``RECYCLED`` or ``UNKNOWN``. With
    ``is_unlimited``, ``remaining`` and ``total`` are meaningless: do not show them. Airalo updates the usage every 20
    minutes (60 in its sandbox).
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
            remaining=as_amount(data.get("remaining")),
            total=as_amount(data.get("total")),
            remaining_voice=as_amount(data.get("remaining_voice")),
            total_voice=as_amount(data.get("total_voice")),
            remaining_text=as_amount(data.get("remaining_text")),
            total_text=as_amount(data.get("total_text")),
            is_unlimited=as_bool(data.get("is_unlimited")),
            expired_at=as_datetime(data.get("expired_at")),
            raw=data,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class SimPackageData:
    """A row of GET /v2/sims/{iccid}/packages: a package bought for the eSIM. ``remaining`` is in MB."""

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
            id=as_id(data.get("id")),
            status=as_text(data.get("status")).upper(),
            remaining=as_amount(data.get("remaining")),
            activated_at=as_datetime(data.get("activated_at")),
            expired_at=as_datetime(data.get("expired_at")),
            finished_at=as_datetime(data.get("finished_at")),
            package=PackageData.from_json(as_mapping(data.get("package"))),
            raw=data,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class InstallationGuide:
    """How to install the eSIM on one kind of device: the steps in their order, as plain text.

    ``model`` and ``version`` (of the operating system, such as ``"15,14,13"``) are empty if the guide is for all.
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
    unread: tuple[str, ...]

    @classmethod
    def from_json(cls, data: Json) -> InstallationGuide:
        by_qr = as_mapping(data.get("installation_via_qr_code"))
        manual = as_mapping(data.get("installation_manual"))
        network = as_mapping(data.get("network_setup"))
        steps = {"qr_steps": by_qr, "manual_steps": manual, "network_steps": network}
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
            unread=tuple(
                name for name, part in steps.items() if not is_whole(part.get("steps"), as_texts(part.get("steps")))
            ),
        )

    def to_json(self) -> dict[str, Any]:
        """Return what was read, in the form in which Airalo sends it."""
        return {
            "model": self.model,
            "version": self.version,
            "installation_via_qr_code": {
                "steps": list(self.qr_steps),
                "qr_code_data": self.qr_code_data,
                "qr_code_url": self.qr_code_url,
                "direct_apple_installation_url": self.apple_installation_url,
            },
            "installation_manual": {
                "steps": list(self.manual_steps),
                "smdp_address_and_activation_code": self.smdp_address_and_activation_code,
            },
            "network_setup": {
                "steps": list(self.network_steps),
                "apn_type": self.apn_type,
                "apn_value": self.apn_value,
                "is_roaming": self.is_roaming,
            },
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class InstructionsData:
    """GET /v2/sims/{iccid}/instructions. ``language`` is as Airalo wrote it, such as ``EN``.

    ``unread`` names the lists of guides, and of steps in a guide, that could not be read completely.
    """

    language: str
    ios: tuple[InstallationGuide, ...]
    android: tuple[InstallationGuide, ...]
    unread: tuple[str, ...]
    raw: Json = field(repr=False)

    @classmethod
    def from_json(cls, document: Any) -> InstructionsData:
        data = as_mapping(unwrap(document))
        data = as_mapping(data.get("instructions")) or data
        ios, android = (
            tuple(InstallationGuide.from_json(guide) for guide in as_objects(data.get(system)))
            for system in ("ios", "android")
        )
        whole = {"ios": is_whole(data.get("ios"), ios), "android": is_whole(data.get("android"), android)}
        return cls(
            language=as_text(data.get("language")),
            ios=ios,
            android=android,
            unread=tuple(name for name, is_read in whole.items() if not is_read),
            raw=data,
        )

    def to_json(self) -> dict[str, Any]:
        """Return what was read, in the form in which Airalo sends it."""
        guides = {"ios": self.ios, "android": self.android}
        return {
            "language": self.language,
            **{system: [guide.to_json() for guide in found] for system, found in guides.items()},
        }
