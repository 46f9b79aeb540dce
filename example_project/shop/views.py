from __future__ import annotations

import uuid
from typing import Any, cast

from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db import IntegrityError
from django.db.models import Prefetch, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods
from django_airalo import services
from django_airalo.exceptions import AiraloError, DecryptionError
from django_airalo.models import Esim, Package
from django_airalo.models.esims import EsimQuerySet
from django_airalo.services import price_packages

from .checkout import PriceChangedError, buy
from .codes import mark, readable
from .forms import CheckoutForm, PackageFilterForm, SignUpForm
from .models import Order
from .payments import PaymentDeclinedError
from .progress import sentence, steps

PACKAGES_PER_PAGE = 24
ESIMS_PER_PAGE = 10
ORDERS_PER_PAGE = 20


def _for_sale() -> Any:
    """Return the packages that the shop sells: eSIMs with a price."""
    packages = Package.objects.on_sale().sims().filter(price__gt=0)
    # The coverages of a global operator are large, and no page shows them.
    return packages.select_related("operator").defer("operator__coverages")


@require_GET
def packages(request: HttpRequest) -> HttpResponse:
    """List all packages, or those that match the search."""
    places = list(_for_sale().order_by("location").values_list("location_slug", "location", "country_code").distinct())
    countries = [(slug, name) for slug, name, _code in places]
    form = PackageFilterForm(request.GET, countries=countries)
    found = _for_sale()
    if form.is_valid():
        for word in form.cleaned_data["q"].split():
            names = Q(location__icontains=word) | Q(title__icontains=word) | Q(operator__title__icontains=word)
            found = found.filter(names)
        place = form.cleaned_data["country"]
        if place:
            code = next((code for slug, _name, code in places if slug == place), "")
            # For a country, include the regional and global packages that work there.
            found = found.for_country(code) if code else found.filter(location_slug=place)
    else:
        found = found.none()
    found = found.order_by("price", "location", "package_id")
    page = Paginator(found, PACKAGES_PER_PAGE).get_page(request.GET.get("page"))
    context = {"form": form, "page": page, "prices": price_packages(page), "catalogue_is_empty": not countries}
    return render(request, "shop/packages.html", context)


@require_GET
def package(request: HttpRequest, package_id: str) -> HttpResponse:
    """Show one package."""
    shown = get_object_or_404(_for_sale(), package_id=package_id)
    return render(request, "shop/package.html", {"package": shown, "price": shown.selling_price()})


# The views below show data of one customer (codes, orders, addresses), so no cache may store their responses.


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def checkout(request: HttpRequest, package_id: str) -> HttpResponse:
    """Pay for a package."""
    bought = get_object_or_404(_for_sale(), package_id=package_id)
    price = bought.selling_price()
    form = CheckoutForm(request.POST or None, initial={"price": price.amount if price else None})
    if request.method == "POST" and form.is_valid():
        try:
            order = buy(request.user, bought, **form.cleaned_data)
        except IntegrityError:
            # The form was sent twice, so the first order is shown, but only to its own customer.
            order = get_object_or_404(Order, checkout_key=form.cleaned_data["checkout_key"], user=request.user)
        except PriceChangedError as error:
            form = CheckoutForm({**request.POST.dict(), "price": error.price})
            form.add_error(None, str(error))
        except PaymentDeclinedError as error:
            form.add_error("card", str(error))
        except ValidationError as error:
            form.add_error(None, error.messages)
        if form.is_valid():
            return redirect(order)
    status = 422 if form.errors else 200
    return render(request, "shop/checkout.html", {"form": form, "package": bought, "price": price}, status=status)


@never_cache
@login_required
@require_GET
def orders(request: HttpRequest) -> HttpResponse:
    """List the customer's orders."""
    page = Paginator(Order.objects.for_user(request.user), ORDERS_PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "shop/orders.html", {"page": page})


@never_cache
@login_required
@require_GET
def order(request: HttpRequest, number: str) -> HttpResponse:
    """Show one order. The page updates itself until the eSIM is delivered."""
    return render(request, "shop/order.html", _order_context(request, number))


@never_cache
@login_required
@require_GET
def order_status(request: HttpRequest, number: str) -> HttpResponse:
    """Return the part of the order's page that htmx replaces."""
    if not request.htmx:  # type: ignore[attr-defined]  # set by django-htmx's middleware
        return redirect("shop:order", number)
    return render(request, "shop/_order_status.html", _order_context(request, number))


def _order_context(request: HttpRequest, number: str) -> dict[str, Any]:
    mine, esims = Order.objects.for_user(request.user), Esim.objects.select_related("order__order_line")
    try:
        order = get_object_or_404(mine.prefetch_related(_esims_of_lines(esims)), number=number)
    except DecryptionError:
        order = get_object_or_404(mine.prefetch_related(_esims_of_lines(esims.without_secrets())), number=number)
        for line in order.lines.all():
            mark(list(line.esim_order.esims.all()) if line.esim_order else [])
    lines = [
        {"line": line, "sentence": sentence(line.esim_order), "steps": steps(line.esim_order)}
        for line in order.lines.all()
        if line.esim_order
    ]
    return {"order": order, "lines": lines}


def _esims_of_lines(esims: EsimQuerySet) -> Prefetch[str]:
    return Prefetch("lines__esim_order__esims", esims)


@never_cache
@login_required
@require_GET
def esims(request: HttpRequest) -> HttpResponse:
    """List the customer's eSIMs, with what is needed to install them."""
    mine = Esim.objects.for_user(request.user).select_related("order__order_line__order")
    page = Paginator(mine, ESIMS_PER_PAGE).get_page(request.GET.get("page"))
    page.object_list = readable(cast("EsimQuerySet", page.object_list))
    return render(request, "shop/esims.html", {"page": page})


@never_cache
@login_required
@require_GET
def install(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """Show one eSIM, with Airalo's steps for installing it."""
    mine = Esim.objects.for_user(request.user).select_related("order__order_line__order")
    found = readable(mine.filter(public_id=public_id))
    if not found:
        raise Http404
    esim = found[0]
    try:
        instructions = services.get_instructions(esim)
    except AiraloError:
        instructions = None  # Airalo is unavailable; the QR code works without the steps
    return render(request, "shop/install.html", {"esim": esim, "instructions": instructions})


@require_http_methods(["GET", "POST"])
def sign_up(request: HttpRequest) -> HttpResponse:
    """Create a customer and log them in."""
    form = SignUpForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        login(request, form.save())
        messages.success(request, _("Welcome! You are signed up and logged in."))
        return redirect(_next_page(request))
    return render(request, "registration/sign_up.html", {"form": form, "next": request.GET.get("next", "")})


def _next_page(request: HttpRequest) -> str:
    """Return the page that the customer came from, if it is a page of this shop."""
    target = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(target, {request.get_host()}, require_https=request.is_secure())
    return target if safe else reverse("shop:packages")
