from django.apps import AppConfig
from django.core import checks
from django.utils.translation import gettext_lazy as _


class AiraloConfig(AppConfig):
    name = "django_airalo"
    verbose_name = _("Airalo eSIMs")
    # Pinned here, since the shop's DEFAULT_AUTO_FIELD would otherwise change our migrations.
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from django_airalo.checks import check_deployment, check_settings

        checks.register(check_settings, "airalo")
        checks.register(check_deployment, "airalo", deploy=True)
