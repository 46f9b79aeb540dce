from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ShopConfig(AppConfig):
    """The configuration of the shop."""

    name = "shop"
    verbose_name = _("Shop")

    def ready(self) -> None:
        """Connect the receivers."""
        from . import receivers  # noqa: F401  the import connects them
