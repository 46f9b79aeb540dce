"""From a request to what is done on the wire: limits, token, faults, handler, ledger."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from .errors import ApiError, message_only, not_found, reason_of, unauthorised
from .fault_rules import NOTHING, Call
from .faults import Fault
from .ledger import LedgerClosedError
from .messages import Request, Response, php_json
from .routing import Route, find
from .state import EmulatorState

logger: logging.Logger = logging.getLogger("django_airalo.emulator")


@dataclass(frozen=True)
class Outcome:
    """What to send. Without a response the connection is reset."""

    response: Response | None
    fault: Fault = NOTHING


def dispatch(state: EmulatorState, request: Request, fault: Fault | None = None) -> Outcome:
    """Carry out a call of the imitated API. A ``fault`` takes the place of what the rules say."""
    found, params, elsewhere = find(request.method, request.path)
    request.params = tuple(unquote(part) for part in params)
    name = found.name if found else "unknown"
    number, call, attempt = state.ledger.request_seen(
        name,
        request.method,
        request.target,
        _without_secrets(request),
        request.remote,
        request.text("description"),
    )
    released = state.faults.released
    fault = fault or state.faults.choose(
        Call(name, call, request.text("package_id"), request.text("description"), attempt)
    )
    response = _answer(state, request, found, elsewhere, fault)
    if fault.hang:
        state.faults.hang(fault, released, state.stopping)
        response = None
    closed = response is None or fault.close == "after"
    state.ledger.request_answered(number, None if closed or response is None else response.status, fault.name or None)
    logger.info(
        "%s %s %s%s",
        request.method,
        request.path,
        "closed" if closed or response is None else response.status,
        f" ({fault.name})" if fault.name else "",
    )
    return Outcome(None if closed else response, fault)


def _without_secrets(request: Request) -> str:
    return json.dumps({**request.data, **({"client_secret": "***"} if "client_secret" in request.data else {})})


def _answer(
    state: EmulatorState, request: Request, found: Route | None, elsewhere: bool, fault: Fault
) -> Response | None:
    if state.stopping.wait(fault.delay) or fault.close == "before":
        return None
    if fault.hang and not fault.bought:
        return None
    if fault.answers and not fault.bought:
        return _scripted(fault)
    response = _true_answer(state, request, found, elsewhere, fault)
    state.stopping.wait(fault.delay_after)
    if fault.answers:
        return _scripted(fault)
    return _changed(response, fault) if fault.omit or fault.replace else response


def _scripted(fault: Fault) -> Response:
    if fault.code is not None:
        status = fault.status or (403 if fault.code == 89 else 422)
        content = {"code": fault.code, "reason": reason_of(fault.code)}
        return Response.of(status, content, dict(fault.headers))
    body = fault.body.encode() if isinstance(fault.body, str) else php_json(fault.body)
    return Response(fault.status or 200, b"" if fault.body is None else body, dict(fault.headers), fault.content_type)


def _changed(response: Response, fault: Fault) -> Response:
    content = json.loads(response.body)
    if isinstance(content, dict) and isinstance(content.get("data"), dict):
        for name in fault.omit:
            content["data"].pop(name, None)
    for path, value in fault.replace.items():
        _put(content, path.split("."), value)
    return Response(response.status, php_json(content), response.headers, response.content_type)


def _put(content: Any, path: list[str], value: Any) -> None:
    """Put a value where the path leads; a path that leads nowhere changes nothing, but a last name may be new."""
    name, *rest = path
    if isinstance(content, list):
        keys: list[Any] = list(range(len(content))) if name == "*" else [int(name)] if name.isdigit() else []
        keys = [key for key in keys if key < len(content)]
    elif isinstance(content, dict):
        keys = list(content) if name == "*" else [name]
    else:
        return
    for key in keys:
        if not rest:
            content[key] = value
        elif isinstance(content, list) or key in content:
            _put(content[key], rest, value)


def _true_answer(
    state: EmulatorState, request: Request, found: Route | None, elsewhere: bool, fault: Fault
) -> Response:
    headers: dict[str, str] = {}
    try:
        if found is None:
            if elsewhere:
                raise message_only(405, f"The {request.method} method is not supported for this route.")
            raise not_found()
        # The limit counts calls with a bad token too: the real API answers a 401 with its headers.
        headers = state.limits.check(found.name, _caller(found, request))
        if state.options.sandbox:
            state.limits.check("sandbox", found.name)
        if found.limit_all:
            state.limits.check(found.limit_all, "")
        if found.needs_token and not (request.bearer and state.ledger.token_valid(request.bearer)):
            raise unauthorised()
        response = found.handler(state, request, fault)
        response.headers |= headers
        return response
    except ApiError as error:
        error.response.headers = headers | error.response.headers
        if state.options.refusals_under_200 and error.response.status in (404, 422):
            error.response.status = 200
        return error.response
    except LedgerClosedError:
        raise  # the emulator is being stopped; nobody waits for this answer
    except Exception:  # the process must go on, and a caller sees what Airalo shows when it fails
        logger.exception("%s %s failed inside the emulator", request.method, request.path)
        return message_only(500, "Server Error").response


def _caller(found: Route, request: Request) -> str:
    if found.limit_by == "client":
        return request.text("client_id")
    if found.limit_by == "address":
        return request.remote
    if found.limit_by == "path":
        return request.params[0]
    return request.bearer
