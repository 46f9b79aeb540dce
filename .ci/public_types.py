"""See how much of the package's public interface is typed, as pyright measures it.

    python .ci/public_types.py [--list]

Pyright takes no notice of stub packages here, so a folder is laid in front of it where Django's and Django REST
framework's stubs have the packages' own names. ``--list`` prints each name whose type is not known. Exit code 0 if the
share of known types is at least ``ENOUGH`` percent. Needs pyright and both stub packages.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENOUGH = 99.0  # percent
STUBS = {"django": "django-stubs", "rest_framework": "rest_framework-stubs"}


def lay(folder: Path) -> None:
    """Link the package, and the stubs under the names of what they describe, into the folder."""
    (folder / "django_airalo").symlink_to(ROOT / "django_airalo")
    spec = importlib.util.find_spec("django")
    if spec is None or spec.origin is None:
        raise SystemExit("Django is not installed.")
    site_packages = Path(spec.origin).parent.parent
    for package, stubs in STUBS.items():
        if not (site_packages / stubs).is_dir():
            raise SystemExit(f"{stubs} is not installed.")
        (folder / package).symlink_to(site_packages / stubs)


def main() -> int:
    """Measure; return the exit code."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lay(folder)
        command = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, "--outputjson"]
        command += ["--verifytypes", "django_airalo", "--ignoreexternal"]
        done = subprocess.run(  # noqa: S603  our own words
            command, cwd=folder, env={**os.environ, "PYTHONPATH": name}, capture_output=True, text=True, timeout=600
        )
    try:
        answer = json.loads(done.stdout)["typeCompleteness"]
    except (json.JSONDecodeError, KeyError):
        sys.stdout.write(done.stdout + done.stderr)
        return 1
    unknown = [symbol["name"] for symbol in answer["symbols"] if symbol["isExported"] and not symbol["isTypeKnown"]]
    if "--list" in sys.argv[1:]:
        sys.stdout.write("".join(f"{name}\n" for name in sorted(unknown)))
    score = 100 * answer["completenessScore"]
    sys.stdout.write(f"{score:.1f} % of the public names have a known type; {len(unknown)} have none.\n")
    return 0 if score >= ENOUGH else 1


if __name__ == "__main__":
    sys.exit(main())
