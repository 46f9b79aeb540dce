"""A REST API for the signed-in user's own orders and eSIMs. Opt in: ``include("django_airalo.api.urls")``."""
