"""The runbook has a paragraph for each flag of the services, troubleshooting a row for each check of the doctor."""

from __future__ import annotations

import ast
import re

from .pages import PACKAGE, read, rows, section, ticked


def _beginning(node: ast.expr, constants: dict[str, str]) -> str:
    """With what a flag's text begins, up to the first thing that is put in."""
    if isinstance(node, ast.Name):
        return constants.get(node.id, "")
    if isinstance(node, ast.JoinedStr):
        node = node.values[0]
        if isinstance(node, ast.FormattedValue):
            return _beginning(node.value, constants)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def flag_texts() -> set[str]:
    """How each text begins with which the services flag an order."""
    trees = [ast.parse(module.read_text()) for module in (PACKAGE / "services").rglob("*.py")]
    constants = {
        target.id: _beginning(node.value, {})
        for tree in trees
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    texts = {"Part delivery:", "Without activation code:", "Without ICCID:"}
    for function in [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]:
        assigned = [
            (node.targets[0].id, _beginning(node.value, constants))
            for node in ast.walk(function)
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        ]
        for call in [node for node in ast.walk(function) if isinstance(node, ast.Call)]:
            called = ast.unparse(call.func)
            position = {"flag_for_review": 1, "append": 0}.get(called.rpartition(".")[2] or called)
            if position is None or len(call.args) <= position or (position == 0 and "flaws" not in called):
                continue
            given = call.args[position]
            texts.add(_beginning(given, constants))
            texts |= {text for name, text in assigned if isinstance(given, ast.Name) and name == given.id}
    return texts - {""}


def test_the_runbook_has_a_paragraph_for_each_flag():
    page = " ".join(read("how-to/runbook.md").split())
    found = flag_texts()
    assert len(found) > 20
    for text in found:
        assert text.split(": as ")[0][:42].strip("`:. ") in page, text


def test_troubleshooting_has_a_row_for_each_check_of_the_doctor():
    checks = ticked(section(read("reference/commands.md"), "## airalo_doctor").split("What it looks at")[1])
    rows_of_page = [ticked(row[0]) for row in rows(section(read("troubleshooting.md"), "## By what the doctor says"))]
    named = [name for row in rows_of_page for name in row]
    assert len(named) == len(set(named))
    assert set(named) <= set(checks)
    first = [
        name
        for line in section(read("reference/commands.md"), "## airalo_doctor").split("What it looks at")[1].splitlines()
        if line.startswith("- ")
        for name in re.findall(r"`(\w+)`", line.split(":")[0])
    ]
    assert set(first) == set(named)
