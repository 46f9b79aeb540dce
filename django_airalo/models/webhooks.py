"""The verified webhooks of Airalo."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any, ClassVar, Self

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from . import field_types as t
from .fields import EncryptedTextField
from .managers import AiraloModel, PrimaryManager
from .orders import EsimOrder


class WebhookEventQuerySet(models.QuerySet["WebhookEvent"]):
    """A queryset of webhook events. All of its methods can be combined."""

    def due(self, now: datetime) -> WebhookEventQuerySet:
        """Return the webhook events that are due to be processed, the longest overdue first."""
        return self.filter(due_at__lte=now).order_by("due_at").without_body()

    def without_body(self) -> WebhookEventQuerySet:
        """Defer the body, so that one whose key is missing does not prevent reading other webhook events."""
        return self.defer("body")


WebhookEventPrimaryManager = PrimaryManager.from_queryset(WebhookEventQuerySet)


class WebhookEvent(AiraloModel):
    """One webhook with a valid signature, stored as it was received, before it is processed.

    Attributes:
        event_id (uuid.UUID): the id that the signal of a notification carries.
        kind (str): one of ``WebhookEvent.Kind``; ``unknown`` until it is processed.
        status (str): one of ``WebhookEvent.Status``.
        order (EsimOrder or None): the order that it is about; ``None`` for notifications, and until the order is found.
            The webhook events of an order are ``order.webhook_events``.
        request_id (str): Airalo's id of the order, if the webhook contains it.
        body (str): the body, encrypted in the database. Use ``body_bytes``.
        size (int): the size of the body, in bytes.
        digest (str): the SHA-256 digest of the body, in hex.
        signature_encoding (str): the form of the body that the signature matches: ``raw``, or one of the encodings.
        deliveries (int): how often Airalo sent it.
        tries (int): how often it was processed.
        error (str): why it was set aside, or what went wrong when it was processed.
        received_at (datetime): when it was first received.
        last_received_at (datetime): when it was last received.
        due_at (datetime or None): when it is processed next; ``None`` if never.
        processed_at (datetime or None): when processing succeeded or was given up.
    """

    class Kind(models.TextChoices):
        UNKNOWN = "unknown", pgettext_lazy("webhook", "Unknown")
        ASYNC_ORDER = "async_order", pgettext_lazy("webhook", "Asynchronous order")
        LOW_DATA = "low_data", pgettext_lazy("webhook", "Low data")
        CREDIT_LIMIT = "credit_limit", pgettext_lazy("webhook", "Credit limit")

    class Status(models.TextChoices):
        RECEIVED = "received", pgettext_lazy("webhook", "Received")
        WAITING = "waiting", pgettext_lazy("webhook", "Waiting for its order")
        PROCESSED = "processed", pgettext_lazy("webhook", "Processed")
        SET_ASIDE = "set_aside", pgettext_lazy("webhook", "Set aside")

    #: The kinds that are not about an order. They have no id of their own.
    NOTIFICATIONS: ClassVar[tuple[str, ...]] = (Kind.LOW_DATA, Kind.CREDIT_LIMIT)

    event_id: t.UUID = models.UUIDField(_("event id"), default=uuid.uuid4, unique=True, editable=False)
    digest: t.Char = models.CharField(_("digest"), max_length=64, unique=True, help_text=_("SHA-256 of the body."))
    body: EncryptedTextField = EncryptedTextField(_("body"))
    size: t.PositiveInteger = models.PositiveIntegerField(_("size"), default=0, help_text=_("In bytes."))
    signature_encoding: t.Char = models.CharField(
        _("signature over"), max_length=16, help_text=_("The form of the body that the signature matches.")
    )
    kind: t.Char = models.CharField(_("kind"), max_length=12, choices=Kind, default=Kind.UNKNOWN)
    status: t.Char = models.CharField(_("status"), max_length=9, choices=Status, default=Status.RECEIVED)
    request_id: t.Char = models.CharField(_("request_id"), max_length=255, blank=True, db_index=True)
    order: models.ForeignKey[EsimOrder | None, EsimOrder | None] = models.ForeignKey(
        EsimOrder,
        verbose_name=_("order"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="webhook_events",
    )
    deliveries: t.PositiveInteger = models.PositiveIntegerField(
        _("deliveries"), default=1, help_text=_("How often Airalo sent it.")
    )
    tries: t.PositiveInteger = models.PositiveIntegerField(
        _("tries"), default=0, help_text=_("How often it was processed.")
    )
    error: t.Text = models.TextField(_("error"), blank=True)
    received_at: t.DateTime = models.DateTimeField(_("received at"), default=timezone.now, editable=False)
    last_received_at: t.DateTime = models.DateTimeField(_("last received at"), default=timezone.now, editable=False)
    due_at: t.OptionalDateTime = models.DateTimeField(_("due at"), null=True, blank=True, db_index=True)
    processed_at: t.OptionalDateTime = models.DateTimeField(_("processed at"), null=True, blank=True)

    objects: ClassVar[models.Manager[WebhookEvent]] = WebhookEventQuerySet.as_manager()
    primary: ClassVar[PrimaryManager[Self]] = WebhookEventPrimaryManager()

    class Meta:
        verbose_name: ClassVar[Any] = _("webhook event")
        verbose_name_plural: ClassVar[Any] = _("webhook events")
        ordering: ClassVar[tuple[str, ...]] = ("-id",)
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["status", "kind"], name="airalo_webhook_status")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.request_id or self.digest[:12]}"

    @property
    def body_bytes(self) -> bytes:
        """The body, byte for byte as it was received."""
        return self.body.encode("utf-8", "surrogateescape")
