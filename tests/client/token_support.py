"""What tokens were asked for and used."""

from __future__ import annotations

from tests.scripted_server import Answer, ScriptedServer

HOUR = 3600.0


UNAUTHORIZED = Answer(401, {"data": [], "meta": {"message": "This action is unauthorized."}})


def asked(server: ScriptedServer) -> int:
    """How many tokens were asked for."""
    return len(server.requests("/v2/token"))


def used(server: ScriptedServer, path: str = "/v2/balance") -> list[str]:
    """The tokens of the requests of a path."""
    return [request.headers["authorization"].removeprefix("Bearer ") for request in server.requests(path)]
