"""Compare names of devices as customers write them.

A name is split into words and numbers, so that ``iPhone15``, ``iphone 15`` and ``IPHONE-15`` are the same.
"""

from __future__ import annotations

import re
import unicodedata

_PART: re.Pattern[str] = re.compile(r"[^\W\d_]+|\d+")
#: The rest of a longer text is ignored, since no device has such a long name.
_MAX_LENGTH = 100


def words_of(text: str) -> tuple[str, ...]:
    """Return ``"Galaxy S21+ 5G"`` as ``("galaxy", "s", "21", "plus", "5", "g")``."""
    plain = unicodedata.normalize("NFKD", text[:_MAX_LENGTH]).casefold().replace("+", " plus ")
    return tuple(_PART.findall("".join(letter for letter in plain if not unicodedata.combining(letter))))


def model_words(brand: str, name: str) -> tuple[str, ...]:
    """Return the words of a device's name without the brand in front, which Airalo's list may repeat."""
    of_brand, of_name = words_of(brand), words_of(name)
    repeats = of_brand and len(of_name) > len(of_brand) and of_name[: len(of_brand)] == of_brand
    return of_name[len(of_brand) :] if repeats else of_name


def key_of(brand: str, name: str) -> str:
    """Return the words that identify a device, with the brand once in front."""
    return " ".join((*words_of(brand), *model_words(brand, name)))
