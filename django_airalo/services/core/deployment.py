"""The identity of this deployment of the shop, and the references of its orders."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from functools import cached_property

from django_airalo.conf import conf
from django_airalo.models import Deployment, EsimOrder, ListedPurchase
from django_airalo.models.deployment import STAMP_LENGTH
from django_airalo.models.references import REFERENCE_LENGTH, new_reference

from . import database

#: The primary key of the only row.
ROW = 1


class Identity:
    """The values that are derived from a deployment's secret.

    Args:
        secret: ``AIRALO_DEPLOYMENT``, or the key stored in the database if that setting is empty.
    """

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    @cached_property
    def stamp(self) -> str:
        """Return the deployment's short name. It can be shown, since the secret cannot be derived from it."""
        return hashlib.sha256(b"django_airalo deployment " + self._secret).hexdigest()[:STAMP_LENGTH]

    def give_to(self, orders: Iterable[EsimOrder]) -> None:
        """Set the ``deployment`` and ``reference`` of new orders."""
        for order in orders:
            order.deployment = self.stamp
            order.reference = self.reference_for(order.idempotency_key)

    def reference_for(self, idempotency_key: str | None) -> str:
        """Return the reference of an order: always the same for one key, and random without a key."""
        if idempotency_key is None:
            return new_reference()
        return hmac.new(self._secret, idempotency_key.encode(), hashlib.sha256).hexdigest()[:REFERENCE_LENGTH]

    def digest(self, purpose: str, secret: str) -> str:
        """Return a digest to compare a secret by, 64 hex digits. It does not depend on ``SECRET_KEY``.

        Args:
            purpose: the kind of secret. The same text has a different digest for each purpose.
            secret: the text.
        """
        text = f"{purpose}\x00{secret}".encode("utf-8", "surrogateescape")
        return hmac.new(self._secret, text, hashlib.sha256).hexdigest()


def state() -> Deployment:
    """Return the deployment's row, which is created if there is none."""
    row = Deployment.primary.filter(pk=ROW).first()
    return row or _create()


def identity_of(row: Deployment) -> Identity:
    """Return the identity of this deployment, given its row."""
    return Identity(conf.DEPLOYMENT or row.key)


def identity() -> Identity:
    """Return the identity of this deployment. Takes a query only if ``AIRALO_DEPLOYMENT`` is empty."""
    return Identity(conf.DEPLOYMENT) if conf.DEPLOYMENT else identity_of(state())


def listed(references: Iterable[str]) -> set[str]:
    """Return the references of purchases that Airalo lists and that had no order here when the list was read."""
    kept = ListedPurchase.primary.filter(reference__in=list(references))
    return set(kept.values_list("reference", flat=True))


def keep_listed(purchases: Mapping[str, tuple[int | None, str]]) -> None:
    """Store purchases whose references no order here has.

    If the shop places such an order again, it must not be bought a second time.

    Args:
        purchases: maps a reference to Airalo's order id (``None`` for a future order) and package id.
    """
    if not purchases:
        return
    now = database.db_now()
    ListedPurchase.primary.bulk_create(
        [
            ListedPurchase(reference=reference, airalo_order_id=number, package_id=package_id[:255], seen_at=now)
            for reference, (number, package_id) in purchases.items()
        ],
        ignore_conflicts=True,
    )


@database.in_transaction()
def _create() -> Deployment:
    rows = Deployment.primary.all()
    rows.bulk_create([Deployment(pk=ROW)], ignore_conflicts=True)
    # Without a lock, MySQL's REPEATABLE READ would not show a row that another process created at the same moment.
    return database.locked(rows.filter(pk=ROW)).get()
