"""An eSIM that Airalo delivered, its packages and the instructions for installing it."""

from __future__ import annotations

import json
import uuid
from datetime import datetime, timedelta
from typing import Any

from django.core.validators import RegexValidator
from django.db import models
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from django_airalo.client.payloads import InstructionsData
from django_airalo.conf import conf

from .fields import EncryptedTextField
from .orders import EsimOrder, is_nobody
from .usage import Allowance, UsageFields, UsageStatus

#: ASCII digits only: ICCIDs in Airalo's documents have 17 to 19 digits and mostly fail the Luhn check.
validate_iccid = RegexValidator(r"^[0-9]{17,22}\Z", _("An ICCID has 17 to 22 digits."))

SECRETS = (
    "matching_id",
    "activation_code",
    "confirmation_code",
    "apple_installation_url",
    "sharing_link",
    "sharing_access_code",
)


def first_usage_at() -> datetime:
    """When the usage of a new eSIM is looked up first: before, Airalo has nothing to tell."""
    return timezone.now() + timedelta(seconds=conf.USAGE_INTERVAL)


class EsimQuerySet(models.QuerySet["Esim"]):
    """Which eSIMs to look at. All of these can be combined."""

    def of_user(self, user: Any) -> EsimQuerySet:
        """The eSIMs that belong to ``user``. None if nobody is logged in, rather than those of all guests."""
        return self.none() if is_nobody(user) else self.filter(order__user=user)

    def without_secrets(self) -> EsimQuerySet:
        """The same rows. Secrets are decrypted only when asked for: it costs time, and fails if the key is gone."""
        return self.defer(*SECRETS)

    def usage_due(self, now: datetime) -> EsimQuerySet:
        """The eSIMs whose usage is to be looked up, the longest waiting first."""
        return self.filter(usage_due_at__lte=now).order_by("usage_due_at").without_secrets()

    def in_use(self) -> EsimQuerySet:
        """The eSIMs that are active, as far as is known."""
        return self.filter(usage_status=UsageStatus.ACTIVE)

    def expiring_before(self, moment: datetime) -> EsimQuerySet:
        """The active eSIMs that end before ``moment``, the first to end first."""
        return self.in_use().filter(expires_at__lt=moment).order_by("expires_at")


