"""An eSIM that Airalo delivered, its packages and the instructions for installing it."""

from __future__ import annotations

import json
import uuid
from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

from django.db import models
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from django_airalo.client.payloads import InstructionsData
from django_airalo.conf import conf
from django_airalo.iccids import normalised

from . import field_types as t
from .fields import EncryptedTextField
from .leases import Lease, LeaseQuerySet
from .managers import AiraloModel, PrimaryManager
from .orders import EsimOrder, is_anonymous
from .usage import Allowance, UsageFields, UsageStatus

#: The prefix of the key of an eSIM without a usable ICCID: Airalo's id of it follows.
KEY_OF_ID = "sim-"

SECRETS = (
    "matching_id",
    "activation_code",
    "confirmation_code",
    "apple_installation_url",
    "sharing_link",
    "sharing_access_code",
)


def first_usage_at() -> datetime:
    """Return when the usage of a new eSIM is first looked up. Before that, Airalo has no usage of it."""
    return timezone.now() + timedelta(seconds=conf.usage_interval)


class EsimQuerySet(LeaseQuerySet["Esim"]):
    """A queryset of eSIMs. All of its methods can be combined."""

    def for_user(self, user: Any) -> EsimQuerySet:
        """Return the eSIMs of ``user``. An anonymous user has none, not those of all guests."""
        return self.none() if is_anonymous(user) else self.filter(order__user=user)

    def without_secrets(self) -> EsimQuerySet:
        """Defer the secrets. Decrypting them takes time, and fails if the key is missing."""
        return self.defer(*SECRETS)

    def usage_due(self, now: datetime) -> EsimQuerySet:
        """Return the eSIMs whose usage is due to be looked up, the longest overdue first."""
        return self.filter(usage_due_at__lte=now).order_by("usage_due_at").without_secrets()

    def in_use(self) -> EsimQuerySet:
        """Return the eSIMs that are active, by their last known status."""
        return self.filter(usage_status=UsageStatus.ACTIVE)

    def expiring_before(self, moment: datetime) -> EsimQuerySet:
        """Return the active eSIMs that expire before ``moment``, the earliest first."""
        return self.in_use().filter(expires_at__lt=moment).order_by("expires_at")


EsimPrimaryManager = PrimaryManager.from_queryset(EsimQuerySet)


