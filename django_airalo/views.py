"""The view that receives Airalo's webhooks."""

from __future__ import annotations

import hmac
import logging
from typing import IO

from django.contrib.auth.decorators import login_not_required
from django.core.handlers.wsgi import WSGIRequest
from django.db import DatabaseError, InterfaceError, transaction
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt

from django_airalo.client import signature
from django_airalo.conf import conf
from django_airalo.exceptions import WebhookOverloadError, WebhookVerificationError
from django_airalo.services import receive_webhook
from django_airalo.services.webhooks import refusals
from django_airalo.services.webhooks.refusals import Reason

logger: logging.Logger = logging.getLogger("django_airalo.webhooks")


@method_decorator([csrf_exempt, login_not_required, never_cache, transaction.non_atomic_requests], name="dispatch")
class AiraloWebhookView(View):
    """Receive Airalo's webhooks: HEAD (Airalo's liveness probe) and POST.

    This is a plain view, since a DRF view would inherit the shop's defaults and respond with 403 or 415. The status 200
    says that the webhook is stored; processing it later is repeated until it succeeds. Airalo treats 204 and above as a
    failure and sends the webhook again.
    """

    http_method_names: list[str] = ["post", "head", "options"]

    def head(self, request: HttpRequest, token: str = "") -> HttpResponse:
        response = HttpResponse()
        if refusals.DOCTOR_HEADER in request.headers and refusals.is_doctor(request.headers):
            response[refusals.COUNTS_HEADER] = refusals.report()
        return response

    def post(self, request: HttpRequest, token: str = "") -> HttpResponse:
        # Checks of the headers come before the body is read, so that a refusal is cheap.
        if _content_length(request) > conf.WEBHOOK_MAX_BYTES:
            return _too_large(request)
        if not hmac.compare_digest(token.encode("utf-8", "replace"), conf.WEBHOOK_URL_TOKEN.encode()):
            return _refuse(request, 401, Reason.URL_TOKEN, "the token in its URL is missing or wrong")
        header = request.headers.get("airalo-signature", "")
        if not signature.is_well_formed(header):
            return _refuse(request, 401, Reason.SIGNATURE, "the airalo-signature header is missing or malformed")
        if _is_undecoded(request):
            return _refuse(request, 411, Reason.CHUNKED, "the web server does not decode a chunked body")
        try:
            body = _read(request, conf.WEBHOOK_MAX_BYTES + 1)
        except OSError as error:
            return _refuse(request, 400, Reason.CUT_SHORT, f"its body could not be read ({type(error).__name__})")
        if len(body) > conf.WEBHOOK_MAX_BYTES:
            return _too_large(request)
        if len(body) < _content_length(request):
            return _refuse(request, 400, Reason.CUT_SHORT, "its body is shorter than its Content-Length")
        # A middleware may read request.body after the view. Django raises there if it finds the stream read.
        request._body = body
        return _store(request, body, header)


def _store(request: HttpRequest, body: bytes, header: str) -> HttpResponse:
    try:
        receive_webhook(body, signature_header=header)
    except WebhookOverloadError as error:
        return _refuse(request, 503, Reason.OVERLOAD, str(error))
    except WebhookVerificationError as error:
        return _refuse(request, 401, Reason.SIGNATURE, str(error))
    except (DatabaseError, InterfaceError):
        logger.exception("Could not store a webhook; Airalo will send it again")
        return HttpResponse(status=503)
    return HttpResponse()


def _refuse(request: HttpRequest, status: int, reason: Reason, text: str) -> HttpResponse:
    if not refusals.is_doctor(request.headers):
        refusals.count(reason)
        logger.warning("Refused a webhook: %s", text)
    return HttpResponse(status=status)


def _too_large(request: HttpRequest) -> HttpResponse:
    return _refuse(request, 413, Reason.TOO_LARGE, f"it has more than {conf.WEBHOOK_MAX_BYTES} bytes")


def _content_length(request: HttpRequest) -> int:
    """Return the announced length of the body in bytes, 0 if there is none."""
    text = request.META.get("CONTENT_LENGTH") or ""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else 0


def _is_chunked(request: HttpRequest) -> bool:
    # ASGI servers decode chunked bodies themselves, and Django has read the body before the view is called.
    return isinstance(request, WSGIRequest) and "chunked" in request.META.get("HTTP_TRANSFER_ENCODING", "").lower()


def _is_undecoded(request: HttpRequest) -> bool:
    """Return whether the body cannot be read, since its end is not known."""
    return _is_chunked(request) and not request.META.get("wsgi.input_terminated")


def _read(request: HttpRequest, limit: int) -> bytes:
    """Return the body, or its first bytes if it has more than ``limit``.

    ``request.body`` would apply the shop's DATA_UPLOAD_MAX_MEMORY_SIZE and respond with 400. Django takes a chunked
    body for an empty one, since it has no Content-Length.

    Raises:
        OSError: the connection was reset, or the chunks are malformed.
    """
    return _read_chunks(request.META["wsgi.input"], limit) if _is_chunked(request) else request.read(limit)


def _read_chunks(stream: IO[bytes], limit: int) -> bytes:
    body = b""
    try:
        while len(body) < limit and (more := stream.read(limit - len(body))):
            body += more
    except Exception as error:  # Each web server has exceptions of its own for malformed chunks.
        raise OSError(type(error).__name__) from error
    return body
