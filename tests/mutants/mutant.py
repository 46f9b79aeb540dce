"""One deliberate fault."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """In ``file`` (inside the package), ``old``, which must occur exactly once, becomes ``new``.

    ``first`` are the tests that should catch it: they are run first, to save time. If they do not, all others are.
    """

    name: str
    file: str
    old: str
    new: str
    first: tuple[str, ...]
