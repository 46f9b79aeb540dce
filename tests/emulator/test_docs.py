"""The page about the emulator names what there is, and nothing that there is not."""

from __future__ import annotations

import argparse
import json
import re
from dataclasses import fields
from pathlib import Path

import pytest

from django_airalo.emulator.catalogue_data import TEST_PACKAGES
from django_airalo.emulator.cli import add_arguments
from django_airalo.emulator.control import PREFIX
from django_airalo.emulator.control import ROUTES as CONTROL
from django_airalo.emulator.emulator import Emulator
from django_airalo.emulator.fault_presets import PRESETS, RANDOM
from django_airalo.emulator.fault_rules import Call, FaultRules
from django_airalo.emulator.faults import Fault
from django_airalo.emulator.routing import ROUTES

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "emulator.md").read_text(encoding="utf-8")
NAMED = set(re.findall(r"`([^`\n]+)`", PAGE))


def section(title: str) -> str:
    return PAGE.split(f"# {title}\n")[1].split("\n#")[0]


def first_column(title: str) -> set[str]:
    rows = [line.split("|")[1] for line in section(title).splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


def test_named_faults() -> None:
    assert first_column("Named faults") == set(PRESETS)


def test_groups_of_random_faults() -> None:
    assert first_column("Random faults") == set(RANDOM)


def test_described_faults() -> None:
    assert first_column("Faults described") == {item.name for item in fields(Fault)} - {"name"}


def test_control_routes() -> None:
    assert first_column("Control routes") == {f"{method} {PREFIX}{path}" for method, path in CONTROL}


def test_endpoints_of_scripts() -> None:
    assert {route.name for route in ROUTES} <= NAMED
    rows = re.findall(r"^\| `([a-z-]+)` \| `([A-Z]+) (/v2/\S+)` \|$", section("What it answers"), re.MULTILINE)
    assert [(name, method, re.sub(r"{\w+}", "{}", path)) for name, method, path in rows] == [
        (route.name, route.method, route.pattern.pattern[1:-3].replace("([^/]+)", "{}")) for route in ROUTES
    ]


def test_options() -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    known = {name for action in parser._actions for name in action.option_strings}
    assert set(re.findall(r"`?(--[a-z][a-z-]+)", PAGE)) <= known
    usual = {name: value for name, value in vars(parser.parse_args([])).items() if value is not None}
    for option, shown in re.findall(r"\| `--([a-z-]+)[^|]*\|[^|]*\| `?([a-z0-9._]+)`? \|", section("Run it")):
        if shown not in ("nothing", "memory", "off", "asks", "as", "0"):
            assert str(usual[option.replace("-", "_")]).startswith(shown), option


def test_the_example_script_is_understood() -> None:
    (example,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    book = FaultRules()
    book.add(json.loads(example))
    assert book.choose(Call("orders-async", 3, "x")).close == "after"


def test_members(emulator: Emulator) -> None:
    named = {re.split(r"[(.]", name)[0] for name in first_column("Use it in tests")}
    assert len(named) > 10
    for name in named:
        assert hasattr(emulator, name), name


@pytest.mark.parametrize(("slug", "code"), TEST_PACKAGES.items())
def test_failing_packages(slug: str, code: int) -> None:
    assert f"| `{slug}` | {code} |" in PAGE
