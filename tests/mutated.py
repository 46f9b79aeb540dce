"""A good answer with one part of it changed, one part after another: what a shop holds must survive each.

Only changes that say nothing or cannot be understood, or that say the same in another type. What says something else
is news, and has tests of its own.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

Path = tuple[str | int, ...]

_MISSING = object()
#: What says nothing, whatever stood there.
NOTHING: dict[str, Any] = {"missing": _MISSING, "null": None, "empty text": "", "empty list": [], "empty object": {}}
#: What cannot stand in a place of a kind. Numbers and texts can stand for each other.
SENSELESS: dict[type, dict[str, Any]] = {
    bool: {"text": "perhaps", "number": 7, "list": [True], "object": {"is": True}, "fraction": 0.5},
    int: {"true": True, "words": "many", "list": [7], "object": {"is": 7}, "negative": -7, "huge": 10**40,
          "doubtful": "1,350", "NaN": float("nan"), "with a unit": "7 GB"},
    str: {"true": True, "list": ["x"], "object": {"is": "x"}, "NUL": "\x00", "blanks": "  \t"},
    list: {"true": True, "text": "x", "number": 7, "list of text": ["x"], "list of null": [None], "lists": [[]]},
    dict: {"true": True, "text": "x", "number": 7, "list of text": ["x"], "list of null": [None]},
}  # fmt: skip


def mutations(
    document: Any,
    *,
    skip: tuple[str, ...] = (),
    may_be_empty: tuple[str, ...] = (),
    also: Mapping[type, Mapping[str, Any]] = MappingProxyType({}),
) -> Iterator[tuple[str, Any]]:
    """Yield ``(what was changed, document)`` for each part of the document: not understood, not said, said otherwise.

    Args:
        document: what ``json.loads()`` returns.
        skip: keys that are left as they are, with all that is in them.
        may_be_empty: keys of lists of which an empty one says that there is nothing.
        also: other changes for values of a kind, by their names.
    """
    for path, value in _parts(document, skip):
        kind = next(kind for kind in (bool, int, str, list, dict) if isinstance(_kindred(value), kind))
        changes = {**NOTHING, **SENSELESS[kind], **_same(value), **also.get(kind, {})}
        if path[-1] in may_be_empty:
            del changes["empty list"], changes["empty object"]
        if str(path[-1]).isdecimal():
            del changes["missing"]  # a row less is news
        if _is_of_texts(value):
            del changes["list of text"], changes["text"], changes["number"]  # other texts
        for name, new in changes.items():
            if new is not _MISSING and new == value and type(new) is type(value):
                continue
            changed = copy.deepcopy(document)
            place = changed
            for key in path[:-1]:
                place = place[key]
            if new is _MISSING:
                del place[path[-1]]
            else:
                place[path[-1]] = new
            yield f"{'.'.join(map(str, path))}: {name}", changed
    for path, value in [((), document), *_parts(document, skip)]:
        if isinstance(value, dict):
            changed = copy.deepcopy(document)
            place = changed
            for key in path:
                place = place[key]
            place["something_new"] = {"of": ["Airalo", 7, None]}
            yield f"{'.'.join(map(str, path))}: extra", changed


def _kindred(value: Any) -> Any:
    """A value of the kind that belongs here. Where a good answer has null, a text."""
    if value is None:
        return ""
    return int(value) if isinstance(value, float) else value


def _is_of_texts(value: Any) -> bool:
    """Whether it is a list of texts, or an object of them by number."""
    if isinstance(value, dict) and all(key.isdecimal() for key in value):
        value = list(value.values())
    return isinstance(value, list) and bool(value) and isinstance(value[0], str)


def _same(value: Any) -> dict[str, Any]:
    """The same in another type."""
    if isinstance(value, bool):
        return {"same as number": int(value), "same as text": str(value).lower(), "same as digit": str(int(value))}
    if isinstance(value, int | float):
        return {"same as text": str(value), "same with blanks": f" {value} ", "same as fraction": f"{value:.4f}"}
    if isinstance(value, str):
        return {"same with blanks": f" {value} "} | ({"same as number": int(value)} if value.isdecimal() else {})
    if isinstance(value, list) and value:
        return {"same as object": {str(index): item for index, item in enumerate(value)}}
    return {}


def _parts(document: Any, skip: tuple[str, ...], path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Each part with its path; of a list, the first item, since the others are like it."""
    items: Any = document.items() if isinstance(document, dict) else enumerate(document[:1])
    for key, value in items:
        if key in skip:
            continue
        yield (*path, key), value
        if isinstance(value, dict | list):
            yield from _parts(value, skip, (*path, key))
