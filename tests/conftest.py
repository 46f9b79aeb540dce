from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.core.cache import cache

from django_airalo.testing import FakeAiralo


@pytest.fixture(autouse=True)
def _clear_cache() -> None:
    cache.clear()


@pytest.fixture
def airalo() -> Iterator[FakeAiralo]:
    with FakeAiralo() as fake:
        yield fake
