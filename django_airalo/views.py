"""The view that receives Airalo's webhooks."""

from __future__ import annotations

import hmac
import logging

from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, InterfaceError, transaction
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt

from django_airalo.conf import conf
from django_airalo.exceptions import WebhookVerificationError
from django_airalo.services import receive_webhook

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
        return HttpResponse()

    def post(self, request: HttpRequest, token: str = "") -> HttpResponse:
        limit = conf.WEBHOOK_MAX_BYTES
        # request.body would apply the shop's DATA_UPLOAD_MAX_MEMORY_SIZE and respond with 400.
        body = request.read(limit + 1)
        if len(body) > limit:
            logger.warning("Refused a webhook of more than %d bytes", limit)
            return HttpResponse(status=413)
        if not hmac.compare_digest(token.encode("utf-8", "replace"), conf.WEBHOOK_URL_TOKEN.encode()):
            logger.warning("Refused a webhook without the right token in its URL")
            return HttpResponse(status=401)
        try:
            receive_webhook(body, signature_header=request.headers.get("airalo-signature", ""))
        except WebhookVerificationError as error:
            logger.warning("Refused a webhook: %s", error)
            return HttpResponse(status=401)
        except (DatabaseError, InterfaceError):
            logger.exception("Could not store a webhook; Airalo will send it again")
            return HttpResponse(status=503)
        return HttpResponse()
