"""The emulator's core by itself: requests in, responses out, and how its modules depend on each other."""

from __future__ import annotations

import ast
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from django_airalo import emulator
from django_airalo.emulator import EmulatorCore
from django_airalo.emulator.messages import Request, Response
from django_airalo.emulator.webhooks import attempt, fulfil_due, signature

PACKAGE = Path(emulator.__file__).parent
CREDENTIALS = {"client_id": "id", "client_secret": "secret", "grant_type": "client_credentials"}


class Collector:
    """Keeps webhooks instead of sending them."""

    def __init__(self, state: Any = None) -> None:
        self.sent: list[tuple[str, bytes, dict[str, str]]] = []

    def post(self, url: str, body: bytes, headers: dict[str, str]) -> tuple[int, None]:
        self.sent.append((url, body, headers))
        return 200, None

    def is_reachable(self, url: str) -> bool:
        return url.endswith("/reachable/")

    def wake(self) -> None: ...

    def reserve(self, webhook_ids: list[int]) -> None: ...

    def release(self, webhook_id: int) -> None: ...


@pytest.fixture
def collector() -> Collector:
    return Collector()


@pytest.fixture
def core(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> Iterator[EmulatorCore]:
    def forbidden(*arguments: Any, **named: Any) -> None:
        raise AssertionError("the core needs neither a socket nor a thread")

    monkeypatch.setattr(socket, "socket", forbidden)
    monkeypatch.setattr(threading.Thread, "start", forbidden)
    core = EmulatorCore(client_id="id", client_secret="secret", webhook_delay=0)
    core.open(lambda state: collector)
    yield core
    core.close()


def ask(core: EmulatorCore, method: str, path: str, body: Any = None, token: str = "") -> Response:
    headers = {"content-type": "application/json", "authorization": f"Bearer {token}"}
    response = core.dispatch(Request(method, path, headers, json.dumps(body).encode() if body else b"")).response
    assert response is not None
    return response


def token_of(core: EmulatorCore) -> str:
    return str(json.loads(ask(core, "POST", "/v2/token", CREDENTIALS).body)["data"]["access_token"])


def test_order_is_bought_fulfilled_and_delivered_without_socket_or_thread(core, collector):
    token, package_id = token_of(core), next(iter(core.state.catalogue.packages))
    order = {"package_id": package_id, "quantity": 1, "webhook_url": "http://shop.example.com/reachable/"}

    accepted = ask(core, "POST", "/v2/orders-async", order, token)
    for webhook in fulfil_due(core.state):
        attempt(core.state, webhook)

    assert accepted.status == 202
    ((url, body, headers),) = collector.sent
    assert (url, headers["airalo-signature"]) == (order["webhook_url"], signature("secret", body))
    assert json.loads(body)["request_id"] == json.loads(accepted.body)["data"]["request_id"]
    assert [row["state"] for row in core.webhooks()] == ["delivered"]
    assert fulfil_due(core.state) == []


def test_unreachable_address_is_refused(core):
    token, package_id = token_of(core), next(iter(core.state.catalogue.packages))
    order = {"package_id": package_id, "quantity": 1, "webhook_url": "http://shop.example.com/other/"}
    refused = ask(core, "POST", "/v2/orders-async", order, token)
    assert (refused.status, core.purchases()) == (422, [])


def test_call_without_token_is_refused(core):
    assert ask(core, "GET", "/v2/balance").status == 401


def test_control_routes_are_dispatched_too(core):
    assert json.loads(ask(core, "POST", "/_emulator/balance", {"amount": "12.50"}).body) == {"balance": "12.50"}
    assert ask(core, "GET", "/_emulator/nothing").status == 404


def test_connection_that_is_closed_has_no_response(core):
    core.fault("close-before", "balance")
    assert core.dispatch(Request("GET", "/v2/balance", {})).response is None


def test_orders_answers_can_be_overridden(core):
    token, package_id = token_of(core), next(iter(core.state.catalogue.packages))
    bought = json.loads(ask(core, "POST", "/v2/orders", {"package_id": package_id, "quantity": 1}, token).body)["data"]

    number = core.override_order(bought["id"], id=7, description="other", net_price=9, sims=[{"iccid": "890123"}])

    (listed,) = json.loads(ask(core, "GET", "/v2/orders?filter[description]=other&include=sims", None, token).body)[
        "data"
    ]
    assert (number, listed["id"], listed["description"]) == (7, 7, "other")
    assert "net_price" not in listed
    assert [sim["iccid"] for sim in listed["sims"]] == ["890123"]
    assert ask(core, "GET", "/v2/sims/890123", None, token).status == 200
    assert ask(core, "GET", f"/v2/sims/{bought['sims'][0]['iccid']}", None, token).status == 404


def imports_of(module: str, path: Path) -> set[str]:
    """The modules of the emulator that a file imports, also those for type checking alone."""
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            name = ".".join([*base, *([node.module] if node.module else [])])
            found |= {name, *(f"{name}.{alias.name}" for alias in node.names)}
    return found


def test_no_module_of_the_emulator_imports_itself_in_a_circle():
    modules = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE.parent.parent).with_suffix("").parts
        modules[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    # What the package itself imports for its users is no dependency of its modules.
    graph = {name: imports_of(name, path) & set(modules) - {emulator.__name__} for name, path in modules.items()}
    assert sum(map(len, graph.values())) > 100
    while free := [name for name, needed in graph.items() if not needed & set(graph)]:
        for name in free:
            del graph[name]
    assert graph == {}
