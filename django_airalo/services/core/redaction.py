"""Redact the shop's secrets in texts that are stored, logged or shown."""

from __future__ import annotations

import re
from contextlib import suppress

from django_airalo.conf import conf
from django_airalo.exceptions import AiraloConfigurationError

MASK = "•••"
#: Shorter secrets are not redacted, since ordinary words may contain them. The webhook address's token is the
#: exception: it is found by its position.
_SHORTEST = 6
#: A name and a password before a host, as in ``redis://:password@host``.
_USERINFO = re.compile(r"(?<=://)[^/\s@]*@")
#: An activation code, with which anybody can install the eSIM.
_ACTIVATION_CODE = re.compile(r"(?<=LPA:)\d\$[^\s\"'<>\\]+", re.IGNORECASE)


def _secrets() -> list[str]:
    secrets = [conf.WEBHOOK_URL_TOKEN, conf.CLIENT_SECRET, conf.DEPLOYMENT]
    for name in ("WEBHOOK_SECRETS", "ENCRYPTION_KEYS"):
        # It must not keep an order from being recorded.
        with suppress(AiraloConfigurationError):  # a wrong setting is reported where it is needed
            secrets += getattr(conf, name)
    return secrets


def redact(text: str) -> str:
    """Return a text with the shop's secrets, credentials in addresses and activation codes replaced."""
    text = _ACTIVATION_CODE.sub(MASK, mask_addresses(text))
    if conf.WEBHOOK_URL_TOKEN:
        text = text.replace(f"/{conf.WEBHOOK_URL_TOKEN}", f"/{MASK}")
    for secret in _secrets():
        if len(secret) >= _SHORTEST:
            text = text.replace(secret, MASK)
    return text


def mask_addresses(text: str) -> str:
    """Return a text with the credentials in addresses replaced. Reads no settings, which may have the wrong type."""
    return _USERINFO.sub(f"{MASK}@", text)