class Esim(UsageFields):
    """One eSIM of an order. Anyone who knows its activation code can install it, so the codes are encrypted.

    Fields marked as secret are encrypted in the database. Reading one whose key is missing raises ``DecryptionError``.
    The fields of ``UsageFields`` hold the usage as Airalo last reported it.

    Attributes:
        public_id (uuid.UUID): a random id for the shop's URLs.
        order (EsimOrder): its order, whose eSIMs are ``order.esims``.
        iccid (str): the number of the eSIM as Airalo wrote it, usually 17 to 22 digits; empty if Airalo gave none. It
            is not unique: Airalo may give two orders the same.
        iccid_key (str): the same for all ways to write one ICCID: ``django_airalo.iccids.normalised(iccid)``. Without
            an ICCID, another text that is unique within the order.
        airalo_id (int or None): Airalo's id.
        activation_code (str): secret. The content of the QR code, ``LPA:1$…``. Draw it with ``django_airalo.qr``. Empty
            if Airalo has not given it yet.
        smdp_address (str): the server from which the eSIM is installed by hand.
        matching_id (str): secret. The code to enter together with ``smdp_address``.
        confirmation_code (str): secret. Another code that a phone may ask for; usually empty.
        apple_installation_url (str): secret. Installs the eSIM on an iPhone.
        sharing_link (str): secret. Airalo's page of this eSIM; empty unless a sync found it.
        sharing_access_code (str): secret. The code that opens that page.
        msisdn (str): the phone number; empty if it has none.
        apn (dict): access point settings; for some eSIMs separate ones for ``ios`` and ``android``.
        is_roaming (bool or None): whether data roaming must be on; ``None`` if Airalo did not say.
        brand_settings_name (str): the brand under which Airalo shows it; empty if none.
        recycled_at (datetime or None): when Airalo recycled it. It can never be used or topped up again.
        created_at (datetime): when it was delivered to the shop.
        usage_status (str): one of ``UsageStatus``, as Airalo last reported it.
        usage_synced_at (datetime or None): when the usage was last looked up; ``None`` if never.
        usage_due_at (datetime or None): when the sweep looks up the usage next; ``None`` if never.
        usage_error (str): why the last look-up failed, or which part of the response was not understood; else empty.
        over_since (datetime or None): since when it is known to be used up or expired; ``None`` if it is not.
        topped_up_at (datetime or None): when it was last topped up, as far as is known.
        packages_synced_at (datetime or None): when ``packages`` was last fetched; ``None`` if never.
        packages: the ``EsimPackage`` rows, the newest first, as a manager.
        usage_records: the history of its usage, ``UsageRecord`` rows, the newest first, as a manager.
        topups: the orders to top it up, ``EsimOrder`` rows, as a manager.
        refunds: the ``Refund`` rows that name it, as a manager.
        instructions: the stored ``EsimInstructions`` rows, as a manager. Use ``services.get_instructions()``.
    """

    #: The statuses in which nothing is left to be used.
    OVER = (UsageStatus.FINISHED, UsageStatus.EXPIRED, UsageStatus.RECYCLED)

    #: The lease to look up the usage.
    USAGE_LEASE: ClassVar[Lease] = Lease("usage_due_at", fence=("usage_due_at",))
    #: The lease to look up the details.
    DETAILS_LEASE: ClassVar[Lease] = Lease("details_due_at", fence=("details_due_at",))

    public_id: t.UUID = models.UUIDField(_("public id"), default=uuid.uuid4, unique=True, editable=False)
    order: models.ForeignKey[EsimOrder, EsimOrder] = models.ForeignKey(
        EsimOrder, verbose_name=_("order"), on_delete=models.CASCADE, related_name="esims"
    )
    iccid: t.Char = models.CharField(
        _("ICCID"), max_length=255, blank=True, help_text=_("As Airalo wrote it, since Airalo's URLs need it so.")
    )
    iccid_key: t.Char = models.CharField(
        _("key of the ICCID"),
        max_length=64,
        db_index=True,
        help_text=_("The same for all ways to write one ICCID. Unique within an order."),
    )
    airalo_id: t.OptionalBigInteger = models.BigIntegerField(_("Airalo id"), null=True, blank=True, db_index=True)
    code_key: t.Char = models.CharField(
        _("key of the code"),
        max_length=64,
        blank=True,
        help_text=_("A keyed digest of the activation code, to recognise the same code. Empty without a code."),
    )
    smdp_address: t.Char = models.CharField(_("SM-DP+ address"), max_length=255, blank=True)
    matching_id: EncryptedTextField = EncryptedTextField(_("matching id"), blank=True)
    activation_code: EncryptedTextField = EncryptedTextField(
        _("activation code"), blank=True, help_text=_("The content of the QR code (LPA:1$…).")
    )
    confirmation_code: EncryptedTextField = EncryptedTextField(_("confirmation code"), blank=True)
    apple_installation_url: EncryptedTextField = EncryptedTextField(_("Apple installation URL"), blank=True)
    msisdn: t.Char = models.CharField(_("phone number"), max_length=32, blank=True)
    apn: t.JSON = models.JSONField(_("APN"), default=dict, blank=True)
    is_roaming: t.OptionalBoolean = models.BooleanField(_("data roaming"), null=True)
    brand_settings_name: t.Char = models.CharField(_("brand"), max_length=255, blank=True)
    sharing_link: EncryptedTextField = EncryptedTextField(
        _("sharing link"), blank=True, help_text=_("Airalo's page of this eSIM.")
    )
    sharing_access_code: EncryptedTextField = EncryptedTextField(_("access code of the sharing link"), blank=True)
    recycled_at: t.OptionalDateTime = models.DateTimeField(
        _("recycled at"), null=True, blank=True, help_text=_("Airalo recycled the eSIM: it can never be used again.")
    )
    created_at: t.DateTime = models.DateTimeField(_("delivered at"), default=timezone.now, editable=False)

    usage_status: t.Char = models.CharField(
        _("status"), max_length=10, choices=UsageStatus, default=UsageStatus.UNKNOWN, db_index=True
    )
    usage_synced_at: t.OptionalDateTime = models.DateTimeField(_("usage as of"), null=True, blank=True)
    usage_due_at: t.OptionalDateTime = models.DateTimeField(
        _("usage due at"), null=True, blank=True, db_index=True, default=first_usage_at
    )
    usage_error: t.Text = models.TextField(_("usage error"), blank=True, help_text=_("Why the last look-up failed."))
    usage_change_expected_at: t.OptionalDateTime = models.DateTimeField(
        _("change expected since"),
        null=True,
        blank=True,
        help_text=_("A top-up or a notification has changed the usage."),
    )
    over_since: t.OptionalDateTime = models.DateTimeField(
        _("over since"), null=True, blank=True, help_text=_("Since when it is used up or expired.")
    )
    topped_up_at: t.OptionalDateTime = models.DateTimeField(_("topped up at"), null=True, blank=True)
    details_due_at: t.OptionalDateTime = models.DateTimeField(
        _("details due at"), null=True, blank=True, db_index=True, help_text=_("When this eSIM is fetched from Airalo.")
    )
    details_tries: t.PositiveInteger = models.PositiveIntegerField(_("tries to get details"), default=0)
    details_synced_at: t.OptionalDateTime = models.DateTimeField(_("details as of"), null=True, blank=True)
    other_code_at: t.OptionalDateTime = models.DateTimeField(
        _("other code since"),
        null=True,
        blank=True,
        help_text=_("Airalo sent a different activation code, not yet confirmed by GET /v2/sims/{iccid}."),
    )
    packages_due: t.Boolean = models.BooleanField(_("packages due"), default=False)
    packages_synced_at: t.OptionalDateTime = models.DateTimeField(_("packages as of"), null=True, blank=True)

    objects: ClassVar[models.Manager[Esim]] = EsimQuerySet.as_manager()
    primary: ClassVar[PrimaryManager[Self]] = EsimPrimaryManager()

    class Meta:
        verbose_name: ClassVar[Any] = _("Airalo eSIM")
        verbose_name_plural: ClassVar[Any] = _("Airalo eSIMs")
        ordering: ClassVar[tuple[str, ...]] = ("-id",)
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["order", "iccid_key"], name="airalo_esim_once_in_order")
        ]
        permissions: ClassVar[list[tuple[str, Any]]] = [("view_activation_code", _("Can see activation codes"))]

    def __str__(self) -> str:
        return self.iccid or f"#{self.airalo_id or self.pk}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save the eSIM. Set ``iccid_key`` first if it is empty."""
        self.iccid_key = self.iccid_key or normalised(self.iccid) or f"{KEY_OF_ID}{self.airalo_id or self.public_id}"
        super().save(*args, **kwargs)

    @property
    def has_iccid(self) -> bool:
        """Whether it has a usable ICCID, which all requests for it need."""
        return bool(normalised(self.iccid))

    @property
    def is_over(self) -> bool:
        """Whether it is used up, expired or recycled, so that it cannot be used any more."""
        return self.usage_status in self.OVER


