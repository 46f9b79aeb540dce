"""Reads the documentation and the system checks for the tests that hold them together."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "django_airalo"
DOCS = ROOT / "docs"
PAGES = sorted(page for page in [ROOT / "README.md", *DOCS.rglob("*.md")] if "_build" not in page.parts)
FENCE = re.compile(r"^```(\S*)[^\n]*\n(.*?)^```$", re.DOTALL | re.MULTILINE)
#: A fence with the comment that may stand right before it.
#: The modules with the system checks.
CHECKS = ("checks.py", "check_storage.py")
MARKED_FENCE = re.compile(r"(?:^ *<!-- ([^\n]*) -->\n)?^( *)```(\S*)[^\n]*\n(.*?)^\2```$", re.DOTALL | re.MULTILINE)


def read(page: str) -> str:
    return (DOCS / page).read_text()


def section(text: str, heading: str) -> str:
    """What stands under a heading, up to the next one of the same level or a higher one."""
    level = heading.split(" ")[0]
    start = text.index(f"\n{heading}\n") + 1
    end = re.search(rf"^#{{1,{len(level)}}} ", text[start + len(heading) :], re.MULTILINE)
    return text[start : start + len(heading) + end.start()] if end else text[start:]


def headings(text: str, level: int) -> list[str]:
    return re.findall(rf"^{'#' * level} (.+)$", FENCE.sub("", text), re.MULTILINE)


def rows(text: str) -> list[list[str]]:
    """The rows of all tables, without their heads."""
    lines = [line.strip() for line in text.splitlines()]
    found = []
    for number, line in enumerate(lines):
        is_rule = re.fullmatch(r"\|[-|]+\|", line)
        is_head = number + 1 < len(lines) and re.fullmatch(r"\|[-|]+\|", lines[number + 1])
        if line.startswith("|") and not is_rule and not is_head:
            found.append([cell.strip() for cell in line.strip("|").split("|")])
    return found


def ticked(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", FENCE.sub("", text))


def python_blocks(text: str) -> list[str]:
    return [code for language, code in FENCE.findall(text) if language == "python"]


class Block(NamedTuple):
    """A code block of a page, with the comment before it: ``not run: …``, ``quickstart: …`` or nothing."""

    page: Path
    number: int
    marker: str
    language: str
    code: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)} {self.number} {self.language}"


def blocks() -> list[Block]:
    """All code blocks of all pages. A directive of MyST, such as a toctree, is none: Sphinx runs it."""
    return [
        Block(page, number, marker, language, code)
        for page in PAGES
        for number, (marker, _indent, language, code) in enumerate(MARKED_FENCE.findall(page.read_text()), 1)
        if not language.startswith("{")
    ]


def checks_source() -> str:
    """The modules with the system checks, as one."""
    return "\n".join(
        (PACKAGE / name).read_text().replace("from __future__ import annotations\n", "") for name in CHECKS
    )


def check_sites() -> list[tuple[str, str, str, str]]:
    """Every message of a system check: its id, its class, its text without names of settings, and its hint."""
    sites = []
    tree = ast.parse(checks_source())
    for call in [node for node in ast.walk(tree) if isinstance(node, ast.Call)]:
        function = ast.unparse(call.func)
        keywords = {keyword.arg: keyword.value for keyword in call.keywords}
        if function in ("Error", "Warning"):
            text = re.sub(r"(?:^f?['\"])?AIRALO_\w+|conf\.\w+", "", ast.unparse(call.args[0]))
            hint = ast.unparse(keywords["hint"]) if "hint" in keywords else ""
            sites.append((ast.literal_eval(keywords["id"]), function, text, hint))
        elif function == "_missing_credentials":
            kind, number = call.args
            sites.append((f"django_airalo.{ast.literal_eval(number)}", ast.unparse(kind), function, ""))
    return sites
