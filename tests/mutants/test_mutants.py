"""The deliberate faults fit the code as it is. That the suite catches them takes long: ``make mutants`` shows it."""

from __future__ import annotations

import pytest

from .mutants import MUTANTS, Mutant
from .run import ROOT


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_applies(mutant: Mutant) -> None:
    assert (ROOT / "django_airalo" / mutant.file).read_text().count(mutant.old) == 1
    assert mutant.new != mutant.old
    assert all((ROOT / test).exists() for test in mutant.first)
