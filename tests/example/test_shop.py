"""The example shop is a project of its own, so its tests run as its developer would run them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2] / "example_project"


def manage(var: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the shop's manage.py with its own settings and their defaults."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("AIRALO_")}
    env |= {"DJANGO_SETTINGS_MODULE": "config.settings", "SHOP_VAR": str(var), **environment}
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(command, cwd=PROJECT, env=env, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize(
    "arguments",
    [
        ("test", "shop", "--buffer"),
        ("makemigrations", "--check", "--dry-run"),
        ("check", "--fail-level", "WARNING"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_the_shop_passes(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    result = manage(tmp_path, *arguments)
    assert result.returncode == 0, result.stdout + result.stderr


def test_without_debug_a_secret_key_is_needed(tmp_path: Path) -> None:
    refused = manage(tmp_path, "check", DEBUG="False")
    assert refused.returncode != 0
    assert "SECRET_KEY" in refused.stderr
    assert manage(tmp_path, "check", DEBUG="False", SECRET_KEY="x" * 50).returncode == 0


def test_every_variable_of_the_settings_is_in_the_example_file() -> None:
    settings = (PROJECT / "config" / "settings.py").read_text()
    example = (PROJECT / ".env.example").read_text()
    named = {line.lstrip("#").partition("=")[0] for line in example.splitlines() if "=" in line}
    used = {part.partition('"')[0] for part in settings.split("env.") for part in part.split('("')[1:2]}
    assert used == named
