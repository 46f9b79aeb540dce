from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from django.db.models import Prefetch
from django.utils.translation import gettext_lazy as _
from rest_framework.decorators import action
from rest_framework.exceptions import APIException
from rest_framework.pagination import PageNumberPagination
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ReadOnlyModelViewSet

from django_airalo import services
from django_airalo.exceptions import AiraloAPIError, AiraloConfigurationError, DecryptionError
from django_airalo.models import Esim, EsimOrder

from .serializers import (
    EsimDetailSerializer,
    EsimOrderDetailSerializer,
    EsimOrderSerializer,
    EsimSerializer,
    instructions,
    usage_record,
)

if TYPE_CHECKING:
    OrderViewSet = ReadOnlyModelViewSet[EsimOrder]
    EsimViewSetBase = ReadOnlyModelViewSet[Esim]
else:
    OrderViewSet = EsimViewSetBase = ReadOnlyModelViewSet

logger = logging.getLogger("django_airalo.api")

_INSTRUCTIONS = ("manual_installation", "qrcode_installation")


class NotReadableError(APIException):
    """The shop has lost the key that the eSIM was encrypted with."""

    status_code = 503
    default_detail = _("The eSIM cannot be shown at the moment.")
    default_code = "not_readable"


class NoInstructionsError(APIException):
    """The instructions were not fetched yet, and Airalo cannot be asked."""

    status_code = 503
    default_detail = _("The instructions cannot be shown at the moment.")
    default_code = "no_instructions"


class Pagination(PageNumberPagination):
    """Own, since a shop's default may be none at all."""

    page_size = 20
    page_size_query_param = "page_size"
    max_page_size = 100


class EsimOrderViewSet(OrderViewSet):
    """The signed-in user's orders, newest first. Another user's order is not found."""

    permission_classes = (IsAuthenticated,)
    pagination_class = Pagination
    lookup_field = "reference"
    lookup_value_regex = "[0-9a-f]{32}"

    def get_serializer_class(self) -> Any:
        return EsimOrderDetailSerializer if self.action == "retrieve" else EsimOrderSerializer

    def get_queryset(self) -> Any:
        esims = Prefetch("esims", Esim.objects.without_secrets().order_by("id"))
        topped_up = Prefetch("esim", Esim.objects.without_secrets())
        orders = EsimOrder.objects.of_user(self.request.user).prefetch_related(esims, topped_up)
        return orders if self.action == "retrieve" else orders.defer(*_INSTRUCTIONS)


class EsimViewSet(EsimViewSetBase):
    """The signed-in user's eSIMs, newest first; one eSIM alone comes with its activation code."""

    permission_classes = (IsAuthenticated,)
    pagination_class = Pagination
    lookup_field = "public_id"
    lookup_value_regex = "[0-9a-f-]{36}"

    def get_serializer_class(self) -> Any:
        return EsimDetailSerializer if self.action == "retrieve" else EsimSerializer

    def get_queryset(self) -> Any:
        esims = Esim.objects.of_user(self.request.user).select_related("order")
        return esims.prefetch_related("packages") if self.action == "retrieve" else esims.without_secrets()

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        try:
            response = super().retrieve(request, *args, **kwargs)
        except DecryptionError as error:
            logger.exception("An eSIM cannot be shown to its owner")
            raise NotReadableError from error
        response["Cache-Control"] = "no-store"  # the activation code must stay in no cache
        return response

    @action(detail=True, url_path="usage")
    def usage(self, request: Request, **kwargs: Any) -> Response:
        """How the usage of one eSIM changed, the newest first."""
        paginator = Pagination()
        records = paginator.paginate_queryset(self.get_object().usage_records.all(), request, self) or ()
        return paginator.get_paginated_response([usage_record(record) for record in records])

    @action(detail=True, url_path="instructions")
    def instructions(self, request: Request, **kwargs: Any) -> Response:
        """The steps for installing one eSIM, in ``?language=`` or the request's language."""
        try:
            kept = services.get_instructions(self.get_object(), request.query_params.get("language"))
        except (AiraloAPIError, AiraloConfigurationError) as error:
            logger.warning("Instructions cannot be shown: %s", error)
            raise NoInstructionsError from error
        return Response(instructions(kept), headers={"Cache-Control": "no-store"})  # they hold the activation code
