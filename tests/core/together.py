"""Run one act in many threads at the same moment."""

from __future__ import annotations

import threading

from django.db import connection, connections


def together(act, count=8):
    """Call ``act(number)`` in so many threads at once; returns what each returned or raised."""
    barrier, outcomes = threading.Barrier(count), [None] * count

    def run(number):
        try:
            connection.ensure_connection()
            barrier.wait(timeout=60)
            outcomes[number] = act(number)
        except Exception as error:  # noqa: BLE001  the test compares any exception
            outcomes[number] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=180)
        assert not thread.is_alive()
    return outcomes
