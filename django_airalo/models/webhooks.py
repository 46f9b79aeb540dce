"""The inbox of verified webhooks."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from .fields import EncryptedTextField
from .orders import EsimOrder


class WebhookEventQuerySet(models.QuerySet["WebhookEvent"]):
    """Which webhooks to look at. All of these can be combined."""

    def due(self, now: datetime) -> WebhookEventQuerySet:
        """The webhooks to interpret (again), the longest waiting first."""
        return self.filter(due_at__lte=now).order_by("due_at").without_body()

    def without_body(self) -> WebhookEventQuerySet:
        """The same rows. A body is decrypted only when asked for, so one whose key is gone stops no other."""
        return self.defer("body")


class WebhookEvent(models.Model):
    """One webhook, as its bytes came, kept before it is interpreted. Only what carried a valid signature is here.

    Attributes:
        event_id (uuid.UUID): what the signal of a notice carries.
        kind (str): one of ``WebhookEvent.Kind``; ``unknown`` until it is interpreted.
        status (str): one of ``WebhookEvent.Status``.
        order (EsimOrder or None): the order that it told of; ``None`` for notices and until it is found. An order has
            its webhooks in ``order.webhook_events``.
        request_id (str): Airalo's name for the order, if the webhook has it.
        body (str): encrypted in the database. Use ``body_bytes``.
        size (int): of the body, in bytes.
        digest (str): SHA-256 of the body, in hex.
        signature_reading (str): which form of the body the signature fits: ``raw``, or one of the encodings.
        deliveries (int): how often Airalo sent it.
        tries (int): how often it was interpreted.
        error (str): why it was set aside, or what went wrong when it was interpreted.
        received_at (datetime): when it came first.
        last_received_at (datetime): when it came last.
        due_at (datetime or None): when it is interpreted next; ``None`` if never.
        processed_at (datetime or None): when it was dealt with.
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

    event_id = models.UUIDField(_("event id"), default=uuid.uuid4, unique=True, editable=False)
    digest = models.CharField(_("digest"), max_length=64, unique=True, help_text=_("SHA-256 of the body."))
    body = EncryptedTextField(_("body"))
    size = models.PositiveIntegerField(_("size"), default=0, help_text=_("In bytes."))
    signature_reading = models.CharField(
        _("signature over"), max_length=16, help_text=_("Which form of the body the signature fits.")
    )
    kind = models.CharField(_("kind"), max_length=12, choices=Kind, default=Kind.UNKNOWN)
    status = models.CharField(_("status"), max_length=9, choices=Status, default=Status.RECEIVED)
    request_id = models.CharField(_("request_id"), max_length=255, blank=True, db_index=True)
    order = models.ForeignKey(
        EsimOrder,
        verbose_name=_("order"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="webhook_events",
    )
    deliveries = models.PositiveIntegerField(_("deliveries"), default=1, help_text=_("How often Airalo sent it."))
    tries = models.PositiveIntegerField(_("tries"), default=0, help_text=_("How often we tried to interpret it."))
    error = models.TextField(_("error"), blank=True)
    received_at = models.DateTimeField(_("received at"), default=timezone.now, editable=False)
    last_received_at = models.DateTimeField(_("last received at"), default=timezone.now, editable=False)
    due_at = models.DateTimeField(_("due at"), null=True, blank=True, db_index=True)
    processed_at = models.DateTimeField(_("processed at"), null=True, blank=True)

    objects = WebhookEventQuerySet.as_manager()

    class Meta:
        verbose_name = _("webhook event")
        verbose_name_plural = _("webhook events")
        ordering = ("-id",)
        indexes = [models.Index(fields=["status", "kind"], name="airalo_webhook_status")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.request_id or self.digest[:12]}"

    @property
    def body_bytes(self) -> bytes:
        """The body, byte for byte as it came."""
        return self.body.encode("utf-8", "surrogateescape")
