"""A mirror of what Airalo sells: packages, the operators they belong to, the countries those cover."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

if TYPE_CHECKING:
    from .pricing import SellingPrice


class Country(models.Model):
    """A country that an operator covers, in Airalo's words.

    Attributes:
        code (str): ISO 3166, two letters; the primary key.
        title (str): its name, in ``AIRALO_CATALOGUE_LANGUAGE``.
        image_url (str): Airalo's picture of its flag; empty if there is none.
        operators: the ``Operator`` rows that cover it, as a manager.
    """

    code = models.CharField(_("country code"), max_length=8, primary_key=True, help_text=_("ISO 3166, two letters."))
    title = models.CharField(_("title"), max_length=255, db_index=True)
    image_url = models.URLField(_("image"), max_length=500, blank=True)

    class Meta:
        verbose_name = _("country")
        verbose_name_plural = _("countries")
        ordering = ("title",)

    def __str__(self) -> str:
        return self.title


class Operator(models.Model):
    """An operator of Airalo's catalogue: the name of an eSIM, and what its packages have in common.

    Attributes:
        airalo_id (int): Airalo's id.
        title (str): its name.
        type (str): ``local``, or ``global`` for regional and global ones.
        plan_type (str): what plans give, in Airalo's words, such as ``data``.
        activation_policy (str): when the days begin to run, in Airalo's words, such as ``first-usage``.
        is_kyc_verify (bool): whether the customer must prove who they are.
        rechargeability (bool): whether its eSIMs can be topped up.
        is_roaming (bool or None): whether data roaming must be on; ``None`` if Airalo did not say.
        apn_type (str): how the access point is set, in Airalo's words: by itself or by hand.
        apn_value (str): the access point, if it is set by hand.
        apn (dict): access point settings per system, ``ios`` and ``android``.
        info (list): lines of text about it.
        other_info (str): more text about it.
        coverages (list): the networks per country, each with ``name``, ``code`` and ``networks``. Long for operators of
            the world: ``defer("operator__coverages")`` in lists.
        countries: the ``Country`` rows that it covers, as a manager.
        install_window_days (int or None): within how many days after the purchase an eSIM must be installed; ``None``
            if there is no limit or Airalo does not say.
        topup_grace_window_days (int or None): how many days after its end an eSIM can be topped up; ``None`` likewise.
        image_url (str): Airalo's picture of it; empty if there is none.
        packages: its ``Package`` rows, as a manager.
        synced_at (datetime): when a sync last changed it.
    """

    class Type(models.TextChoices):
        LOCAL = "local", pgettext_lazy("operator", "Local")
        GLOBAL = "global", pgettext_lazy("operator", "Regional or global")

    airalo_id = models.BigIntegerField(_("id at Airalo"), unique=True)
    title = models.CharField(_("title"), max_length=255, db_index=True)
    type = models.CharField(_("type"), max_length=6, choices=Type, default=Type.LOCAL)
    plan_type = models.CharField(_("plan type"), max_length=64, blank=True, help_text=_("In Airalo's words."))
    activation_policy = models.CharField(
        _("activation policy"), max_length=64, blank=True, help_text=_("When the days begin to run, in Airalo's words.")
    )
    is_kyc_verify = models.BooleanField(_("identity check needed"), default=False)
    rechargeability = models.BooleanField(_("can be topped up"), default=False)
    is_roaming = models.BooleanField(_("roaming must be on"), null=True, blank=True)
    apn_type = models.CharField(_("APN type"), max_length=64, blank=True)
    apn_value = models.CharField(_("APN"), max_length=255, blank=True)
    apn = models.JSONField(_("APN per system"), default=dict, blank=True)
    info = models.JSONField(_("information"), default=list, blank=True)
    other_info = models.TextField(_("other information"), blank=True)
    coverages = models.JSONField(_("networks per country"), default=list, blank=True)
    install_window_days = models.PositiveIntegerField(_("to be installed within"), null=True, blank=True)
    topup_grace_window_days = models.PositiveIntegerField(_("to be topped up within"), null=True, blank=True)
    image_url = models.URLField(_("image"), max_length=500, blank=True)
    countries = models.ManyToManyField(Country, verbose_name=_("countries"), related_name="operators", blank=True)
    digest = models.CharField(_("digest"), max_length=32, editable=False, default="")
    synced_at = models.DateTimeField(_("changed at"))

    class Meta:
        verbose_name = _("operator")
        verbose_name_plural = _("operators")
        ordering = ("title", "airalo_id")

    def __str__(self) -> str:
        return self.title


class PackageQuerySet(models.QuerySet["Package"]):
    """What shops look for. All of these can be combined."""

    def on_sale(self) -> PackageQuerySet:
        """The packages that Airalo listed at the last sync: eSIMs and top-ups."""
        return self.filter(withdrawn_at=None)

    def sims(self) -> PackageQuerySet:
        """Packages that are new eSIMs."""
        return self.filter(type=Package.Type.SIM)

    def topups(self) -> PackageQuerySet:
        """Packages that top up an eSIM which the customer has already."""
        return self.filter(type=Package.Type.TOPUP)

    def for_country(self, code: str) -> PackageQuerySet:
        """Packages that work in a country (ISO 3166, two letters): its own, and regional and global ones."""
        code = code.strip().upper()
        if not code:
            return self.none()
        covering = Operator.countries.through.objects.filter(country_id=code).values("operator_id")
        return self.filter(Q(country_code=code) | Q(operator__in=covering))

    def local(self) -> PackageQuerySet:
        """Packages of one country."""
        return self.filter(reach=Package.Reach.LOCAL)

    def regional(self) -> PackageQuerySet:
        """Packages of a region, such as Europe."""
        return self.filter(reach=Package.Reach.REGIONAL)

    def global_(self) -> PackageQuerySet:
        """Packages of the whole world."""
        return self.filter(reach=Package.Reach.GLOBAL)

    def with_data(self, at_least: int) -> PackageQuerySet:
        """Packages with that many MB of data, or with unlimited data."""
        return self.filter(Q(is_unlimited=True) | Q(amount__gte=at_least))

    def for_days(self, at_least: int) -> PackageQuerySet:
        """Packages that last that many days."""
        return self.filter(validity__gte=at_least)

    def unlimited(self) -> PackageQuerySet:
        """Packages with unlimited data."""
        return self.filter(is_unlimited=True)

    def with_voice(self) -> PackageQuerySet:
        """Packages with minutes for calls."""
        return self.filter(voice__gt=0)

    def with_texts(self) -> PackageQuerySet:
        """Packages with text messages."""
        return self.filter(text__gt=0)

    def priced_between(self, low: Decimal | int | str | None, high: Decimal | int | str | None) -> PackageQuerySet:
        """Packages whose retail price in USD is within these bounds; ``None`` is no bound."""
        found = self.filter(price__isnull=False)
        if low is not None:
            found = found.filter(price__gte=low)
        return found if high is None else found.filter(price__lte=high)

    def cheapest_first(self) -> PackageQuerySet:
        """By Airalo's retail price; those without one come last."""
        return self.order_by(F("price").asc(nulls_last=True), "package_id")


