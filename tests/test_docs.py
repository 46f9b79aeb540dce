"""Every link, dotted name and Python block of the documentation leads somewhere; its examples run."""

from __future__ import annotations

import argparse
import ast
import dataclasses
import importlib
import inspect
import re
import textwrap
import tomllib
import unittest

import pytest
from django.apps import apps
from django.contrib import admin
from django.core.management import get_commands
from django.test import TestCase
from django.utils.functional import cached_property

import django_airalo
from django_airalo import services
from django_airalo.emulator.catalogue import InventedCatalogue
from django_airalo.emulator.catalogue_data import TEST_PACKAGES
from django_airalo.emulator.cli import add_arguments
from django_airalo.emulator.options import Options
from django_airalo.models.leases import LeaseQuerySet
from django_airalo.services import operations

from .pages import DOCS, FENCE, PACKAGE, PAGES, ROOT, check_sites, headings, python_blocks, read, rows, section, ticked

#: All services, by name.
SERVICES = {name: getattr(module, name) for module in (services, operations) for name in module.__all__}


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
            if called in SERVICES and f"import {called}" in code:
                parameters = inspect.signature(SERVICES[called]).parameters
                assert {keyword.arg for keyword in node.keywords} <= set(parameters), called


def test_the_index_leads_to_each_page_once():
    trees = re.findall(r"^```\{toctree\}\n(.*?)^```$", read("index.md"), re.DOTALL | re.MULTILINE)
    entries = [line for tree in trees for line in tree.splitlines() if line and not line.startswith(":")]
    pages = [str(page.relative_to(DOCS).with_suffix("")) for page in DOCS.rglob("*.md") if "_build" not in page.parts]
    assert sorted(["index", *entries]) == sorted(pages)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_offers_no_top_ups_where_it_sells_esims(page):
    for code in python_blocks(page.read_text()):
        assert len(re.findall(r"\.on_sale\(\)", code)) == len(
            re.findall(r"\.on_sale\(\)\s*\.(?:sims|topups)\(\)", code)
        )


# What pages say of the code


def test_the_tasks_of_the_services_page_are_those_of_the_code():
    documented = section(read("reference/services.md"), "## As tasks").split("tasks of Django's Tasks API")[0]
    module = ast.parse((PACKAGE / "tasks.py").read_text())
    functions = [node for node in module.body if isinstance(node, ast.FunctionDef)]
    tasks = [node.name for node in functions if [ast.unparse(item) for item in node.decorator_list] == ["task"]]
    assert ticked(documented.split("\n", 1)[1]) == ["django_airalo.tasks", *tasks]


def test_the_services_that_wait_for_airalo_exist():
    named = ticked(section(read("reference/services.md"), "## Which of them wait for Airalo"))
    assert set(named) - set(SERVICES) == {"sync"}


def test_the_exceptions_page_says_which_services_raise_a_conflict():
    [row] = [row for row in rows(read("reference/exceptions.md")) if row[0] == "`IdempotencyConflictError`"]
    raising = {name for name, service in SERVICES.items() if "IdempotencyConflictError:" in (service.__doc__ or "")}
    assert {name.removesuffix("()") for name in ticked(row[1]) if name.endswith("()")} == raising


def test_layers_and_subjects_of_the_architecture_page_are_those_that_are_enforced():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers, subjects = ([layer.split(" | ") for layer in contract["layers"]] for contract in contracts[:2])
    table = rows(section(read("explanation/architecture.md"), "## Layers and subjects"))
    assert [ticked(row[1]) for row in table if len(row) == 3] == layers
    assert [int(row[0].split(",")[0]) for row in table if len(row) == 3] == list(reversed(range(len(layers))))
    assert [ticked(row[0]) for row in table if len(row) == 2] == subjects


def test_only_pricing_rules_can_be_edited_in_the_admin_as_the_pages_say(admin_user, rf):
    request = rf.get("/")
    request.user = admin_user
    editable = {
        model.__name__
        for model, page in admin.site._registry.items()
        if model._meta.app_label == "django_airalo"
        and any(page.get_model_perms(request)[do] for do in ("add", "change"))
    }
    assert editable == {"PricingRule"}
    assert "read-only, but for [pricing rules]" in section(read("how-to/going-live.md"), "## Permissions")


