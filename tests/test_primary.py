"""Services read what they decide by from the database that is written to.

That they do is shown by each of their tests: those run behind a router whose replica is away from services.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from django.apps import apps
from django.utils.connection import ConnectionDoesNotExist

import django_airalo
from django_airalo.models.managers import PrimaryManager

SERVICES = Path(django_airalo.__file__).parent / "services"
MODELS = list(apps.get_app_config("django_airalo").get_models())
BANNED = {"objects", "_default_manager", "_base_manager", "prefetch_related"}


@pytest.mark.parametrize("path", sorted(SERVICES.rglob("*.py")), ids=lambda path: str(path.relative_to(SERVICES)))
def test_services_use_the_primary_manager_only(path: Path) -> None:
    names = [node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)]
    assert not BANNED.intersection(names)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_model_has_a_primary_manager_beside_its_default(model: type) -> None:
    assert isinstance(model.primary, PrimaryManager)
    assert model._base_manager.name == "primary"
    assert model._default_manager.name == "objects"
    assert not isinstance(model.objects, PrimaryManager)


def test_what_a_service_reads_by_the_routers_fails_here() -> None:
    read = compile("Model.objects.exists()", str(SERVICES / "example.py"), "eval")
    with pytest.raises(ConnectionDoesNotExist):
        eval(read, {"Model": MODELS[0]})  # noqa: S307  ours


class Elsewhere:
    """Reads from a replica and writes to the default."""

    def db_for_read(self, model: type, **hints: object) -> str:
        return "replica"

    def db_for_write(self, model: type, **hints: object) -> str:
        return "default"


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_the_primary_manager_does_not_ask_where_to_read(model: type, settings) -> None:
    settings.DATABASE_ROUTERS = [Elsewhere()]
    assert model.primary.all().db == "default"
    assert model.primary.using("other").db == "other"
    assert model.objects.all().db == "replica"
