"""The reference of an order, by which it is found in Airalo's lists."""

from __future__ import annotations

import secrets

#: The number of hex digits.
REFERENCE_LENGTH = 32


def reference_in(description: str) -> str:
    """Return the reference at the front of a description from Airalo; ``""`` if there is none."""
    reference, _, _ = description.partition(" ")
    is_reference = len(reference) == REFERENCE_LENGTH and set(reference) <= set("0123456789abcdef")
    return reference if is_reference else ""


def new_reference() -> str:
    """Return a random reference that cannot be guessed.

    All references have the same length, so that none is a prefix of another. They consist of hex digits, so that they
    match only themselves in a ``LIKE`` search, which may ignore case and has ``_`` and ``%`` as wildcards.
    """
    return secrets.token_hex(REFERENCE_LENGTH // 2)
