from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("airalo/", include("django_airalo.urls")),
    path("api/airalo/", include("django_airalo.api.urls")),
]
