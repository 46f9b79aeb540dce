"""Look up known vulnerabilities of all that an environment contains, and say what could not be looked up.

    python .ci/audit.py path/to/environment [--not-done FILE]

pip-audit takes a package that its service does not know for a warning and succeeds. Here that is a failure of its own:
what was not looked up is printed and written to FILE. Exit code 0 if everything was looked up and nothing was found, 1
if something is vulnerable, 3 if something could not be looked up. Needs pip-audit.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

# A version that is not released yet is on no service.
OURS = "django-airalo"
SERVICES = ("pypi", "osv")


def ask(service: str, path: Path) -> list[dict[str, Any]] | None:
    """Return pip-audit's list of packages, or None if it could not ask the service."""
    command = [sys.executable, "-m", "pip_audit", "--path", str(path), "--vulnerability-service", service]
    command += ["--format", "json", "--progress-spinner", "off", "--timeout", "15"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)  # noqa: S603  our own words
    try:
        found: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (json.JSONDecodeError, KeyError):
        say(f"{service}: {(done.stderr.strip().splitlines() or ['no answer'])[-1]}")
        return None
    return [package for package in found if package["name"] != OURS]


def skipped(packages: list[dict[str, Any]]) -> list[str]:
    """Return the names of the packages that the service could not judge."""
    return sorted(package["name"] for package in packages if "skip_reason" in package)


def vulnerable(packages: list[dict[str, Any]]) -> list[str]:
    """Return one line for each known vulnerability."""
    return [
        f"{package['name']} {package['version']}: {problem['id']}, fixed in {problem['fix_versions'] or 'no version'}"
        for package in packages
        for problem in package.get("vulns", [])
    ]


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    """Ask the services in turn until one knows everything; return the exit code."""
    parser = argparse.ArgumentParser(description="Look up known vulnerabilities of an environment.")
    parser.add_argument("environment", type=Path)
    parser.add_argument("--not-done", type=Path, help="the file for the names of what could not be looked up")
    arguments = parser.parse_args()
    site_packages = next(arguments.environment.glob("lib/python*/site-packages"), None)
    if site_packages is None:
        say(f"{arguments.environment} is no virtual environment.")
        return 2
    problems: set[str] = set()
    missing: list[str] = ["everything"]
    for service in SERVICES:
        packages = ask(service, site_packages)
        if packages is None:
            continue
        problems |= set(vulnerable(packages))
        missing = skipped(packages)
        say(f"{service}: {len(packages) - len(missing)} of {len(packages)} packages were looked up.")
        if not missing:
            break
    for problem in sorted(problems):
        say(f"VULNERABLE: {problem}")
    if problems:
        return 1
    if missing:
        say(f"NOT DONE: the audit. Not looked up: {', '.join(missing)}")
        if arguments.not_done:
            arguments.not_done.write_text("".join(f"{name}\n" for name in missing))
        return 3
    say("No known vulnerabilities.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
