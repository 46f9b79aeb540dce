"""Print through which files of ``services`` one order goes: ``python -m benchmarks.order_path``.

A move is the first call from one file of services into another. Helpers in ``core`` that every subject shares are left
out: they are where an order passes through, not where it is dealt with.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

Moves = list[tuple[str, str]]


@contextmanager
def recorded_moves() -> Iterator[Moves]:
    """Yield the moves between files of services that are made inside the block, in order."""
    import django_airalo.services

    root = f"{Path(django_airalo.services.__file__).parent}{os.sep}"
    stack: list[str] = []
    moves: Moves = []

    def profile(frame: FrameType, event: str, argument: Any) -> None:
        filename = frame.f_code.co_filename
        name = filename.removeprefix(root)
        if name == filename or name.startswith(f"core{os.sep}"):
            return
        if event == "call":
            move = (stack[-1] if stack else name, name)
            if move[0] != name and move not in moves:
                moves.append(move)
            stack.append(name)
        elif event == "return" and stack:
            stack.pop()

    sys.setprofile(profile)
    try:
        yield moves
    finally:
        sys.setprofile(None)


def path_of_an_order(place: Callable[[], Any], deliver: Callable[[], Any]) -> tuple[Moves, Moves]:
    """Return the moves from placing to Airalo's acceptance, and from the webhook to the signal.

    Args:
        place: places an order, which is submitted and accepted before it returns.
        deliver: has Airalo's webhook for it received and interpreted.
    """
    with recorded_moves() as placing:
        place()
    with recorded_moves() as delivering:
        deliver()
    return placing, delivering


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    import django

    django.setup()
    from django.test.runner import DiscoverRunner

    from django_airalo import services
    from django_airalo.models import EsimOrder
    from django_airalo.testing import FakeAiralo

    runner = DiscoverRunner(verbosity=0)
    databases = runner.setup_databases()
    with FakeAiralo() as airalo:
        placing, delivering = path_of_an_order(
            lambda: services.place_order(package_id="test-mobile-7days-1gb"),
            lambda: airalo.deliver(EsimOrder.objects.get()),
        )
    runner.teardown_databases(databases)
    for title, moves in (("place_order() to accepted and signalled", placing), ("webhook to signal", delivering)):
        print(f"{title}: {len(moves)} moves")
        print(*(f"  {source} -> {target}" for source, target in moves), sep="\n")


if __name__ == "__main__":
    main()
