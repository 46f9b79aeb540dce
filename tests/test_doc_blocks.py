"""Every code block of the documentation is run, here or by the quick start, or says why it is not.

Python blocks without a marker are executed, those of a page one after another in one namespace. HTML is rendered, JSON
is parsed. Everything else needs ``<!-- not run: the reason -->`` right before it, or a ``quickstart`` marker: then
``.ci/quickstart.py`` or ``test_first_steps.py`` carries it out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import get_commands, load_command_class
from django.core.management.base import CommandError
from django.dispatch import Signal
from django.template import Context, Template

from django_airalo import signals
from django_airalo.models import Package
from django_airalo.services import get_instructions, place_order, sync_usage
from tests.factories import EsimFactory, PackageFactory

from .pages import DOCS, ROOT, Block, blocks

BLOCKS = blocks()
UNMARKED = [block for block in BLOCKS if not block.marker]
#: Run as one test module of a shop by test_docs.py.
RUN_ELSEWHERE = {DOCS / "how-to" / "testing-your-shop.md"}
PAGES_WITH_PYTHON = sorted({block.page for block in UNMARKED if block.language == "python"} - RUN_ELSEWHERE)
RUNNABLE = ("python", "html", "json")
COMMAND = re.compile(r"manage\.py (airalo_\w+)([^\n#|>&]*)")


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_a_block_is_run_or_says_why_not(block: Block) -> None:
    kind, _, reason = block.marker.partition(": ")
    if block.marker:
        assert kind in ("quickstart", "not run"), block.marker
        assert len(reason) > 2, "say why"
    else:
        assert block.language in RUNNABLE, "mark it: <!-- not run: why -->"


@pytest.fixture
def receivers() -> Iterator[None]:
    """Disconnect what a page connects."""
    own = [item for item in vars(signals).values() if isinstance(item, Signal)]
    before = {signal: list(signal.receivers) for signal in own}
    yield
    for signal in own:
        signal.receivers = before[signal]
        signal.sender_receivers_cache.clear()


@pytest.fixture
def names(airalo, receivers) -> dict[str, Any]:
    """What the pages take as given: the settings of a project, and rows of a shop."""
    package = PackageFactory(package_id="test-mobile-7days-1gb", country_code="FR", retail_prices={"EUR": "4.00"})
    esim = EsimFactory()
    return {
        "__name__": "page",
        "INSTALLED_APPS": [],
        "Package": Package,
        "package": package,
        "esim": esim,
        "user": User.objects.create_user("ada"),
    }


@pytest.mark.django_db
@pytest.mark.parametrize("page", PAGES_WITH_PYTHON, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_python_blocks_of_a_page_run(page: Path, names: dict[str, Any]) -> None:
    for block in UNMARKED:
        if block.page == page and block.language == "python":
            exec(compile(block.code, str(block), "exec"), names)  # noqa: S102  the sample of our own docs


@pytest.mark.django_db
@pytest.mark.parametrize("block", [block for block in UNMARKED if block.language == "html"], ids=str)
def test_a_template_of_a_page_renders(block: Block, airalo, django_capture_on_commit_callbacks) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        order = place_order(package_id="test", mode="sync")
    esim = order.esims.get()
    airalo.set_usage(esim.iccid, status="ACTIVE", remaining=512, total=1024)
    context = {"instructions": get_instructions(esim), "esim": sync_usage(esim)}
    assert "<" in Template(block.code).render(Context(context))


@pytest.mark.parametrize("block", [block for block in UNMARKED if block.language == "json"], ids=str)
def test_a_document_of_a_page_is_json(block: Block) -> None:
    assert json.loads(block.code)


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language in ("sh", "console")], ids=str)
def test_our_commands_in_a_block_exist_with_these_options(block: Block) -> None:
    """Also of blocks that are not run."""
    ours = [name for name, app in get_commands().items() if app == "django_airalo"]
    for name, options in COMMAND.findall(block.code):
        assert name in ours, name
        parser = load_command_class("django_airalo", name).create_parser("manage.py", name)
        try:
            parser.parse_args(re.findall(r'"[^"]*"|\S+', options))
        except CommandError as error:
            pytest.fail(f"{name}{options}: {error}")
