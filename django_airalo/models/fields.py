"""A text field that is encrypted in the database.

The existing packages return ciphertext for a wrong key, ignore the error, or use pickle. The cipher is Fernet of
``cryptography`` (AES-128-CBC and HMAC-SHA256).
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

#: The prefix of a stored value, which names the cipher, so that another cipher can be added later.
PREFIX = "f1:"
#: How a stored value begins: each Fernet token starts with these characters, since its version is 0x80.
_CIPHERTEXT = f"{PREFIX}gAAAAA"


def cipher() -> MultiFernet:
    """Return the cipher of the settings, which encrypts with the first key and decrypts with any.

    The keys are ``AIRALO_ENCRYPTION_KEYS``, then those derived from ``SECRET_KEY`` and ``SECRET_KEY_FALLBACKS``. The
    derived keys encrypt only while the setting is empty. They always decrypt, so a shop can set keys of its own later.

    Raises:
        AiraloConfigurationError: if a key is not a Fernet key.
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
    # SECRET_KEY is long and random, so a fast hash with a prefix is enough.
    digest = hashlib.sha256(b"django_airalo.encryption\x00" + str(secret).encode()).digest()
    return base64.urlsafe_b64encode(digest).decode()


def encrypt(value: str) -> str:
    """Return the ciphertext of a value, with its prefix."""
    return PREFIX + cipher().encrypt(value.encode("utf-8", "surrogateescape")).decode()


def decrypt(stored: str) -> str:
    """Return the plain text of a stored value.

    Raises:
        DecryptionError: if no key fits, so that ciphertext is never delivered as an activation code.
    """
    try:
        return cipher().decrypt(stored.removeprefix(PREFIX)).decode("utf-8", "surrogateescape")
    except (InvalidToken, ValueError) as error:  # ValueError: not ASCII
        raise DecryptionError(
            "A stored secret fits none of the keys. Put the key that it was encrypted with back into "
            "AIRALO_ENCRYPTION_KEYS (or SECRET_KEY_FALLBACKS if the keys come from SECRET_KEY)."
        ) from error


def is_current(stored: str) -> bool:
    """Return whether a value was encrypted with the current first key, so that it needs no other key."""
    try:
        _ciphers()[0].decrypt(stored.removeprefix(PREFIX))
    except (InvalidToken, ValueError):
        return False
    return True


class _ExactlyEmpty(Exact):
    def get_prep_lookup(self) -> Any:
        if self.rhs != "":
            raise FieldError("An encrypted field can only be compared with the empty string.")
        return self.rhs


class EncryptedTextField(TextField):
    """A text field that is plain in Python and encrypted in the database. It cannot be searched or sorted by.

    An empty string is stored unencrypted, since it is no secret. Bytes that are not UTF-8 are kept with
    ``surrogateescape``.
    """

    def get_prep_value(self, value: Any) -> Any:
        # Not to_python(): what Airalo sends may look like ciphertext, and is stored as it is.
        value = super().to_python(models.Field.get_prep_value(self, value))
        return encrypt(value) if value else value

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> str | None:
        return decrypt(value) if value else value

    def value_to_string(self, obj: models.Model) -> Any:
        """Return the ciphertext for a serializer, so that a dump holds no secret and is text."""
        return self.get_prep_value(self.value_from_object(obj))

    def to_python(self, value: Any) -> Any:
        """Return the plain text, also of the ciphertext that a dump holds.

        Raises:
            DecryptionError: if no key fits the ciphertext.
        """
        value = super().to_python(value)
        return decrypt(value) if isinstance(value, str) and value.startswith(_CIPHERTEXT) else value

    def get_lookup(self, lookup_name: str) -> Any:
        """Return the lookups that work on ciphertext: ``isnull``, and ``exact`` for the empty string."""
        if lookup_name == "exact":
            return _ExactlyEmpty
        return super().get_lookup(lookup_name) if lookup_name == "isnull" else None
