"""A copy of Airalo's catalogue: packages, their operators, and the countries that these cover."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar, Self

from django.db import models
from django.db.models import F, Q
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from . import field_types as t
from .managers import AiraloModel, PrimaryManager
from .selling_prices import SellingPrice


class Country(AiraloModel):
    """A country that an operator covers.

    Attributes:
        code (str): ISO 3166, two letters; the primary key.
        title (str): its name, in ``AIRALO_CATALOGUE_LANGUAGE``.
        image_url (str): Airalo's image of its flag; empty if there is none.
        operators: the ``Operator`` rows that cover it, as a manager.
    """

    code: t.Char = models.CharField(
        _("country code"), max_length=8, primary_key=True, help_text=_("ISO 3166, two letters.")
    )
    title: t.Char = models.CharField(_("title"), max_length=255, db_index=True)
    image_url: t.URL = models.URLField(_("image"), max_length=500, blank=True)

    class Meta:
        verbose_name: ClassVar[Any] = _("country")
        verbose_name_plural: ClassVar[Any] = _("countries")
        ordering: ClassVar[tuple[str, ...]] = ("title",)

    def __str__(self) -> str:
        return self.title


class Operator(AiraloModel):
    """An operator of Airalo's catalogue: the brand of an eSIM, and what its packages have in common.

    Attributes:
        airalo_id (int): Airalo's id.
        title (str): its name.
        type (str): ``local``, ``global`` for regional and global ones, or ``universal``.
        plan_type (str): what its packages include, in Airalo's words, such as ``data``.
        activation_policy (str): when the validity begins, in Airalo's words, such as ``first-usage``.
        is_kyc_verify (bool): whether the customer must prove their identity.
        rechargeability (bool): whether its eSIMs can be topped up.
        is_roaming (bool or None): whether data roaming must be on; ``None`` if Airalo did not say.
        apn_type (str): whether the access point is set automatically or by hand, in Airalo's words.
        apn_value (str): the access point, if it is set by hand.
        apn (dict): access point settings for ``ios`` and ``android``.
        info (list): lines of text about it.
        other_info (str): more text about it.
        coverages (list): the networks per country, each with ``name``, ``code`` and ``networks``. It is large for
            global operators: use ``defer("operator__coverages")`` in lists.
        countries: the ``Country`` rows that it covers, as a manager.
        install_window_days (int or None): within how many days after the purchase an eSIM must be installed; ``None``
            if there is no limit or Airalo does not say.
        topup_grace_window_days (int or None): for how many days after it has expired an eSIM can be topped up; ``None``
            if there is no limit or Airalo does not say.
        image_url (str): Airalo's image of it; empty if there is none.
        packages: its ``Package`` rows, as a manager.
        synced_at (datetime): when a sync last changed it.
    """

    class Type(models.TextChoices):
        LOCAL = "local", pgettext_lazy("operator", "Local")
        GLOBAL = "global", pgettext_lazy("operator", "Regional or global")
        UNIVERSAL = "universal", pgettext_lazy("operator", "Universal")

    airalo_id: t.BigInteger = models.BigIntegerField(_("id at Airalo"), unique=True)
    title: t.Char = models.CharField(_("title"), max_length=255, db_index=True)
    type: t.Char = models.CharField(_("type"), max_length=9, choices=Type, default=Type.LOCAL)
    plan_type: t.Char = models.CharField(_("plan type"), max_length=64, blank=True, help_text=_("In Airalo's words."))
    activation_policy: t.Char = models.CharField(
        _("activation policy"), max_length=64, blank=True, help_text=_("When the validity begins, in Airalo's words.")
    )
    is_kyc_verify: t.Boolean = models.BooleanField(_("identity check needed"), default=False)
    rechargeability: t.Boolean = models.BooleanField(_("can be topped up"), default=False)
    is_roaming: t.OptionalBoolean = models.BooleanField(_("roaming must be on"), null=True, blank=True)
    apn_type: t.Char = models.CharField(_("APN type"), max_length=64, blank=True)
    apn_value: t.Char = models.CharField(_("APN"), max_length=255, blank=True)
    apn: t.JSON = models.JSONField(_("APN per system"), default=dict, blank=True)
    info: t.JSON = models.JSONField(_("information"), default=list, blank=True)
    other_info: t.Text = models.TextField(_("other information"), blank=True)
    coverages: t.JSON = models.JSONField(_("networks per country"), default=list, blank=True)
    install_window_days: t.OptionalPositiveInteger = models.PositiveIntegerField(
        _("to be installed within (days)"), null=True, blank=True
    )
    topup_grace_window_days: t.OptionalPositiveInteger = models.PositiveIntegerField(
        _("to be topped up within (days)"), null=True, blank=True
    )
    image_url: t.URL = models.URLField(_("image"), max_length=500, blank=True)
    countries: models.ManyToManyField[Country, Any] = models.ManyToManyField(
        Country, verbose_name=_("countries"), related_name="operators", blank=True
    )
    digest: t.Char = models.CharField(_("digest"), max_length=32, editable=False, default="")
    synced_at: t.DateTime = models.DateTimeField(_("changed at"))

    class Meta:
        verbose_name: ClassVar[Any] = _("operator")
        verbose_name_plural: ClassVar[Any] = _("operators")
        ordering: ClassVar[tuple[str, ...]] = ("title", "airalo_id")

    def __str__(self) -> str:
        return self.title


class PackageQuerySet(models.QuerySet["Package"]):
    """A queryset of packages. All of its methods can be combined."""

    def on_sale(self) -> PackageQuerySet:
        """Return the packages that Airalo listed at the last sync: eSIMs and top-ups."""
        return self.filter(withdrawn_at=None)

    def sims(self) -> PackageQuerySet:
        """Return the packages that are new eSIMs."""
        return self.filter(type=Package.Type.SIM)

    def topups(self) -> PackageQuerySet:
        """Return the packages that top up an existing eSIM."""
        return self.filter(type=Package.Type.TOPUP)

    def for_country(self, code: str) -> PackageQuerySet:
        """Return the packages that work in a country: local, regional and global ones.

        Args:
            code: ISO 3166, two letters.
        """
        code = code.strip().upper()
        if not code:
            return self.none()
        covering = Operator.countries.through.objects.filter(country_id=code).values("operator_id")
        return self.filter(Q(country_code=code) | Q(operator__in=covering))

    def local(self) -> PackageQuerySet:
        """Return the packages of one country."""
        return self.filter(reach=Package.Reach.LOCAL)

    def regional(self) -> PackageQuerySet:
        """Return the packages of a region, such as Europe."""
        return self.filter(reach=Package.Reach.REGIONAL)

    def global_(self) -> PackageQuerySet:
        """Return the packages that work worldwide."""
        return self.filter(reach=Package.Reach.GLOBAL)

    def with_data(self, at_least: int) -> PackageQuerySet:
        """Return the packages with at least this much data, in MB, or with unlimited data."""
        return self.filter(Q(is_unlimited=True) | Q(amount__gte=at_least))

    def for_days(self, at_least: int) -> PackageQuerySet:
        """Return the packages that are valid for at least this many days."""
        return self.filter(validity__gte=at_least)

    def unlimited(self) -> PackageQuerySet:
        """Return the packages with unlimited data."""
        return self.filter(is_unlimited=True)

    def with_voice(self) -> PackageQuerySet:
        """Return the packages with minutes for calls."""
        return self.filter(voice__gt=0)

    def with_texts(self) -> PackageQuerySet:
        """Return the packages with text messages."""
        return self.filter(text__gt=0)

    def priced_between(self, low: Decimal | int | str | None, high: Decimal | int | str | None) -> PackageQuerySet:
        """Return the packages whose retail price in USD is within these bounds; ``None`` means no bound."""
        found = self.filter(price__isnull=False)
        if low is not None:
            found = found.filter(price__gte=low)
        return found if high is None else found.filter(price__lte=high)

    def cheapest_first(self) -> PackageQuerySet:
        """Order by Airalo's retail price. Packages without one come last."""
        return self.order_by(F("price").asc(nulls_last=True), "package_id")