class Package(models.Model):
    """One package of Airalo's catalogue, as of the last sync. A package that vanished is withdrawn, not deleted.

    Attributes:
        package_id (str): Airalo's id, which ``place_order()`` takes.
        type (str): ``sim`` for new eSIMs, ``topup`` for top-ups.
        title (str): in Airalo's words, such as ``1 GB - 7 Days``.
        operator (Operator or None): what it has in common with others; an operator has them in ``operator.packages``.
        reach (str): ``local``, ``regional`` or ``global``.
        location (str): the name of its country or region.
        location_slug (str): the same as Airalo's slug; ``world`` for the whole world.
        country_code (str): ISO 3166, two letters; empty for regional and global packages.
        data (str): the data in Airalo's words, such as ``1 GB``.
        amount (int or None): the data in MB; means nothing if it is unlimited.
        is_unlimited (bool): whether data is unlimited.
        validity (int or None): how long it lasts, in days.
        voice (int or None): calls, in minutes.
        text (int or None): texts, in messages.
        short_info (str): a text about it; empty for most.
        is_fair_usage_policy (bool): whether it has a fair usage policy.
        fair_usage_policy (str): what that says.
        price (Decimal or None): Airalo's retail price for one, in USD: the least a shop may ask.
        net_price (Decimal or None): what the shop pays for one, in USD; ``None`` under Airalo's discount pricing.
        retail_prices (dict): the retail price per currency, as text: ``{"EUR": "4.50"}``. Use ``minimum_price()``.
        net_prices (dict): the net price likewise; empty under Airalo's discount pricing. Use ``cost()``.
        history: its prices, ``PackagePrice`` rows, the newest first, as a manager.
        synced_at (datetime): when a sync last changed it.
        withdrawn_at (datetime or None): when Airalo ceased to list it; ``None`` while it is on sale.
    """

    class Type(models.TextChoices):
        SIM = "sim", pgettext_lazy("package", "eSIM")
        TOPUP = "topup", pgettext_lazy("package", "Top-up")

    class Reach(models.TextChoices):
        LOCAL = "local", pgettext_lazy("package", "Local")
        REGIONAL = "regional", pgettext_lazy("package", "Regional")
        GLOBAL = "global", pgettext_lazy("package", "Global")

    package_id = models.CharField(_("package id"), max_length=255, unique=True)
    type = models.CharField(_("type"), max_length=5, choices=Type, default=Type.SIM)
    title = models.CharField(_("title"), max_length=255)
    operator = models.ForeignKey(
        Operator,
        verbose_name=_("operator"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="packages",
    )
    reach = models.CharField(_("reach"), max_length=8, choices=Reach, default=Reach.LOCAL)
    location = models.CharField(_("country or region"), max_length=255, db_index=True)
    location_slug = models.CharField(_("slug of country or region"), max_length=255, db_index=True)
    country_code = models.CharField(_("country code"), max_length=2, blank=True, db_index=True)
    data = models.CharField(_("data"), max_length=64, blank=True, help_text=_("In Airalo's words."))
    amount = models.PositiveIntegerField(_("data amount"), null=True, blank=True, help_text=_("In MB."))
    is_unlimited = models.BooleanField(_("unlimited data"), default=False)
    validity = models.PositiveSmallIntegerField(_("validity"), null=True, blank=True, help_text=_("In days."))
    voice = models.PositiveIntegerField(_("voice"), null=True, blank=True, help_text=_("In minutes."))
    text = models.PositiveIntegerField(_("texts"), null=True, blank=True)
    short_info = models.TextField(_("short information"), blank=True)
    is_fair_usage_policy = models.BooleanField(_("has a fair usage policy"), default=False)
    fair_usage_policy = models.TextField(_("fair usage policy"), blank=True)
    price = models.DecimalField(
        _("retail price"),
        max_digits=12,
        decimal_places=2,
        null=True,
        blank=True,
        help_text=_("In USD. Airalo's own price, the least a shop may ask."),
    )
    net_price = models.DecimalField(
        _("net price"),
        max_digits=12,
        decimal_places=2,
        null=True,
        blank=True,
        help_text=_("In USD. What the shop pays; empty under Airalo's discount pricing."),
    )
    retail_prices = models.JSONField(
        _("retail prices"), default=dict, blank=True, help_text=_("Per currency, as Airalo gives them.")
    )
    net_prices = models.JSONField(
        _("net prices"), default=dict, blank=True, help_text=_("Per currency; empty under Airalo's discount pricing.")
    )
    digest = models.CharField(_("digest"), max_length=32, editable=False, default="")
    synced_at = models.DateTimeField(_("changed at"))
    withdrawn_at = models.DateTimeField(_("withdrawn at"), null=True, blank=True, db_index=True)

    objects = PackageQuerySet.as_manager()

    class Meta:
        verbose_name = _("package")
        verbose_name_plural = _("packages")
        ordering = ("location", "price", "package_id")
        indexes = [models.Index(fields=["withdrawn_at", "type", "price"], name="airalo_package_on_sale")]

    def __str__(self) -> str:
        return f"{self.location}: {self.title}"

    def minimum_price(self, currency: str) -> Decimal | None:
        """Airalo's retail price in ``currency``, the least a shop may ask; ``None`` if Airalo gave none in it."""
        return self._price(self.price, self.retail_prices, currency)

    def cost(self, currency: str) -> Decimal | None:
        """Airalo's net price in ``currency``; ``None`` if Airalo gave none, as under discount pricing."""
        return self._price(self.net_price, self.net_prices, currency)

    def selling_price(self, currency: str = "USD") -> SellingPrice | None:
        """What the pricing rules make of it. For more than one package: ``services.price_packages()``.

        Returns ``None`` if there is neither a price of Airalo's nor an exchange rate for the currency (one that is
        not too old), or the price is not above 0. Raises ``ValueError`` for what is no currency code.
        """
        from .pricing import PriceList

        return PriceList(currency).price(self)

    @staticmethod
    def _price(in_dollars: Decimal | None, in_currencies: dict[str, str], currency: str) -> Decimal | None:
        if currency == "USD" and in_dollars is not None:
            return Decimal(in_dollars)
        found = in_currencies.get(currency)
        return None if found is None else Decimal(found)


class PackagePrice(models.Model):
    """What a package cost from a moment on: a row when it was first seen, and one for each change in USD.

    Prices in other currencies follow the exchange rates of each day and are not kept.

    Attributes:
        package (Package): a package has its prices in ``package.history``, the newest first.
        price (Decimal or None): Airalo's retail price, in USD.
        net_price (Decimal or None): what the shop paid, in USD; ``None`` under Airalo's discount pricing.
        recorded_at (datetime): from when on.
    """

    package = models.ForeignKey(Package, verbose_name=_("package"), on_delete=models.CASCADE, related_name="history")
    price = models.DecimalField(_("retail price"), max_digits=12, decimal_places=2, null=True, blank=True)
    net_price = models.DecimalField(_("net price"), max_digits=12, decimal_places=2, null=True, blank=True)
    recorded_at = models.DateTimeField(_("from"), db_index=True)

    class Meta:
        verbose_name = _("package price")
        verbose_name_plural = _("package prices")
        ordering = ("-recorded_at", "-id")

    def __str__(self) -> str:
        return f"{self.recorded_at:%Y-%m-%d %H:%M} {self.price}"
