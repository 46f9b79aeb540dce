"""``path("api/airalo/", include("django_airalo.api.urls"))``."""

from rest_framework.routers import SimpleRouter

from .views import EsimOrderViewSet, EsimViewSet

app_name = "django_airalo_api"

router = SimpleRouter()
router.register("orders", EsimOrderViewSet, basename="order")
router.register("esims", EsimViewSet, basename="esim")

urlpatterns = router.urls
