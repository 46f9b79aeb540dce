from __future__ import annotations

from typing import TYPE_CHECKING

from rest_framework import serializers

from django_airalo.models import Esim, EsimOrder

if TYPE_CHECKING:
    OrderSerializerBase = serializers.ModelSerializer[EsimOrder]
    EsimSerializerBase = serializers.ModelSerializer[Esim]
else:
    OrderSerializerBase = EsimSerializerBase = serializers.ModelSerializer


class EsimSerializer(EsimSerializerBase):
    """An eSIM without its secrets."""

    id = serializers.UUIDField(source="public_id", read_only=True)
    order = serializers.CharField(source="order.reference", read_only=True)
    package_id = serializers.CharField(source="order.package_id", read_only=True)

    class Meta:
        model = Esim
        fields: tuple[str, ...] = ("id", "iccid", "order", "package_id", "msisdn", "apn", "is_roaming", "created_at")
        read_only_fields = fields


class EsimDetailSerializer(EsimSerializer):
    """One eSIM with what its owner needs to install it."""

    class Meta(EsimSerializer.Meta):
        fields = (
            *EsimSerializer.Meta.fields,
            "smdp_address",
            "matching_id",
            "activation_code",
            "confirmation_code",
            "apple_installation_url",
        )
        read_only_fields = fields


class OrderEsimSerializer(EsimSerializerBase):
    """An eSIM inside its order."""

    id = serializers.UUIDField(source="public_id", read_only=True)

    class Meta:
        model = Esim
        fields = ("id", "iccid", "created_at")
        read_only_fields = fields


class EsimOrderSerializer(OrderSerializerBase):
    """An order with its eSIMs, without their secrets."""

    id = serializers.CharField(source="reference", read_only=True)
    is_final = serializers.BooleanField(read_only=True)
    esims = OrderEsimSerializer(many=True, read_only=True)

    class Meta:
        model = EsimOrder
        fields: tuple[str, ...] = (
            "id",
            "status",
            "is_final",
            "package_id",
            "quantity",
            "created_at",
            "accepted_at",
            "completed_at",
            "failed_at",
            "cancelled_at",
            "esims",
        )
        read_only_fields = fields


class EsimOrderDetailSerializer(EsimOrderSerializer):
    """One order with Airalo's instructions, as sanitised HTML."""

    class Meta(EsimOrderSerializer.Meta):
        fields = (*EsimOrderSerializer.Meta.fields, "manual_installation_html", "qrcode_installation_html")
        read_only_fields = fields
