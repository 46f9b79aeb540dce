"""The URLs of the REST API: ``path("api/airalo/", include("django_airalo.api.urls"))``."""

from __future__ import annotations

from typing import Any

from rest_framework.routers import SimpleRouter

from .views import EsimOrderViewSet, EsimViewSet

app_name = "django_airalo_api"

router: SimpleRouter = SimpleRouter()
router.register("orders", EsimOrderViewSet, basename="order")
router.register("esims", EsimViewSet, basename="esim")

urlpatterns: list[Any] = router.urls
