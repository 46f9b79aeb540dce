"""The door that Airalo knocks at."""

from __future__ import annotations

import hmac
import logging

from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, InterfaceError, transaction
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from django_airalo.conf import conf
from django_airalo.exceptions import WebhookVerificationError
from django_airalo.services import receive_webhook

logger = logging.getLogger("django_airalo.webhooks")


@method_decorator([csrf_exempt, login_not_required, transaction.non_atomic_requests], name="dispatch")
class AiraloWebhookView(View):
    """Takes Airalo's webhooks: HEAD (Airalo's liveness probe) and POST.

    A plain view, since a DRF view would inherit the shop's defaults and answer 403 or 415. 200 means that the
    webhook is kept; everything after that is ours to retry. Airalo takes 204 and above for a failure and sends again.
    """

    http_method_names = ["post", "head", "options"]

    def head(self, request: HttpRequest, token: str = "") -> HttpResponse:
        return HttpResponse()

    def post(self, request: HttpRequest, token: str = "") -> HttpResponse:
        limit = conf.WEBHOOK_MAX_BYTES
        # Read from the stream, since request.body would apply the shop's limit for uploads and answer 400.
        body = request.read(limit + 1)
        if len(body) > limit:
            logger.warning("A webhook of more than %d bytes was refused", limit)
            return HttpResponse(status=413)
        if not hmac.compare_digest(token.encode("utf-8", "replace"), conf.WEBHOOK_URL_TOKEN.encode()):
            logger.warning("A webhook without the right token in its URL was refused")
            return HttpResponse(status=401)
        try:
            receive_webhook(body, request.headers.get("airalo-signature", ""))
        except WebhookVerificationError as error:
            logger.warning("A webhook was refused: %s", error)
            return HttpResponse(status=401)
        except (DatabaseError, InterfaceError):
            logger.exception("A webhook could not be kept; Airalo will send it again")
            return HttpResponse(status=503)
        return HttpResponse()
