"""A text field that is encrypted in the database.

Own code, since the packages that exist return ciphertext on a wrong key, swallow the error, or pickle.
The cipher is Fernet of ``cryptography`` (AES-128-CBC and HMAC-SHA256).
"""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import FieldError
from django.db import models
from django.db.models.lookups import Exact

from django_airalo.conf import conf
from django_airalo.exceptions import AiraloConfigurationError, DecryptionError

if TYPE_CHECKING:
    TextField = models.TextField[str, str]
else:
    TextField = models.TextField

#: Says which cipher wrote a value, so that another one can be added.
PREFIX = "f1:"


def cipher() -> MultiFernet:
    """The cipher of the settings: encrypts with the first key, decrypts with any.

    The keys are ``AIRALO_ENCRYPTION_KEYS``, then those derived from ``SECRET_KEY`` and ``SECRET_KEY_FALLBACKS``. The
    derived ones encrypt only while the setting is empty; that they go on decrypting lets a shop set keys later.
    Raises ``AiraloConfigurationError`` for a key that is not a Fernet key.
    """
    return MultiFernet(_ciphers())


def _ciphers() -> list[Fernet]:
    return _made(tuple(conf.ENCRYPTION_KEYS), settings.SECRET_KEY, tuple(settings.SECRET_KEY_FALLBACKS))


@lru_cache(maxsize=8)
def _made(keys: tuple[str, ...], secret_key: str, fallbacks: tuple[str, ...]) -> list[Fernet]:
    try:
        return [Fernet(key) for key in (*keys, *map(_derive, (secret_key, *fallbacks)))]
    except ValueError as error:
        raise AiraloConfigurationError(
            "AIRALO_ENCRYPTION_KEYS holds a key that is not 32 bytes in URL-safe base64. "
            "Make one with: python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'"
        ) from error


def _derive(secret: str) -> str:
    # SECRET_KEY is long and random already, so a fast hash under a name of our own is enough.
    digest = hashlib.sha256(b"django_airalo.encryption\x00" + str(secret).encode()).digest()
    return base64.urlsafe_b64encode(digest).decode()


def encrypt(value: str) -> str:
    return PREFIX + cipher().encrypt(value.encode("utf-8", "surrogateescape")).decode()


def decrypt(stored: str) -> str:
    """The clear text. Raises ``DecryptionError`` if no key fits, rather than hand out garbage as an activation code."""
    try:
        return cipher().decrypt(stored.removeprefix(PREFIX)).decode("utf-8", "surrogateescape")
    except (InvalidToken, ValueError) as error:  # ValueError: it is not even ASCII
        raise DecryptionError(
            "A stored secret fits none of the keys. Put the key it was written with back into "
            "AIRALO_ENCRYPTION_KEYS (or SECRET_KEY_FALLBACKS if the keys come from SECRET_KEY)."
        ) from error


def is_current(stored: str) -> bool:
    """Whether a value was written with the key that encrypts now, so that it needs no other key."""
    try:
        _ciphers()[0].decrypt(stored.removeprefix(PREFIX))
    except (InvalidToken, ValueError):
        return False
    return True


class _ExactlyEmpty(Exact):
    def get_prep_lookup(self) -> Any:
        if self.rhs != "":
            raise FieldError("An encrypted field can be compared with the empty string only.")
        return self.rhs


class EncryptedTextField(TextField):
    """Text that is clear in Python and encrypted in the database. Cannot be searched or ordered by.

    An empty string is stored as such: that there is nothing is no secret. Bytes that are no UTF-8 survive as
    ``surrogateescape``.
    """

    def get_prep_value(self, value: Any) -> Any:
        value = super().get_prep_value(value)
        return encrypt(value) if value else value

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> str | None:
        return decrypt(value) if value else value

    def get_lookup(self, lookup_name: str) -> Any:
        """Only ``isnull``, and ``exact`` for the empty string, can work on ciphertext."""
        if lookup_name == "exact":
            return _ExactlyEmpty
        return super().get_lookup(lookup_name) if lookup_name == "isnull" else None
