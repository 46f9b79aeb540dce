"""Names for the types of fields: what may be assigned, and what is read."""

from __future__ import annotations

import uuid
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypeAlias

from django.db import models

BigInteger: TypeAlias = "models.BigIntegerField[int, int]"
Boolean: TypeAlias = "models.BooleanField[bool, bool]"
Char: TypeAlias = "models.CharField[str, str]"
DateTime: TypeAlias = "models.DateTimeField[datetime, datetime]"
DecimalValue: TypeAlias = "models.DecimalField[Decimal, Decimal]"
DecimalInput: TypeAlias = "models.DecimalField[Decimal | float | str, Decimal]"
Email: TypeAlias = "models.EmailField[str, str]"
Integer: TypeAlias = "models.IntegerField[int, int]"
JSON: TypeAlias = "models.JSONField[Any, Any]"
OptionalBigInteger: TypeAlias = "models.BigIntegerField[int | None, int | None]"
OptionalBoolean: TypeAlias = "models.BooleanField[bool | None, bool | None]"
OptionalChar: TypeAlias = "models.CharField[str | None, str | None]"
OptionalDate: TypeAlias = "models.DateField[date | None, date | None]"
OptionalDateTime: TypeAlias = "models.DateTimeField[datetime | None, datetime | None]"
OptionalDecimal: TypeAlias = "models.DecimalField[Decimal | None, Decimal | None]"
OptionalDecimalInput: TypeAlias = "models.DecimalField[Decimal | float | str | None, Decimal | None]"
OptionalInteger: TypeAlias = "models.IntegerField[int | None, int | None]"
OptionalPositiveBigInteger: TypeAlias = "models.PositiveBigIntegerField[int | None, int | None]"
OptionalPositiveInteger: TypeAlias = "models.PositiveIntegerField[int | None, int | None]"
OptionalPositiveSmallInteger: TypeAlias = "models.PositiveSmallIntegerField[int | None, int | None]"
PositiveInteger: TypeAlias = "models.PositiveIntegerField[int, int]"
PositiveSmallInteger: TypeAlias = "models.PositiveSmallIntegerField[int, int]"
Text: TypeAlias = "models.TextField[str, str]"
URL: TypeAlias = "models.URLField[str, str]"
UUID: TypeAlias = "models.UUIDField[uuid.UUID, uuid.UUID]"
