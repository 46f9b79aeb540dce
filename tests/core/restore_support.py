"""A database that may not be the newest one, and what Airalo was asked for."""

from __future__ import annotations

from django_airalo.models import Deployment
from django_airalo.services.core import deployment
from tests.factories import EsimFactory, RefundFactory, ago


def silent(seconds=301):
    """Nothing was alive in the database for so long: it may be a backup that was put in the place of a newer one."""
    deployment.state()
    Deployment.objects.update(alive_at=ago(seconds))


def elsewhere():
    """The database is on another server than it was."""
    deployment.state()
    Deployment.objects.update(server="another server", alive_at=ago(0))


def refund(**fields):
    """A refund that is to be sent."""
    row = RefundFactory(**fields)
    row.esims.add(EsimFactory())
    return row


def asked(airalo):
    """What Airalo was asked for, without tokens."""
    return [request for request in airalo.asked if request != "POST /v2/token"]


LIST = "GET /v2/orders"
FUTURE = ["GET /v2/future-orders"] * 3
BUY = "POST /v2/orders-async"
