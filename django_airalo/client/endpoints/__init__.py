"""One module per area of Airalo's API, one method per endpoint. :class:`~django_airalo.client.AiraloClient` is all."""

from .account import AccountEndpoints
from .catalogue import CatalogueEndpoints
from .notifications import NotificationEndpoints, NotificationType
from .orders import OrderEndpoints
from .sims import SimEndpoints

__all__ = [
    "AccountEndpoints",
    "CatalogueEndpoints",
    "NotificationEndpoints",
    "NotificationType",
    "OrderEndpoints",
    "SimEndpoints",
]
