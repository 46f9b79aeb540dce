from django.urls import include, path

urlpatterns = [path("airalo/", include("django_airalo.urls"))]
