"""Normalise ICCIDs, the numbers of eSIMs."""

from __future__ import annotations

import hashlib
import re
import unicodedata

#: What Airalo's SDKs accept: 16 to 22 ASCII digits. Other ICCIDs are stored too, and flagged.
PLAIN = re.compile(r"[0-9]{16,22}")
#: The most characters of a normalised ICCID. A longer one is replaced by its digest.
LONGEST = 48


def is_plain(iccid: str) -> bool:
    """Return whether an ICCID has the usual form: 16 to 22 digits and nothing else."""
    return bool(PLAIN.fullmatch(iccid))


def normalised(iccid: str) -> str:
    """Return the same key for all ways to write one ICCID: its ASCII letters and digits in upper case.

    Spaces, dashes and other characters are removed, and so is the ``F`` that pads a number of an odd length. The key is
    empty if there is neither a letter nor a digit. If it is not ASCII, or longer than ``LONGEST`` characters, it is
    ``ODD`` and a digest. So two keys are equal in Python exactly if they are equal in every collation of a database.

    >>> normalised("8900 0000-00000000017f"), normalised("8900000000000000017"), normalised(" - ")
    ('8900000000000000017', '8900000000000000017', '')
    """
    key = "".join(mark for mark in unicodedata.normalize("NFKC", iccid).upper() if mark.isalnum())
    if re.search(r"[0-9]F$", key):
        key = key[:-1]
    if key.isascii() and len(key) <= LONGEST:
        return key
    return "ODD" + hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()[:40].upper()
