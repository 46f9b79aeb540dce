"""The URLs of the shop."""

from django.urls import path, register_converter
from django.urls.converters import StringConverter

from . import views

app_name = "shop"


class PackageIdConverter(StringConverter):
    """Text without NUL, which PostgreSQL rejects in queries."""

    regex = "[^/\x00]+"


register_converter(PackageIdConverter, "package_id")

urlpatterns = [
    path("", views.packages, name="packages"),
    path("packages/<package_id:package_id>/", views.package, name="package"),
    path("packages/<package_id:package_id>/checkout/", views.checkout, name="checkout"),
    path("orders/", views.orders, name="orders"),
    path("orders/<uuid:number>/", views.order, name="order"),
    path("orders/<uuid:number>/status/", views.order_status, name="order_status"),
    path("esims/", views.esims, name="esims"),
    path("esims/<uuid:public_id>/", views.install, name="install"),
    path("accounts/sign-up/", views.sign_up, name="sign_up"),
]
