"""Names of devices as people write them: pure text, no database.

A name is cut into words and numbers, so that ``iPhone15``, ``iphone 15`` and ``IPHONE-15`` are the same. Numbers must
be equal, since they are what tells one model from the next. Words may have a slip in them, if they are long enough for
it to be one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from functools import lru_cache

_PART = re.compile(r"[^\W\d_]+|\d+")
#: From this many letters on a word may have a slip in it; in shorter ones (XS, XR, Pro) a letter makes the model.
_LONG_ENOUGH = 4
#: How alike two words must be, as difflib counts it: one slip in five letters is 0.8.
_ALIKE = 0.8
#: Longer texts are no name of a device, and comparing them would take long.
_MAX_LENGTH = 100


def words_of(text: str) -> tuple[str, ...]:
    """``"Galaxy S21+ 5G"`` as ``("galaxy", "s", "21", "plus", "5", "g")``."""
    plain = unicodedata.normalize("NFKD", text[:_MAX_LENGTH]).casefold().replace("+", " plus ")
    return tuple(_PART.findall("".join(letter for letter in plain if not unicodedata.combining(letter))))


def key_of(brand: str, name: str) -> str:
    """What makes a device one: its words, the brand once in front."""
    return " ".join((*words_of(brand), *_without(words_of(brand), words_of(name))))


class DeviceIndex:
    """All devices, ready to be searched.

    Args:
        devices: key, brand and name of each.
    """

    def __init__(self, devices: Iterable[tuple[str, str, str]]) -> None:
        self._devices: list[tuple[str, tuple[str, ...], tuple[str, ...], str]] = []
        self._exact: dict[str, list[str]] = {}
        for key, brand, name in devices:
            brand_words = words_of(brand)
            model = _without(brand_words, words_of(name))
            self._devices.append((key, brand_words, model, name.casefold()))
            for written in (model, (*brand_words, *model)):
                if written:
                    self._exact.setdefault("".join(written), []).append(key)
        self._devices.sort(key=lambda device: (len(device[2]), device[3]))
        self._words = {word for _, brand, model, _ in self._devices for word in (*brand, *model) if word.isalpha()}
        self._correct = lru_cache(maxsize=1024)(self._nearest)

    def has(self, text: str) -> bool:
        """Whether there is exactly this device."""
        return bool(self._exactly(words_of(text)) or self._exactly(self._corrected(text)))

    def find(self, text: str, limit: int) -> list[str]:
        """The keys of the devices that fit, the best first."""
        for words in (words_of(text), self._corrected(text)):
            if found := self._found(words):
                return found[:limit]
        return []

    def _found(self, words: Sequence[str]) -> list[str]:
        if not words:
            return []
        fitting = (key for key, brand, model, _ in self._devices if _fits(words, (*brand, *model)))
        return list(dict.fromkeys((*self._exactly(words), *fitting)))

    def _exactly(self, words: Sequence[str]) -> list[str]:
        return self._exact.get("".join(words), [])

    def _corrected(self, text: str) -> tuple[str, ...]:
        """The words of a text, each that no device has replaced by the one that is most like it."""
        return tuple(word if word.isdigit() or word in self._words else self._correct(word) for word in words_of(text))

    def _nearest(self, word: str) -> str:
        if len(word) < _LONG_ENOUGH:
            return word
        matcher = SequenceMatcher(b=word, autojunk=False)
        best, alike = word, _ALIKE
        for known in sorted(self._words):
            if abs(len(known) - len(word)) > 2 or len(known) < _LONG_ENOUGH:
                continue
            matcher.set_seq1(known)
            if matcher.real_quick_ratio() >= alike and matcher.quick_ratio() >= alike and matcher.ratio() >= alike:
                ratio = matcher.ratio()
                if ratio > alike or best == word:
                    best, alike = known, ratio
        return best


def _without(brand: tuple[str, ...], name: tuple[str, ...]) -> tuple[str, ...]:
    """The name without the brand in front of it: some lists write it twice."""
    return name[len(brand) :] if brand and len(name) > len(brand) and name[: len(brand)] == brand else name


def _fits(asked: Sequence[str], words: Sequence[str]) -> bool:
    """Whether each word asked for is one of a device's, in any order; the last may be unfinished, numbers may not."""
    left = list(words)
    for position, word in enumerate(asked):
        if word in left:
            left.remove(word)
            continue
        unfinished = position == len(asked) - 1 and word.isalpha()
        match = next((other for other in left if unfinished and other.startswith(word)), None)
        if match is None:
            return False
        left.remove(match)
    return True
