"""An eSIM that Airalo delivered."""

from __future__ import annotations

import uuid
from typing import Any

from django.core.validators import RegexValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .fields import EncryptedTextField
from .orders import EsimOrder

#: ASCII digits only: ICCIDs in Airalo's documents have 17 to 19 digits and mostly fail the Luhn check.
validate_iccid = RegexValidator(r"^[0-9]{17,22}\Z", _("An ICCID has 17 to 22 digits."))

SECRETS = ("matching_id", "activation_code", "confirmation_code", "apple_installation_url")


class EsimQuerySet(models.QuerySet["Esim"]):
    def of_user(self, user: Any) -> EsimQuerySet:
        """The eSIMs that belong to ``user``."""
        return self.filter(order__user=user)

    def without_secrets(self) -> EsimQuerySet:
        """Not decrypted before they are asked for: it costs time, and fails if the key is lost."""
        return self.defer(*SECRETS)


class Esim(models.Model):
    """One eSIM of an order. Whoever knows its activation code can install it, so the codes are encrypted."""

    public_id = models.UUIDField(_("public id"), default=uuid.uuid4, unique=True, editable=False)
    order = models.ForeignKey(EsimOrder, verbose_name=_("order"), on_delete=models.CASCADE, related_name="esims")
    iccid = models.CharField(_("ICCID"), max_length=22, unique=True, validators=[validate_iccid])
    airalo_id = models.BigIntegerField(_("Airalo id"), null=True, blank=True)
    smdp_address = models.CharField(_("SM-DP+ address"), max_length=255, blank=True)
    matching_id = EncryptedTextField(_("matching id"), blank=True)
    activation_code = EncryptedTextField(
        _("activation code"), blank=True, help_text=_("What the QR code says (LPA:1$…).")
    )
    confirmation_code = EncryptedTextField(_("confirmation code"), blank=True)
    apple_installation_url = EncryptedTextField(_("Apple installation URL"), blank=True)
    msisdn = models.CharField(_("phone number"), max_length=32, blank=True)
    apn = models.JSONField(_("APN"), default=dict, blank=True)
    is_roaming = models.BooleanField(_("data roaming"), null=True)
    created_at = models.DateTimeField(_("delivered at"), default=timezone.now, editable=False)

    objects = EsimQuerySet.as_manager()

    class Meta:
        verbose_name = _("eSIM")
        verbose_name_plural = _("eSIMs")
        ordering = ("-id",)
        permissions = [("view_activation_code", _("Can see activation codes"))]

    def __str__(self) -> str:
        return self.iccid
