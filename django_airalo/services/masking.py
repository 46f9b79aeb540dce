"""Keep the shop's secrets off screens."""

from __future__ import annotations

from django_airalo.conf import conf

MASK = "•••"
#: Shorter ones would blot out words that are no secret. The token of the address is known by its place, however short.
_SHORTEST = 6


def masked(text: str) -> str:
    """The text without the token of the webhook address and without credentials."""
    if conf.WEBHOOK_URL_TOKEN:
        text = text.replace(f"/{conf.WEBHOOK_URL_TOKEN}", f"/{MASK}")
    for secret in (conf.WEBHOOK_URL_TOKEN, conf.CLIENT_SECRET, *conf.WEBHOOK_SECRETS, *conf.ENCRYPTION_KEYS):
        if len(secret) >= _SHORTEST:
            text = text.replace(secret, MASK)
    return text
