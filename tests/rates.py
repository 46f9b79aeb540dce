"""Rate limits for tests that are not about them."""

from __future__ import annotations

from django_airalo.conf import DEFAULT_RATE_LIMITS

NO_LIMITS = dict.fromkeys(DEFAULT_RATE_LIMITS)
