"""docs/reference/airalo-api.md says what there is for each endpoint of Airalo's. Here it is held to the code."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import pytest

from django_airalo import services
from django_airalo.client import AiraloClient
from django_airalo.emulator.routing import ROUTES
from django_airalo.services import operations

from .pages import read, rows, section, ticked

ROOT = Path(__file__).parent.parent
PAGE = read("reference/airalo-api.md")
HEADINGS = ("## Token", "## Catalogue", "## Orders", "## eSIMs", "## Account", "## Notifications")
ROWS = [row for heading in HEADINGS for row in rows(section(PAGE, heading))]
ENDPOINT = re.compile(r"(GET|POST|PUT) (/v2/\S+?)(?=[:,.]?\s|[:,.]?$)")
NOTHING = "–"


def plain(endpoint: str) -> str:
    """``GET /v2/orders/{}``: what stands between the braces is only a name."""
    return re.sub(r"\{\w*\}", "{}", endpoint)


def endpoint_of(method: str) -> str | None:
    """With what a method's docstring begins, if it is an endpoint."""
    found = ENDPOINT.match(inspect.getdoc(getattr(AiraloClient, method)) or "")
    return plain(f"{found[1]} {found[2]}") if found else None


def route_of(row_endpoint: str) -> str:
    method, path = plain(row_endpoint).split(" ")
    return next(
        route.name
        for route in ROUTES
        if route.method == method and route.pattern.pattern == "^" + path.replace("{}", "([^/]+)") + "/?$"
    )


#: Each public method that is an endpoint, with it.
METHODS = {name: endpoint for name in dir(AiraloClient) if not name.startswith("_") and (endpoint := endpoint_of(name))}


def calls(method: str, package: str) -> list[str]:
    """The modules of a package in which a method of this name is called on a client."""
    return [
        path.name
        for path in sorted((ROOT / "django_airalo" / package).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
        and node.attr == method
        and ast.unparse(node.value) in ("get_client()", "client")
    ]


def test_there_is_a_row_for_each_endpoint() -> None:
    endpoints = [plain(row[0]) for row in ROWS]

    assert len(set(endpoints)) == len(endpoints)
    assert len(endpoints) == len(ROUTES)
    assert all(len(row) == 5 for row in ROWS)


def test_each_route_of_the_emulator_is_in_its_row() -> None:
    assert {row[0]: ticked(row[3]) for row in ROWS} == {row[0]: [route_of(row[0])] for row in ROWS}


def test_each_method_of_the_client_is_in_its_row() -> None:
    table = {method: plain(row[0]) for row in ROWS for method in ticked(row[1])}

    assert table == METHODS
    assert all(len(ticked(row[1])) == 1 for row in ROWS)


def test_a_method_that_is_no_endpoint_is_made_of_some() -> None:
    others = {name for name in dir(AiraloClient) if not name.startswith("_")} - set(METHODS)

    assert others == {"iter_packages"}


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_the_services_are_what_they_are_said_to_be(row: list[str]) -> None:
    (method,) = ticked(row[1])
    named = ticked(row[2])

    assert named or row[2] == NOTHING
    for name in named:
        assert name in (*services.__all__, *operations.__all__)
    # A dash hides no service, and no service is named where none asks.
    assert bool(calls(method, "services")) is bool(named)


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_the_tests_try_what_they_are_said_to_try(row: list[str]) -> None:
    method, path = ticked(row[1])[0], row[0].split(" ")[1]
    tests = ticked(row[4])

    assert tests
    for test in tests:
        file, _, function = test.partition("::")
        source = (ROOT / file).read_text()
        (node,) = [
            node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef) and node.name == function
        ]
        body = ast.get_source_segment(source, node) or ""
        words = [rf"\.{method}\(", rf'"{re.escape(path)}"', *(rf"\b{name}\(" for name in ticked(row[2]))]
        assert any(re.search(word, body) for word in words), f"{test} does not try {row[0]}"


def test_the_limits_are_settings_that_there_are() -> None:
    settings = read("reference/settings.md")
    table = rows(section(PAGE, "## How often"))

    assert {plain(row[0]) for row in table} <= {plain(row[0]) for row in ROWS}
    for row in table:
        for name, anchor in re.findall(r"\[(AIRALO_\w+)\]\(settings\.md#(\w+)\)", row[2]):
            assert f"### {name}\n" in settings
            assert anchor == name.lower()


# That the checks above can fail


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        ("GET /v2/orders/{id}", "GET /v2/orders/{}"),
        ("PUT /v2/sims/{iccid}/brand", "PUT /v2/sims/{}/brand"),
        ("GET /v2/orders", "GET /v2/orders"),
    ],
)
def test_plain(endpoint: str, expected: str) -> None:
    assert plain(endpoint) == expected


def test_endpoints_are_read_from_docstrings() -> None:
    assert METHODS["get_usage"] == "GET /v2/sims/{}/usage"
    assert METHODS["get_token"] == "POST /v2/token"
    assert METHODS["list_orders"] == "GET /v2/orders"
    assert endpoint_of("iter_packages") is None


def test_calls_of_services_are_found() -> None:
    assert calls("get_balance", "services") == ["balance.py"]
    assert calls("get_package_overrides", "client") == []
    assert calls("no_such_method", "services") == []