class EsimPackage(AiraloModel):
    """A package on an eSIM: the one it was sold with, or a top-up, as Airalo lists it.

    Attributes:
        esim (Esim): its eSIM, whose packages are ``esim.packages``, the newest first.
        airalo_id (int): Airalo's id of this package on this eSIM.
        package_id (str): the id of the package in the catalogue.
        type (str): ``sim`` or ``topup``.
        title (str): its title, in Airalo's words.
        status (str): one of ``EsimPackage.Status``.
        remaining (int or None): the data left, in MB.
        amount (int or None): the total data, in MB.
        is_unlimited (bool): whether data is unlimited. If so, ``remaining`` and ``amount`` are meaningless.
        activated_at (datetime or None): when it was activated.
        expires_at (datetime or None): when it expires.
        finished_at (datetime or None): when it was used up.
    """

    class Status(models.TextChoices):
        UNKNOWN = "unknown", pgettext_lazy("package of an eSIM", "Unknown")
        NOT_ACTIVE = "not_active", pgettext_lazy("package of an eSIM", "Not active yet")
        ACTIVE = "active", pgettext_lazy("package of an eSIM", "Active")
        FINISHED = "finished", pgettext_lazy("package of an eSIM", "Used up")
        EXPIRED = "expired", pgettext_lazy("package of an eSIM", "Expired")

    esim: models.ForeignKey[Esim, Esim] = models.ForeignKey(
        Esim, verbose_name=_("Airalo eSIM"), on_delete=models.CASCADE, related_name="packages"
    )
    airalo_id: t.BigInteger = models.BigIntegerField(_("Airalo id"))
    package_id: t.Char = models.CharField(_("package"), max_length=255, blank=True)
    type: t.Char = models.CharField(_("type"), max_length=20, blank=True, help_text=_("sim or topup"))
    title: t.Char = models.CharField(_("title"), max_length=255, blank=True)
    status: t.Char = models.CharField(_("status"), max_length=10, choices=Status, default=Status.UNKNOWN)
    remaining: t.OptionalPositiveBigInteger = models.PositiveBigIntegerField(
        _("data left"), null=True, blank=True, help_text=_("In MB.")
    )
    amount: t.OptionalPositiveBigInteger = models.PositiveBigIntegerField(
        _("total data"), null=True, blank=True, help_text=_("In MB.")
    )
    is_unlimited: t.Boolean = models.BooleanField(_("unlimited data"), default=False)
    activated_at: t.OptionalDateTime = models.DateTimeField(_("activated at"), null=True, blank=True)
    expires_at: t.OptionalDateTime = models.DateTimeField(_("expires at"), null=True, blank=True)
    finished_at: t.OptionalDateTime = models.DateTimeField(_("finished at"), null=True, blank=True)

    class Meta:
        verbose_name: ClassVar[Any] = _("package of an eSIM")
        verbose_name_plural: ClassVar[Any] = _("packages of eSIMs")
        ordering: ClassVar[tuple[str, ...]] = ("-airalo_id",)
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["esim", "airalo_id"], name="airalo_esim_package_once")
        ]

    def __str__(self) -> str:
        return self.title or self.package_id

    @property
    def data(self) -> Allowance:
        """The data that is left, in MB."""
        return Allowance("MB", self.remaining, self.amount, self.is_unlimited)


