"""Blank values in Airalo's answers, which never overwrite a known value.

The client returns ``None`` or an empty value for anything that was not sent, was null, or could not be understood.
Each service that mirrors an answer writes only the values that ``said()`` returns.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: The number of characters of a value that are shown.
SHOWN = 40


def is_blank(value: Any) -> bool:
    """Return whether a value is blank: ``None`` or empty. 0 and ``False`` are values."""
    return value is None or (isinstance(value, str | tuple | list | dict) and not value)


def said(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns for which Airalo gave a value, with these values."""
    return {name: value for name, value in values.items() if not is_blank(value)}


def changes(row: object, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns for which Airalo gave a value that differs from the row's, with these values."""
    return {name: value for name, value in said(values).items() if getattr(row, name) != value}


def filled(values: Mapping[str, Any], old: Mapping[str, Any]) -> dict[str, Any]:
    """Return all columns: Airalo's value where it gave one, else the old value."""
    return {name: old.get(name, value) if is_blank(value) else value for name, value in values.items()}


def not_understood(document: Mapping[str, Any], read: Mapping[str, Any]) -> list[str]:
    """Return descriptions of the values that could not be read, such as ``remaining '1,350'``.

    Args:
        document: the document as Airalo sent it.
        read: the values that were read, by key.
    """
    odd = [name for name, value in read.items() if is_blank(value) and not is_blank(document.get(name))]
    return [f"{name} {repr(document[name])[:SHOWN]}" for name in odd]
