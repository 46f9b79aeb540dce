"""Airalo's endpoints, one module per subject. :class:`~django_airalo.client.AiraloClient` combines them."""

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
