"""Keep the shop's secrets off screens."""

from __future__ import annotations

import re

from django_airalo.conf import conf

MASK = "•••"
#: Shorter ones would blot out words that are no secret. The token of the address is known by its place, however short.
_SHORTEST = 6
#: A name and a password before a host, as in ``redis://:password@host``.
_USERINFO = re.compile(r"(?<=://)[^/\s@]*@")


def masked(text: str) -> str:
    """The text without the token of the webhook address and without credentials, those of other addresses too."""
    text = _USERINFO.sub(f"{MASK}@", text)
    if conf.WEBHOOK_URL_TOKEN:
        text = text.replace(f"/{conf.WEBHOOK_URL_TOKEN}", f"/{MASK}")
    for secret in (conf.WEBHOOK_URL_TOKEN, conf.CLIENT_SECRET, *conf.WEBHOOK_SECRETS, *conf.ENCRYPTION_KEYS):
        if len(secret) >= _SHORTEST:
            text = text.replace(secret, MASK)
    return text
