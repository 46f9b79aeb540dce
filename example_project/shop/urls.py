"""The shop's pages."""

from django.urls import path

from . import views

app_name = "shop"

urlpatterns = [
    path("", views.packages, name="packages"),
    path("packages/<str:package_id>/", views.package, name="package"),
    path("packages/<str:package_id>/checkout/", views.checkout, name="checkout"),
    path("orders/", views.orders, name="orders"),
    path("orders/<uuid:number>/", views.order, name="order"),
    path("orders/<uuid:number>/status/", views.order_status, name="order_status"),
    path("esims/", views.esims, name="esims"),
    path("esims/<uuid:public_id>/", views.install, name="install"),
    path("accounts/sign-up/", views.sign_up, name="sign_up"),
]
