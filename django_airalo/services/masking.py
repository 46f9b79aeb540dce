"""Keep the shop's secrets off screens."""

from __future__ import annotations

import re
from contextlib import suppress

from django_airalo.conf import conf
from django_airalo.exceptions import AiraloConfigurationError

MASK = "•••"
#: Shorter ones would blot out words that are no secret. The token of the address is known by its place, however short.
_SHORTEST = 6
#: A name and a password before a host, as in ``redis://:password@host``.
_USERINFO = re.compile(r"(?<=://)[^/\s@]*@")


def _secrets() -> list[str]:
    secrets = [conf.WEBHOOK_URL_TOKEN, conf.CLIENT_SECRET]
    for name in ("WEBHOOK_SECRETS", "ENCRYPTION_KEYS"):
        # A setting that is wrong is reported by whoever needs it. It must not keep an order from being recorded.
        with suppress(AiraloConfigurationError):
            secrets += getattr(conf, name)
    return secrets


def masked(text: str) -> str:
    """The text without the token of the webhook address and without credentials, those of other addresses too."""
    text = _USERINFO.sub(f"{MASK}@", text)
    if conf.WEBHOOK_URL_TOKEN:
        text = text.replace(f"/{conf.WEBHOOK_URL_TOKEN}", f"/{MASK}")
    for secret in _secrets():
        if len(secret) >= _SHORTEST:
            text = text.replace(secret, MASK)
    return text
