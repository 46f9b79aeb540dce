"""Names of devices as people write them: pure text, no database.

A name is cut into words and numbers, so that ``iPhone15``, ``iphone 15`` and ``IPHONE-15`` are the same.
"""

from __future__ import annotations

import re
import unicodedata

_PART: re.Pattern[str] = re.compile(r"[^\W\d_]+|\d+")
#: Longer texts are no name of a device.
_MAX_LENGTH = 100


def words_of(text: str) -> tuple[str, ...]:
    """Return ``"Galaxy S21+ 5G"`` as ``("galaxy", "s", "21", "plus", "5", "g")``."""
    plain = unicodedata.normalize("NFKD", text[:_MAX_LENGTH]).casefold().replace("+", " plus ")
    return tuple(_PART.findall("".join(letter for letter in plain if not unicodedata.combining(letter))))


def model_words(brand: str, name: str) -> tuple[str, ...]:
    """Return the words of a device's name without the brand in front of it, which some lists write twice."""
    of_brand, of_name = words_of(brand), words_of(name)
    repeats = of_brand and len(of_name) > len(of_brand) and of_name[: len(of_brand)] == of_brand
    return of_name[len(of_brand) :] if repeats else of_name


def key_of(brand: str, name: str) -> str:
    """Return what identifies a device: its words, the brand once in front."""
    return " ".join((*words_of(brand), *model_words(brand, name)))
