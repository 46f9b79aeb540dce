"""POST /v2/token."""

from __future__ import annotations

import base64
import hmac
import json
import secrets
import time

from django_airalo.emulator.errors import invalid, refused
from django_airalo.emulator.faults import Fault
from django_airalo.emulator.messages import Request, Response, success
from django_airalo.emulator.state import EmulatorState


def create(state: EmulatorState, request: Request, fault: Fault) -> Response:
    """Issue an access token for client id and secret."""
    options = state.options
    problems = {
        name: f"The {name.replace('_', ' ')} field is required."
        for name in ("client_id", "client_secret", "grant_type")
        if not request.text(name)
    }
    if problems:
        raise invalid(problems)
    if request.text("client_id") != options.client_id:
        raise invalid({"client_id": "The selected client id is invalid."})
    if request.text("grant_type") != "client_credentials":
        raise invalid({"grant_type": "The selected grant type is invalid."})
    if not hmac.compare_digest(request.text("client_secret").encode(), options.client_secret.encode()):
        raise refused(401, "Client authentication failed")
    now = time.time()
    access_token = long_token(now, options.token_lifetime)
    state.ledger.insert("tokens", token=access_token, issued_at=now, expires_at=now + options.token_lifetime)
    return success({"token_type": "Bearer", "expires_in": options.token_lifetime, "access_token": access_token})


def long_token(now: float, lifetime: int) -> str:
    """Return a random token that looks like a signed JSON web token and is as long as one (about 900 characters).

    Length matters: Airalo's own Python SDK does not decrypt a short token from its cache.
    """
    head = {"typ": "JWT", "alg": "RS256"}
    claims = {
        "aud": "1",
        "jti": secrets.token_hex(40),
        "iat": now,
        "nbf": now,
        "exp": now + lifetime,
        "sub": "",
        "scopes": [],
    }
    parts = [json.dumps(head).encode(), json.dumps(claims).encode(), secrets.token_bytes(384)]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)
