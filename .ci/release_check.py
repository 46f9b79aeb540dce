"""See that a tag, the version of the package and the changelog belong together.

    python .ci/release_check.py v0.1.0

The changelog must have a dated heading of that version and nothing under "Unreleased". Exit code 0 if so, else 1. Needs
nothing but the standard library.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def problems(tag: str, version: str, changelog: str) -> list[str]:
    """Return what is wrong, one sentence each."""
    found = []
    if tag != f"v{version}":
        found.append(f"The tag is {tag}, but django_airalo.__version__ is {version}.")
    if not re.search(rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d$", changelog, re.MULTILINE):
        found.append(f"CHANGELOG.md has no heading '## [{version}] - YYYY-MM-DD'.")
    unreleased = re.search(r"^## \[Unreleased\]\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    if unreleased and unreleased[1].strip():
        found.append("CHANGELOG.md still has changes under 'Unreleased'.")
    return found


def main() -> int:
    """Check the tag that was given; return the exit code."""
    if len(sys.argv) != 2:
        sys.stderr.write(f"{__doc__}\n")
        return 1
    source = (ROOT / "django_airalo" / "__init__.py").read_text()
    version = re.search(r'^__version__ = "(.+)"$', source, re.MULTILINE)
    if version is None:
        sys.stdout.write("django_airalo/__init__.py has no __version__.\n")
        return 1
    found = problems(sys.argv[1], version[1], (ROOT / "CHANGELOG.md").read_text())
    for problem in found:
        sys.stdout.write(f"{problem}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
