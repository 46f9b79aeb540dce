"""An optional REST API for the user's own orders and eSIMs: ``include("django_airalo.api.urls")``."""
