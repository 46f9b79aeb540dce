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
from rest_framework.views import APIView
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
    View = APIView
else:
    OrderViewSet = EsimViewSetBase = ReadOnlyModelViewSet
    View = object

logger: logging.Logger = logging.getLogger("django_airalo.api")

_INSTRUCTIONS = ("manual_installation", "qrcode_installation")


class NotReadableError(APIException):
    """The key that the eSIM was encrypted with is missing."""

    status_code = 503
    default_detail: Any = _("The eSIM cannot be shown at the moment.")
    default_code = "not_readable"


class NoInstructionsError(APIException):
    """The instructions were not fetched before, and Airalo is unavailable."""

    status_code = 503
    default_detail: Any = _("The instructions cannot be shown at the moment.")
    default_code = "no_instructions"


class Pagination(PageNumberPagination):
    """Pagination that does not depend on the project's default, which may be none."""

    page_size: int = 20
    page_size_query_param: str = "page_size"
    max_page_size: int = 100


class PrivateMixin(View):
    """Keep all responses, errors included, out of caches, since one URL has a different response for each user."""

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        final = super().finalize_response(request, response, *args, **kwargs)
        final["Cache-Control"] = "private, no-store"
        return final


class EsimOrderViewSet(PrivateMixin, OrderViewSet):
    """The user's own orders, newest first. Orders of other users are not found."""

    permission_classes: tuple[Any, ...] = (IsAuthenticated,)
    pagination_class: type[Pagination] = Pagination
    lookup_field = "reference"
    lookup_value_regex = "[0-9a-f]{32}"

    def get_serializer_class(self) -> Any:
        return EsimOrderDetailSerializer if self.action == "retrieve" else EsimOrderSerializer

    def get_queryset(self) -> Any:
        esims = Prefetch("esims", Esim.objects.without_secrets().order_by("id"))
        topped_up = Prefetch("esim", Esim.objects.without_secrets())
        orders = EsimOrder.objects.for_user(self.request.user).prefetch_related(esims, topped_up)
        return orders if self.action == "retrieve" else orders.defer(*_INSTRUCTIONS)


class EsimViewSet(PrivateMixin, EsimViewSetBase):
    """The user's own eSIMs, newest first. The detail view includes the activation code."""

    permission_classes: tuple[Any, ...] = (IsAuthenticated,)
    pagination_class: type[Pagination] = Pagination
    lookup_field = "public_id"
    lookup_value_regex = "[0-9a-f-]{36}"

    def get_serializer_class(self) -> Any:
        return EsimDetailSerializer if self.action == "retrieve" else EsimSerializer

    def get_queryset(self) -> Any:
        esims = Esim.objects.for_user(self.request.user).select_related("order")
        return esims.prefetch_related("packages") if self.action == "retrieve" else esims.without_secrets()

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        try:
            return super().retrieve(request, *args, **kwargs)
        except DecryptionError as error:
            logger.exception("Cannot decrypt an eSIM")
            raise NotReadableError from error

    @action(detail=True, url_path="usage")
    def usage(self, request: Request, **kwargs: Any) -> Response:
        """List the changes of the usage of one eSIM, newest first."""
        paginator = Pagination()
        records = paginator.paginate_queryset(self.get_object().usage_records.all(), request, self) or ()
        return paginator.get_paginated_response([usage_record(record) for record in records])

    @action(detail=True, url_path="instructions")
    def instructions(self, request: Request, **kwargs: Any) -> Response:
        """Return the steps for installing one eSIM, in ``?language=`` or the request's language."""
        try:
            stored = services.get_instructions(self.get_object(), language=request.query_params.get("language"))
        except (AiraloAPIError, AiraloConfigurationError) as error:
            logger.warning("Cannot get instructions: %s", error)
            raise NoInstructionsError from error
        return Response(instructions(stored))
