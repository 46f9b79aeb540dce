"""A function's name means one thing in all of services."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import django_airalo.services

ROOT = Path(django_airalo.services.__file__).parent

#: Names that two modules use for what is the same, each of its own subject.
JUSTIFIED = {
    "Identity": "of a deployment, of a server",
    "_create": "the one row of the deployment, the rows of an order",
    "_refused": "how a call and how a task is refused",
    "_text": "a value as text",
    "beat": "a sign of life: a heartbeat, the database",
    "identity": "of a deployment, of a server",
    "signal_after_commit": "of an order, of a refund or voucher",
    "sweep": "the sweep, its check",
}


def test_services_define_no_unjustified_duplicate_name():
    places = defaultdict(list)
    for path in sorted(ROOT.rglob("*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                places[node.name].append(str(path.relative_to(ROOT)))
    assert len(places) > 300
    twice = {name: found for name, found in places.items() if len(found) > 1}
    assert twice.keys() == JUSTIFIED.keys(), twice
