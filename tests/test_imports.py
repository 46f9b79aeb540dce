"""No module of the package imports another that imports it back, for type checkers neither."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import django_airalo

PACKAGE = Path(django_airalo.__file__).parent
Graph = dict[str, set[str]]


def modules_of(package: Path) -> dict[str, Path]:
    """Return the modules of a package, by dotted name."""
    found = {}
    for path in package.rglob("*.py"):
        parts = path.relative_to(package.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports_of(package: Path) -> Graph:
    """Return which module imports which; a package counts as its ``__init__``, where names are taken from."""
    modules = modules_of(package)
    graph: Graph = {}
    for name, path in modules.items():
        package_of = name if path.name == "__init__.py" else name.rpartition(".")[0]
        graph[name] = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                graph[name] |= {alias.name for alias in node.names} & set(modules)
            elif isinstance(node, ast.ImportFrom):
                base = ".".join(package_of.split(".")[: len(package_of.split(".")) - node.level + 1])
                source = ".".join(filter(None, [base if node.level else "", node.module]))
                for alias in node.names:
                    target = f"{source}.{alias.name}"
                    graph[name] |= {target if target in modules else source} & set(modules)
        graph[name].discard(name)
    return graph


def cycle_in(graph: Graph) -> list[str]:
    """Return the modules of a cycle; none if there is no cycle."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        cycle: list[str] = error.args[1]
        return cycle
    return []


def test_package_has_no_import_cycle() -> None:
    graph = imports_of(PACKAGE)
    assert len(graph) > 150
    assert cycle_in(graph) == []


@pytest.mark.parametrize("second", ["from . import one", "from .one import x", "from package.one import x"])
def test_cycle_is_found(tmp_path: Path, second: str) -> None:
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "one.py").write_text("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .two import y\n")
    (package / "two.py").write_text(f"def later():\n    {second}\n")
    assert set(cycle_in(imports_of(package))) == {"package.one", "package.two"}
