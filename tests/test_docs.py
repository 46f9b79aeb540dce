"""Every link, dotted name and Python block of the documentation leads somewhere; its examples run."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import textwrap
import tomllib
import unittest

import pytest
from django.apps import apps
from django.core.management import get_commands
from django.test import TestCase

import django_airalo
from django_airalo import services

from .pages import DOCS, FENCE, PACKAGE, PAGES, ROOT, check_sites, headings, python_blocks, read, rows, section


def slug(heading: str) -> str:
    """The anchor of a heading, as GitHub and MyST make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_links_of_a_page_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", page.read_text())):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        leads_to = (page.parent / path).resolve() if path else page
        assert leads_to.exists(), target
        if anchor:
            found = {slug(heading) for level in (1, 2, 3, 4) for heading in headings(leads_to.read_text(), level)}
            assert anchor in found, target


LOGGERS = {
    name
    for module in PACKAGE.rglob("*.py")
    for name in re.findall(r"getLogger\(\"(django_airalo[\w.]*)\"\)", module.read_text())
}


def test_the_loggers_are_documented():
    table = rows(section((DOCS / "how-to" / "running-workers.md").read_text(), "## Logs"))
    assert {name.strip("`") for name, _ in table} == LOGGERS - {"django_airalo.emulator"}


CHECK_IDS = {number for number, *_ in check_sites()}


def permissions() -> set[str]:
    found = set()
    for model in apps.get_app_config("django_airalo").get_models():
        usual = {f"{action}_{model._meta.model_name}" for action in model._meta.default_permissions}
        found |= {f"django_airalo.{name}" for name in usual | {name for name, _ in model._meta.permissions}}
    return found


def import_dotted(dotted: str) -> object:
    """What a dotted name means: a module, or something in one. Raises if it means nothing."""
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for name in parts[length:]:
            found = getattr(found, name)
        return found
    raise ModuleNotFoundError(dotted)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_dotted_names_of_a_page_exist(page):
    text = re.sub(r'b"[^"]*"', "", page.read_text())
    for dotted in set(re.findall(r"\bdjango_airalo(?:\.\w+)+", text)):
        if dotted in CHECK_IDS or dotted in LOGGERS or dotted in permissions():
            continue
        model, _, column = dotted.removeprefix("django_airalo.").partition(".")
        if model in [known.__name__ for known in apps.get_models()]:
            if column:
                apps.get_model("django_airalo", model)._meta.get_field(column)
            continue  # a model's label
        import_dotted(dotted)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_python_blocks_of_a_page_compile_and_import_what_exists(page):
    for code in python_blocks(page.read_text()):
        tree = ast.parse(textwrap.dedent(code))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("django_airalo"):
                for alias in node.names:
                    import_dotted(f"{node.module}.{alias.name}")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_calls_of_services_in_a_page_fit_their_signatures(page):
    for code in python_blocks(page.read_text()):
        for node in ast.walk(ast.parse(textwrap.dedent(code))):
            name = node.func if isinstance(node, ast.Call) else None
            called = name.id if isinstance(name, ast.Name) else name.attr if isinstance(name, ast.Attribute) else ""
            if called in services.__all__ and f"import {called}" in code:
                parameters = inspect.signature(getattr(services, called)).parameters
                assert {keyword.arg for keyword in node.keywords} <= set(parameters), called


# Examples that run


def run_test_case(case: type[TestCase]) -> None:
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    assert result.testsRun
    assert not result.failures + result.errors + result.skipped, "\n".join(
        text for _, text in result.failures + result.errors
    )


@pytest.mark.django_db
def test_the_examples_of_the_testing_page_run():
    """The blocks of the page together are one test module of a shop."""
    namespace = {"__name__": "shop_tests"}
    for code in python_blocks(read("how-to/testing-your-shop.md")):
        exec(compile(code, "testing-your-shop.md", "exec"), namespace)  # noqa: S102  the sample of our own docs
    cases = [item for item in namespace.values() if isinstance(item, type) and issubclass(item, TestCase)]
    cases.remove(TestCase)
    assert cases
    for case in cases:
        run_test_case(case)


# Dependencies


def test_the_architecture_page_says_why_each_dependency():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = {re.match(r"[\w-]+", requirement)[0] for requirement in project["dependencies"]}
    table = rows(section(read("explanation/architecture.md"), "## What it depends on"))
    assert {name for row in table for name in row[0].split(", ")} == needed


# Changelog


def test_the_changelog_knows_the_version():
    text = (ROOT / "CHANGELOG.md").read_text()
    latest = headings(text, 2)[0]
    unreleased = section(text, "## [Unreleased]") if latest == "[Unreleased]" else ""
    assert latest.startswith(f"[{django_airalo.__version__}]") or django_airalo.__version__ in unreleased


def test_the_changelog_names_the_public_verbs_commands_and_models():
    text = (ROOT / "CHANGELOG.md").read_text()
    commands = [name for name, app in get_commands().items() if app == "django_airalo"]
    for name in (*services.__all__, *commands):
        assert f"`{name}" in text, name
    for model in apps.get_app_config("django_airalo").get_models():
        assert f"`{model.__name__}`" in text, model
