"""Eight real processes, one cache, one token request."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

from tests.scripted_server import Answer, ScriptedServer

from . import token_worker
from .support import token, token_answer

PROCESSES = 8


def test_eight_processes_ask_for_one_token(server: ScriptedServer, tmp_path: Path) -> None:
    # So slow that all eight want a token before there is one.
    server.on("/v2/token", Answer(200, token_answer(1).body, delay=0.5), token_answer(2))

    command = [sys.executable, token_worker.__file__, server.url, str(tmp_path), str(PROCESSES)]
    subprocess.run(command, check=True, timeout=60)

    tokens = [path.read_text() for path in tmp_path.glob("*.token")]
    assert tokens == [hashlib.sha256(token(1).encode()).hexdigest()] * PROCESSES
    assert len(server.requests("/v2/token")) == 1
