"""Stored secrets and the keys that they are encrypted with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.apps import apps
from django.db.models import ExpressionWrapper, F, Model, QuerySet, TextField, Value

from django_airalo.exceptions import DecryptionError
from django_airalo.models import EncryptedTextField
from django_airalo.models.fields import decrypt, encrypt, is_current


@dataclass
class RotationReport:
    """What a rotation did in one column: how many values it wrote anew, found written so already, could not read."""

    column: str
    rewritten: int = 0
    unchanged: int = 0
    unreadable: int = 0


def rotate_keys(*, batch_size: int = 500) -> list[RotationReport]:
    """Encrypt all stored secrets with the first of ``AIRALO_ENCRYPTION_KEYS``, in all models that have any.

    May be interrupted and repeated: a value that is so already is left alone. A value that changes meanwhile is left
    as it became, and a value that fits no key as it is.

    Args:
        batch_size: how many rows to read at a time.

    Returns:
        A report for each column.

    Raises:
        AiraloConfigurationError: a key is none. Nothing was written.
    """
    return [rotate_column(model, column, batch_size) for model, column in encrypted_columns()]


def encrypted_columns() -> Iterator[tuple[type[Model], str]]:
    """All encrypted columns of the project, the shop's own models' too."""
    for model in apps.get_models():
        if model._meta.managed and not model._meta.proxy:
            for field in model._meta.local_fields:
                if isinstance(field, EncryptedTextField):
                    yield model, field.name


def rotate_column(model: type[Model], column: str, batch_size: int) -> RotationReport:
    """Encrypt the values of one column with the first key."""
    report = RotationReport(f"{model._meta.label}.{column}")
    rows = as_stored(model, column).order_by("pk")
    batch = list(rows[:batch_size])
    while batch:
        for pk, stored in batch:
            _rotate(rows, pk, stored, column, report)
        batch = list(rows.filter(pk__gt=batch[-1][0])[:batch_size])
    return report


def _rotate(rows: QuerySet[Model, tuple[int, str]], pk: int, stored: str, column: str, report: RotationReport) -> None:
    if is_current(stored):
        report.unchanged += 1
        return
    try:
        anew = encrypt(decrypt(stored))
    except DecryptionError:
        report.unreadable += 1
        return
    # Only if it is still what was read: the shop goes on meanwhile.
    written = rows.filter(pk=pk, stored=stored).order_by().update(**{column: Value(anew, output_field=TextField())})
    report.rewritten += written


def as_stored(model: type[Model], column: str) -> QuerySet[Model, tuple[int, str]]:
    """Primary keys and values as the database holds them, without those that are empty."""
    raw = ExpressionWrapper(F(column), output_field=TextField())
    rows = model._base_manager.annotate(stored=raw).filter(stored__gt="")
    return rows.values_list("pk", "stored")