PackagePrimaryManager = PrimaryManager.from_queryset(PackageQuerySet)


class Package(AiraloModel):
    """One package of Airalo's catalogue, as of the last sync. A package that Airalo removed is withdrawn, not deleted.

    Attributes:
        package_id (str): Airalo's id, which ``place_order()`` takes.
        type (str): ``sim`` for new eSIMs, ``topup`` for top-ups.
        title (str): in Airalo's words, such as ``1 GB - 7 Days``.
        operator (Operator or None): its operator, whose packages are ``operator.packages``.
        reach (str): ``local``, ``regional`` or ``global``.
        location (str): the name of its country or region.
        location_slug (str): Airalo's slug of it; ``world`` for global packages.
        country_code (str): ISO 3166, two letters; empty for regional and global packages.
        data (str): the data in Airalo's words, such as ``1 GB``.
        amount (int or None): the data in MB; meaningless if it is unlimited.
        is_unlimited (bool): whether data is unlimited.
        validity (int or None): how long it is valid, in days.
        voice (int or None): calls, in minutes.
        text (int or None): texts, in messages.
        short_info (str): a short text about it; usually empty.
        is_fair_usage_policy (bool): whether it has a fair usage policy.
        fair_usage_policy (str): the text of that policy.
        price (Decimal or None): Airalo's retail price for one, in USD: the lowest price that a shop may ask.
        net_price (Decimal or None): what the shop pays for one, in USD; ``None`` under Airalo's discount pricing.
        retail_prices (dict): the retail price per currency, as text: ``{"EUR": "4.50"}``. Use ``minimum_price()``.
        net_prices (dict): the net price per currency; empty under Airalo's discount pricing. Use ``cost()``.
        inferred (list): which of ``is_unlimited``, ``voice`` and ``text`` were inferred from Airalo's texts, since
            Airalo gave no value: ``data`` is "Unlimited", or the title names minutes or texts.
        history: its prices, ``PackagePrice`` rows, the newest first, as a manager.
        synced_at (datetime): when a sync last changed it.
        withdrawn_at (datetime or None): when Airalo no longer listed it; ``None`` while it is on sale.
    """

    class Type(models.TextChoices):
        SIM = "sim", pgettext_lazy("package", "eSIM")
        TOPUP = "topup", pgettext_lazy("package", "Top-up")

    class Reach(models.TextChoices):
        LOCAL = "local", pgettext_lazy("package", "Local")
        REGIONAL = "regional", pgettext_lazy("package", "Regional")
        GLOBAL = "global", pgettext_lazy("package", "Global")

    package_id: t.Char = models.CharField(_("package id"), max_length=255, unique=True)
    type: t.Char = models.CharField(_("type"), max_length=5, choices=Type, default=Type.SIM)
    title: t.Char = models.CharField(_("title"), max_length=255)
    operator: models.ForeignKey[Operator | None, Operator | None] = models.ForeignKey(
        Operator,
        verbose_name=_("operator"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="packages",
    )
    reach: t.Char = models.CharField(_("reach"), max_length=8, choices=Reach, default=Reach.LOCAL)
    location: t.Char = models.CharField(_("country or region"), max_length=255, db_index=True)
    location_slug: t.Char = models.CharField(_("slug of country or region"), max_length=255, db_index=True)
    country_code: t.Char = models.CharField(_("country code"), max_length=2, blank=True, db_index=True)
    data: t.Char = models.CharField(_("data"), max_length=64, blank=True, help_text=_("In Airalo's words."))
    amount: t.OptionalPositiveInteger = models.PositiveIntegerField(
        _("data amount"), null=True, blank=True, help_text=_("In MB.")
    )
    is_unlimited: t.Boolean = models.BooleanField(_("unlimited data"), default=False)
    validity: t.OptionalPositiveSmallInteger = models.PositiveSmallIntegerField(
        _("validity"), null=True, blank=True, help_text=_("In days.")
    )
    voice: t.OptionalPositiveInteger = models.PositiveIntegerField(
        _("voice"), null=True, blank=True, help_text=_("In minutes.")
    )
    text: t.OptionalPositiveInteger = models.PositiveIntegerField(_("texts"), null=True, blank=True)
    short_info: t.Text = models.TextField(_("short information"), blank=True)
    is_fair_usage_policy: t.Boolean = models.BooleanField(_("has a fair usage policy"), default=False)
    fair_usage_policy: t.Text = models.TextField(_("fair usage policy"), blank=True)
    price: t.OptionalDecimal = models.DecimalField(
        _("retail price"),
        max_digits=12,
        decimal_places=2,
        null=True,
        blank=True,
        help_text=_("In USD. Airalo's own price, the lowest that a shop may ask."),
    )
    net_price: t.OptionalDecimal = models.DecimalField(
        _("net price"),
        max_digits=12,
        decimal_places=2,
        null=True,
        blank=True,
        help_text=_("In USD. What the shop pays; empty under Airalo's discount pricing."),
    )
    retail_prices: t.JSON = models.JSONField(
        _("retail prices"), default=dict, blank=True, help_text=_("Per currency, as Airalo gives them.")
    )
    net_prices: t.JSON = models.JSONField(
        _("net prices"), default=dict, blank=True, help_text=_("Per currency; empty under Airalo's discount pricing.")
    )
    inferred: t.JSON = models.JSONField(
        _("inferred"), default=list, blank=True, help_text=_("The fields that were inferred from Airalo's texts.")
    )
    digest: t.Char = models.CharField(_("digest"), max_length=32, editable=False, default="")
    synced_at: t.DateTime = models.DateTimeField(_("changed at"))
    withdrawn_at: t.OptionalDateTime = models.DateTimeField(_("withdrawn at"), null=True, blank=True, db_index=True)

    objects: ClassVar[models.Manager[Package]] = PackageQuerySet.as_manager()
    primary: ClassVar[PrimaryManager[Self]] = PackagePrimaryManager()

    class Meta:
        verbose_name: ClassVar[Any] = _("package")
        verbose_name_plural: ClassVar[Any] = _("packages")
        ordering: ClassVar[tuple[str, ...]] = ("location", "price", "package_id")
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["withdrawn_at", "type", "price"], name="airalo_package_on_sale")
        ]

    def __str__(self) -> str:
        return f"{self.location}: {self.title}"

    def minimum_price(self, currency: str) -> Decimal | None:
        """Return Airalo's retail price in ``currency``, the lowest a shop may ask; ``None`` if Airalo gave none."""
        return self._price(self.price, self.retail_prices, currency)

    def cost(self, currency: str) -> Decimal | None:
        """Return Airalo's net price in ``currency``; ``None`` if Airalo gave none, as under discount pricing."""
        return self._price(self.net_price, self.net_prices, currency)

    def selling_price(self, currency: str = "USD") -> SellingPrice | None:
        """Return the selling price by the pricing rules. For several packages use ``services.price_packages()``.

        Returns:
            ``None`` if Airalo gives no price in the currency and there is no recent exchange rate for it, or if the
            price is not above 0.

        Raises:
            ValueError: if ``currency`` is not a currency code.
        """
        # By name: prices are computed in services, which models do not import.
        price_package = import_string("django_airalo.services.catalogue.prices.price_package")
        price: SellingPrice | None = price_package(self, currency=currency)
        return price

    @staticmethod
    def _price(in_dollars: Decimal | None, in_currencies: dict[str, str], currency: str) -> Decimal | None:
        if currency == "USD" and in_dollars is not None:
            return Decimal(in_dollars)
        found = in_currencies.get(currency)
        return None if found is None else Decimal(found)


