"""``python -m django_airalo.emulator``: the emulator without Django."""

from __future__ import annotations

import argparse
import sqlite3
import sys

from .cli import add_arguments, emulator_from, log_to_stderr, serve
from .emulator import PortTakenError


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(arguments: list[str] | None = None) -> int:
    """Run until stopped; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m django_airalo.emulator", description="A local stand-in for Airalo's Partner API."
    )
    add_arguments(parser)
    parser.add_argument("--quiet", action="store_true", help="do not show each call")
    values = vars(parser.parse_args(arguments))
    if not values["quiet"]:
        log_to_stderr()
    try:
        serve(emulator_from(values), _say)
    except (PortTakenError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except sqlite3.Error as error:
        sys.stderr.write(f"The ledger {values['ledger']} cannot be used: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