def test_the_size_of_the_catalogue_is_that_of_the_emulator():
    catalogue = InventedCatalogue(Options().seed, discount=False)
    sims = len(set(catalogue.packages) - set(TEST_PACKAGES) - catalogue.universal)
    topups = sum(not topup.country for topup in catalogue.topups.values())  # without those of universal eSIMs
    for page in ("reference/commands.md", "how-to/catalogue.md"):
        assert f"added={sims + topups} changed=0" in read(page)
    assert f"some {(sims + topups) // 100 * 100:,}, eSIMs and top-ups" in read("tutorial/sell-your-first-esim.md")
    text = " ".join(read("how-to/emulator.md").split())
    assert f"some {sims // 1000 * 1000:,} invented eSIM packages and {topups // 100 * 100:,} top-ups" in text


def test_the_options_of_the_emulator_are_documented():
    """autodoc shows a field of the options only if a comment says what it is; before a colon it would see a type."""
    source = inspect.getsource(Options)
    for option in dataclasses.fields(Options):
        assert re.search(rf"^    #: [^:\n]+\n    {option.name}: ", source, re.MULTILINE), option.name


def test_the_keywords_of_the_emulator_that_differ_from_its_command_line():
    parser = argparse.ArgumentParser(add_help=False)
    add_arguments(parser)
    table = rows(section(read("how-to/emulator.md"), "## All options"))
    documented = {ticked(row[0])[0].split()[0]: ticked(row[1])[0].split("=")[0] for row in table}
    keywords = {option.name for option in dataclasses.fields(Options)}
    for action in parser._actions:
        [option] = action.option_strings
        usual = option.removeprefix("--").replace("-", "_")
        if usual == "script":
            continue
        assert (option in documented) == (usual not in keywords), option
        assert documented.pop(option, usual) in keywords, option
    assert not documented


# Models

#: Columns that are for the package alone: not documented, so not promised.
OWN_COLUMNS = {
    "EsimOrder": {"attempt", "lookups", "look_up_first"},
    "Esim": {
        "usage_change_expected_at",
        "packages_due",
        "code_key",
        "details_due_at",
        "details_tries",
        "details_synced_at",
        "other_code_at",
    },
    "Package": {"digest"},
    "Operator": {"digest"},
    "CompatibleDevice": {"key", "words", "joined", "joined_with_brand"},
    "SyncRun": {"lease", "lease_until"},
    "Deployment": {"key", "list_too_long_at", "reading_until"},
}
MODELS = list(apps.get_app_config("django_airalo").get_models())


def fields_documented(cls: type) -> set[str]:
    """What the docstrings of a class and of those it comes from list as their attributes."""
    names: set[str] = set()
    for parent in cls.__mro__:
        _, _, listed = inspect.cleandoc(parent.__dict__.get("__doc__") or "").partition("\nAttributes:\n")
        names |= set(re.findall(r"^    (\w+)(?: \([^)]*\))?: ", listed, re.MULTILINE))
    return names


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_a_model_is_documented_with_its_fields(model):
    page = read("reference/models.md")
    assert f".. autoclass:: django_airalo.models.{model.__name__}\n   :members:\n" in page
    columns = {field.name for field in model._meta.get_fields() if field.concrete} - {"id"}
    own = OWN_COLUMNS.get(model.__name__, set())
    assert own <= columns
    documented = fields_documented(model)
    assert columns - documented == own
    assert all(hasattr(model, name) for name in documented), "something else was documented"
    for name, item in vars(model).items():
        if isinstance(item, property | cached_property) and not name.startswith("_"):
            first = (item.__doc__ or "").split("\n")[0]
            assert first, name
            assert not re.search(r":\s", first), f"{name}: autodoc would take what is before the colon for a type"


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_the_querysets_of_a_model_are_documented(model):
    queryset = type(model._default_manager.all())
    kinds = [kind for kind in queryset.__mro__ if kind.__module__.startswith("django_airalo.")]
    for kind in [kind for kind in kinds if kind is not LeaseQuerySet]:  # that is for services, not for shops
        methods = [name for name, item in vars(kind).items() if inspect.isfunction(item)]
        assert all(inspect.getdoc(getattr(kind, name)) for name in methods)
        is_shown = f".. autoclass:: {kind.__module__}.{kind.__name__}\n   :members:\n" in read("reference/models.md")
        assert is_shown == bool(methods)


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
    for name in (*SERVICES, *commands):
        assert f"`{name}" in text, name
    for model in apps.get_app_config("django_airalo").get_models():
        assert f"`{model.__name__}`" in text, model