class EsimInstructions(AiraloModel):
    """Airalo's steps for installing one eSIM, in one language. They contain the activation code.

    Attributes:
        esim (Esim): the eSIM.
        language (str): Airalo's code for the language.
        content (str): Airalo's response as JSON, encrypted in the database. Use ``guides``.
        fetched_at (datetime): when they were fetched.
        refresh_at (datetime): when ``services.get_instructions()`` will fetch them again.
    """

    esim: models.ForeignKey[Esim, Esim] = models.ForeignKey(
        Esim, verbose_name=_("Airalo eSIM"), on_delete=models.CASCADE, related_name="instructions"
    )
    language: t.Char = models.CharField(_("language"), max_length=10, help_text=_("As requested from Airalo."))
    content: EncryptedTextField = EncryptedTextField(_("content"), help_text=_("Airalo's response as JSON."))
    fetched_at: t.DateTime = models.DateTimeField(_("fetched at"), default=timezone.now, editable=False)
    refresh_at: t.DateTime = models.DateTimeField(_("to be refreshed at"), default=timezone.now)

    class Meta:
        verbose_name: ClassVar[Any] = _("instructions")
        verbose_name_plural: ClassVar[Any] = _("instructions")
        ordering: ClassVar[tuple[str, ...]] = ("-id",)
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["esim", "language"], name="airalo_instructions_once")
        ]

    def __str__(self) -> str:
        return f"{self.esim_id} {self.language}"

    @cached_property
    def guides(self) -> InstructionsData:
        """The steps for ``ios`` and ``android``, as plain text, which templates escape."""
        return InstructionsData.from_json(json.loads(self.content))
