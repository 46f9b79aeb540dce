from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.core import checks
from django.utils.translation import gettext_lazy as _


class AiraloConfig(AppConfig):
    name = "django_airalo"
    verbose_name: Any = _("Airalo eSIMs")
    # Without it, the shop's DEFAULT_AUTO_FIELD would change the migrations of this app.
    default_auto_field: str = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from django_airalo.check_storage import check_database
        from django_airalo.checks import check_deployment, check_settings

        checks.register(check_settings, "airalo")
        checks.register(check_deployment, "airalo", deploy=True)
        checks.register(check_database, checks.Tags.database)
