from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from rest_framework import serializers

from django_airalo.client.payloads import InstallationGuide
from django_airalo.models import Esim, EsimInstructions, EsimOrder, EsimPackage, UsageRecord
from django_airalo.models.usage import Allowance, UsageFields

if TYPE_CHECKING:
    OrderSerializerBase = serializers.ModelSerializer[EsimOrder]
    EsimSerializerBase = serializers.ModelSerializer[Esim]
    EsimPackageSerializerBase = serializers.ModelSerializer[EsimPackage]
else:
    OrderSerializerBase = EsimSerializerBase = EsimPackageSerializerBase = serializers.ModelSerializer


def allowance(given: Allowance) -> dict[str, Any] | None:
    """Return data in MB, voice in minutes, or texts; ``None`` if the eSIM has no such allowance or it is unknown."""
    if not given:
        return None
    amounts = {"remaining": None, "total": None} if given.is_unlimited else vars(given)
    return {
        "is_unlimited": given.is_unlimited,
        "remaining": amounts["remaining"],
        "total": amounts["total"],
        "percentage": given.percentage,
        "text": str(given),
    }


def usage(row: UsageFields) -> dict[str, Any]:
    """Return the remaining allowances of an eSIM, or of a record of its history."""
    return {"data": allowance(row.data), "voice": allowance(row.voice), "texts": allowance(row.text)}


def usage_record(record: UsageRecord) -> dict[str, Any]:
    """Return one change of an eSIM's usage."""
    return {
        "created_at": record.created_at,
        "source": record.source,
        "status": record.status,
        "level": record.level,
        "is_stale": record.is_stale,
        **usage(record),
    }


def instructions(stored: EsimInstructions) -> dict[str, Any]:
    """Return the steps for installing an eSIM, without links to Airalo."""
    return {
        "language": stored.language,
        "fetched_at": stored.fetched_at,
        "ios": [_guide(guide) for guide in stored.guides.ios],
        "android": [_guide(guide) for guide in stored.guides.android],
    }


def _guide(guide: InstallationGuide) -> dict[str, Any]:
    names = (
        "model",
        "version",
        "qr_steps",
        "qr_code_data",
        "apple_installation_url",
        "manual_steps",
        "smdp_address_and_activation_code",
        "network_steps",
        "apn_type",
        "apn_value",
        "is_roaming",
    )
    return {name: getattr(guide, name) for name in names}


class EsimPackageSerializer(EsimPackageSerializerBase):
    """A package on an eSIM."""

    data_left: serializers.SerializerMethodField = serializers.SerializerMethodField()

    class Meta:
        model = EsimPackage
        fields: ClassVar[tuple[str, ...]] = (
            "package_id",
            "type",
            "title",
            "status",
            "data_left",
            "activated_at",
            "expires_at",
            "finished_at",
        )
        read_only_fields = fields

    def get_data_left(self, package: EsimPackage) -> dict[str, Any] | None:
        return allowance(package.data)


class EsimSerializer(EsimSerializerBase):
    """An eSIM without its secrets."""

    id: serializers.UUIDField = serializers.UUIDField(source="public_id", read_only=True)
    order: serializers.CharField = serializers.CharField(source="order.reference", read_only=True)
    package_id: serializers.CharField = serializers.CharField(source="order.package_id", read_only=True)
    usage: serializers.SerializerMethodField = serializers.SerializerMethodField()

    class Meta:
        model = Esim
        fields: tuple[str, ...] = (
            "id",
            "iccid",
            "order",
            "package_id",
            "msisdn",
            "apn",
            "is_roaming",
            "created_at",
            "usage_status",
            "usage",
            "expires_at",
            "usage_synced_at",
        )
        read_only_fields = fields

    def get_usage(self, esim: Esim) -> dict[str, Any]:
        return usage(esim)


class EsimDetailSerializer(EsimSerializer):
    """One eSIM with its packages and the codes to install it."""

    packages: EsimPackageSerializer = EsimPackageSerializer(many=True, read_only=True)

    class Meta(EsimSerializer.Meta):
        fields: tuple[Any, ...] = (
            *EsimSerializer.Meta.fields,
            "packages",
            "smdp_address",
            "matching_id",
            "activation_code",
            "confirmation_code",
            "apple_installation_url",
        )
        read_only_fields = fields


class OrderEsimSerializer(EsimSerializerBase):
    """An eSIM inside its order."""

    id: serializers.UUIDField = serializers.UUIDField(source="public_id", read_only=True)

    class Meta:
        model = Esim
        fields: ClassVar[tuple[str, ...]] = ("id", "iccid", "created_at")
        read_only_fields = fields


class EsimOrderSerializer(OrderSerializerBase):
    """An order with its eSIMs, without their secrets."""

    id: serializers.CharField = serializers.CharField(source="reference", read_only=True)
    is_final: serializers.BooleanField = serializers.BooleanField(read_only=True)
    is_complete: serializers.BooleanField = serializers.BooleanField(read_only=True)
    missing: serializers.IntegerField = serializers.IntegerField(read_only=True)
    esim: serializers.UUIDField = serializers.UUIDField(source="esim.public_id", default=None, read_only=True)
    esims: OrderEsimSerializer = OrderEsimSerializer(many=True, read_only=True)

    class Meta:
        model = EsimOrder
        fields: tuple[str, ...] = (
            "id",
            "status",
            "is_final",
            "is_complete",
            "type",
            "package_id",
            "quantity",
            "missing",
            "esim",
            "due_date",
            "latest_cancellation_date",
            "created_at",
            "accepted_at",
            "scheduled_at",
            "completed_at",
            "failed_at",
            "cancelled_at",
            "esims",
        )
        read_only_fields = fields


class EsimOrderDetailSerializer(EsimOrderSerializer):
    """One order with Airalo's instructions, as sanitised HTML."""

    class Meta(EsimOrderSerializer.Meta):
        fields: tuple[Any, ...] = (
            *EsimOrderSerializer.Meta.fields,
            "manual_installation_html",
            "qrcode_installation_html",
        )
        read_only_fields = fields
