"""The URLs of the example project."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("", include("shop.urls")),
    path("accounts/", include("django.contrib.auth.urls")),
    path("airalo/", include("django_airalo.urls")),
    path("api/airalo/", include("django_airalo.api.urls")),
    path("admin/", admin.site.urls),
]
