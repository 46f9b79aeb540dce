"""Encrypt stored secrets again after a change of keys."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.apps import apps
from django.db.models import ExpressionWrapper, F, Model, QuerySet, TextField, Value

from django_airalo.exceptions import DecryptionError
from django_airalo.models import EncryptedTextField
from django_airalo.models.fields import decrypt, encrypt, is_current
from django_airalo.models.managers import primary_rows


@dataclass
class RotationReport:
    """The result of a rotation for one column.

    Attributes:
        column: the column, such as ``django_airalo.Esim.activation_code``.
        rewritten: the number of values that were encrypted again.
        unchanged: the number of values that were encrypted with the first key already.
        unreadable: the number of values that no key decrypts.
    """

    column: str
    rewritten: int = 0
    unchanged: int = 0
    unreadable: int = 0


def rotate_keys(*, batch_size: int = 500) -> list[RotationReport]:
    """Encrypt all stored secrets with the first of ``AIRALO_ENCRYPTION_KEYS``, in all models.

    Can be interrupted and repeated. Values that are encrypted with that key already, that no key decrypts, or that
    another process changes meanwhile are left as they are.

    Args:
        batch_size: the number of rows to read at a time.

    Returns:
        A report for each column.

    Raises:
        AiraloConfigurationError: a key is invalid. Nothing was written.
    """
    return [rotate_column(model, column, batch_size) for model, column in encrypted_columns()]


def encrypted_columns() -> Iterator[tuple[type[Model], str]]:
    """Yield all encrypted columns of the project as model and field name, including those of the shop's own models."""
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
        encrypted = encrypt(decrypt(stored))
    except DecryptionError:
        report.unreadable += 1
        return
    # The shop keeps running meanwhile, so a value is written only if it is still the one that was read.
    new_value = Value(encrypted, output_field=TextField())
    report.rewritten += rows.filter(pk=pk, stored=stored).order_by().update(**{column: new_value})


def as_stored(model: type[Model], column: str) -> QuerySet[Model, tuple[int, str]]:
    """Return the primary keys and stored (encrypted) values of a column, without the empty ones."""
    raw = ExpressionWrapper(F(column), output_field=TextField())
    rows: QuerySet[Model] = primary_rows(model).annotate(stored=raw).filter(stored__gt="")
    return rows.values_list("pk", "stored")