class PackagePrice(AiraloModel):
    """The price of a package from some time on: one row when it was first seen, and one for each change in USD.

    Prices in other currencies follow the daily exchange rates and are not stored.

    Attributes:
        package (Package): the package; its prices are ``package.history``, the newest first.
        price (Decimal or None): Airalo's retail price, in USD.
        net_price (Decimal or None): what the shop paid, in USD; ``None`` under Airalo's discount pricing.
        recorded_at (datetime): since when these prices are known.
    """

    package: models.ForeignKey[Package, Package] = models.ForeignKey(
        Package, verbose_name=_("package"), on_delete=models.CASCADE, related_name="history"
    )
    price: t.OptionalDecimal = models.DecimalField(
        _("retail price"), max_digits=12, decimal_places=2, null=True, blank=True
    )
    net_price: t.OptionalDecimal = models.DecimalField(
        _("net price"), max_digits=12, decimal_places=2, null=True, blank=True
    )
    recorded_at: t.DateTime = models.DateTimeField(_("from"), db_index=True)

    class Meta:
        verbose_name: ClassVar[Any] = _("package price")
        verbose_name_plural: ClassVar[Any] = _("package prices")
        ordering: ClassVar[tuple[str, ...]] = ("-recorded_at", "-id")

    def __str__(self) -> str:
        return f"{self.recorded_at:%Y-%m-%d %H:%M} {self.price}"