class Esim(UsageFields):
    """One eSIM of an order. Whoever knows its activation code can install it, so the codes are encrypted.

    Fields marked as secret are encrypted in the database. To read one whose key is gone raises ``DecryptionError``. Has
    the fields of ``UsageFields`` too: what Airalo last said of the usage.

    Attributes:
        public_id (uuid.UUID): random, for the shop's URLs.
        order (EsimOrder): an order has its eSIMs in ``order.esims``.
        iccid (str): the number of the eSIM, 17 to 22 digits.
        airalo_id (int or None): Airalo's id.
        activation_code (str): secret. What the QR code says, ``LPA:1$…``. Draw it with ``django_airalo.qr``.
        smdp_address (str): the server that an eSIM is installed from by hand.
        matching_id (str): secret. What is typed in with ``smdp_address``.
        confirmation_code (str): secret. What a phone may ask for besides; empty for most eSIMs.
        apple_installation_url (str): secret. Installs the eSIM on an iPhone.
        sharing_link (str): secret. Airalo's page of this eSIM; empty unless a sync brought it.
        sharing_access_code (str): secret. Opens that page.
        msisdn (str): the phone number; empty if it has none.
        apn (dict): access point settings; for some eSIMs with ``ios`` and ``android`` apart.
        is_roaming (bool or None): whether data roaming must be on; ``None`` if Airalo did not say.
        brand_settings_name (str): the brand under which Airalo shows it; empty if none.
        recycled_at (datetime or None): when Airalo took it back. It can never be used or topped up again.
        created_at (datetime): when the shop got it.
        usage_status (str): one of ``UsageStatus``, as Airalo last said.
        usage_synced_at (datetime or None): as of when the usage is; ``None`` if it was never looked up.
        usage_due_at (datetime or None): when the sweep asks again; ``None`` if never.
        usage_error (str): why the last look-up failed; empty if it did not.
        packages_synced_at (datetime or None): as of when ``packages`` is; ``None`` if it was never fetched.
        packages: the ``EsimPackage`` rows, the newest first, as a manager.
        usage_records: the history of its usage, ``UsageRecord`` rows, the newest first, as a manager.
        topups: the orders to top it up, ``EsimOrder`` rows, as a manager.
        refunds: the ``Refund`` rows that name it, as a manager.
        instructions: the ``EsimInstructions`` that are kept, as a manager. Use ``services.get_instructions()``.
    """

    #: The statuses in which nothing is left to be used.
    OVER = (UsageStatus.FINISHED, UsageStatus.EXPIRED, UsageStatus.RECYCLED)

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
    brand_settings_name = models.CharField(_("brand"), max_length=255, blank=True)
    sharing_link = EncryptedTextField(_("sharing link"), blank=True, help_text=_("Airalo's page of this eSIM."))
    sharing_access_code = EncryptedTextField(_("access code of the sharing link"), blank=True)
    recycled_at = models.DateTimeField(
        _("recycled at"), null=True, blank=True, help_text=_("Airalo took the eSIM back: it can never be used again.")
    )
    created_at = models.DateTimeField(_("delivered at"), default=timezone.now, editable=False)

    usage_status = models.CharField(
        _("status"), max_length=10, choices=UsageStatus, default=UsageStatus.UNKNOWN, db_index=True
    )
    usage_synced_at = models.DateTimeField(_("usage as of"), null=True, blank=True)
    usage_due_at = models.DateTimeField(_("usage due at"), null=True, blank=True, db_index=True, default=first_usage_at)
    usage_error = models.TextField(_("usage error"), blank=True, help_text=_("Why the last look-up failed."))
    news_expected_at = models.DateTimeField(
        _("news expected since"), null=True, blank=True, help_text=_("A top-up or a notice says that usage changed.")
    )
    packages_due = models.BooleanField(_("packages due"), default=False)
    packages_synced_at = models.DateTimeField(_("packages as of"), null=True, blank=True)

    objects = EsimQuerySet.as_manager()

    class Meta:
        verbose_name = _("Airalo eSIM")
        verbose_name_plural = _("Airalo eSIMs")
        ordering = ("-id",)
        permissions = [("view_activation_code", _("Can see activation codes"))]

    def __str__(self) -> str:
        return self.iccid

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to be used."""
        return self.usage_status in self.OVER


class EsimPackage(models.Model):
    """A package on an eSIM: the one it was sold with, or a top-up. Mirrors what Airalo says.

    Attributes:
        esim (Esim): an eSIM has its packages in ``esim.packages``, the newest first.
        airalo_id (int): Airalo's id of this package on this eSIM.
        package_id (str): the package of the catalogue.
        type (str): ``sim`` or ``topup``.
        title (str): in Airalo's words.
        status (str): one of ``EsimPackage.Status``.
        remaining (int or None): data left, in MB.
        amount (int or None): data in all, in MB.
        is_unlimited (bool): whether data is unlimited; ``remaining`` and ``amount`` mean nothing then.
        activated_at (datetime or None): when its time began.
        expires_at (datetime or None): when it ends.
        finished_at (datetime or None): when it was used up.
    """

    class Status(models.TextChoices):
        UNKNOWN = "unknown", pgettext_lazy("package of an eSIM", "Unknown")
        NOT_ACTIVE = "not_active", pgettext_lazy("package of an eSIM", "Not active yet")
        ACTIVE = "active", pgettext_lazy("package of an eSIM", "Active")
        FINISHED = "finished", pgettext_lazy("package of an eSIM", "Used up")
        EXPIRED = "expired", pgettext_lazy("package of an eSIM", "Expired")

    esim = models.ForeignKey(Esim, verbose_name=_("Airalo eSIM"), on_delete=models.CASCADE, related_name="packages")
    airalo_id = models.BigIntegerField(_("Airalo id"))
    package_id = models.CharField(_("package"), max_length=255, blank=True)
    type = models.CharField(_("type"), max_length=20, blank=True, help_text=_("sim or topup"))
    title = models.CharField(_("title"), max_length=255, blank=True)
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.UNKNOWN)
    remaining = models.PositiveBigIntegerField(_("data left"), null=True, blank=True, help_text=_("In MB."))
    amount = models.PositiveBigIntegerField(_("data in all"), null=True, blank=True, help_text=_("In MB."))
    is_unlimited = models.BooleanField(_("unlimited data"), default=False)
    activated_at = models.DateTimeField(_("activated at"), null=True, blank=True)
    expires_at = models.DateTimeField(_("expires at"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)

    class Meta:
        verbose_name = _("package of an eSIM")
        verbose_name_plural = _("packages of eSIMs")
        ordering = ("-airalo_id",)
        constraints = [models.UniqueConstraint(fields=["esim", "airalo_id"], name="airalo_esim_package_once")]

    def __str__(self) -> str:
        return self.title or self.package_id

    @property
    def data(self) -> Allowance:
        """The data that is left of it, in MB."""
        return Allowance("MB", self.remaining, self.amount, self.is_unlimited)


class EsimInstructions(models.Model):
    """Airalo's steps for installing one eSIM, in one language. They hold the activation code.

    Attributes:
        esim (Esim): the eSIM that they are for.
        language (str): Airalo's code of the language.
        content (str): Airalo's answer as JSON, encrypted in the database. Use ``guides``.
        fetched_at (datetime): as of when they are.
        refresh_at (datetime): from when on ``services.get_instructions()`` fetches them again.
    """

    esim = models.ForeignKey(Esim, verbose_name=_("Airalo eSIM"), on_delete=models.CASCADE, related_name="instructions")
    language = models.CharField(_("language"), max_length=10, help_text=_("As Airalo was asked for it."))
    content = EncryptedTextField(_("content"), help_text=_("Airalo's answer, as JSON."))
    fetched_at = models.DateTimeField(_("as of"), default=timezone.now, editable=False)
    refresh_at = models.DateTimeField(_("to be fetched again at"), default=timezone.now)

    class Meta:
        verbose_name = _("instructions")
        verbose_name_plural = _("instructions")
        ordering = ("-id",)
        constraints = [models.UniqueConstraint(fields=["esim", "language"], name="airalo_instructions_once")]

    def __str__(self) -> str:
        return f"{self.esim_id} {self.language}"

    @cached_property
    def guides(self) -> InstructionsData:
        """The steps for ``ios`` and ``android``. They are plain text, which a template escapes as it does any other."""
        return InstructionsData.from_json(json.loads(self.content))
