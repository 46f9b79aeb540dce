"""The timeline of one order, printed line by line."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from email import message_from_bytes, policy
from pathlib import Path

from django.utils import timezone
from django_airalo.models import EsimOrder, OrderEvent, WebhookEvent

from shop.models import OrderLine, ReceivedSignal

Line = tuple[datetime, str, str]

_WORDS = {
    "": "placed",
    EsimOrder.Status.SUBMITTING: "submitted",
    EsimOrder.Status.PENDING: "put back",
}
_EXPLAINED = {
    "placed": "in the shop's own transaction, with the payment",
    "submitted": "POST /v2/orders-async, by the task worker",
    "accepted": "Airalo answered 202",
    "completed": "the eSIM is stored, its codes encrypted",
}


class Timeline:
    """The lines about one order, each of which is returned once."""

    def __init__(self, line: OrderLine, mails: Path) -> None:
        assert line.esim_order is not None  # noqa: S101  for the type checker: the checkout has set it
        self.order = line.esim_order
        self.start = self.order.created_at
        self._line = line
        self._mails = mails
        self._returned: set[str] = set()

    def new_lines(self) -> list[str]:
        """Return the lines since the last call, the oldest first."""
        fresh = {key: line for key, line in self._all() if key not in self._returned}
        self._returned |= fresh.keys()
        return [self._text(*line) for line in sorted(fresh.values())]

    def is_complete(self) -> bool:
        """Return whether the shop has received a signal and sent the e-mail."""
        return {"signal", "mail"} <= {key.split(":")[0] for key in self._returned}

    def delivered_by_webhook(self) -> bool:
        """Return whether a signed webhook completed the order."""
        completed = OrderEvent.objects.filter(
            order=self.order,
            kind=OrderEvent.Kind.STATUS_CHANGED,
            new_status=EsimOrder.Status.COMPLETED,
            source="webhook",
        )
        processed = WebhookEvent.objects.filter(
            order=self.order, kind=WebhookEvent.Kind.ASYNC_ORDER, status=WebhookEvent.Status.PROCESSED
        )
        return completed.exists() and processed.exists()

    def _all(self) -> Iterator[tuple[str, Line]]:
        # Effects are read before their causes, so that a line is never returned without those that led to it.
        for path in self._mails.glob("*.log"):
            mail = message_from_bytes(path.read_bytes(), policy=policy.default)
            # The link to the order is at the end. Without it, the e-mail is another order's or incomplete.
            if str(self._line.order.number) in mail.get_content():
                sent_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
                yield f"mail:{path.name}", (sent_at, "e-mail", f"{mail['Subject']} (to {mail['To']})")
        for received in ReceivedSignal.objects.filter(line=self._line):
            yield f"signal:{received.pk}", (received.received_at, "signal", f"the shop received {received.signal}")
        # A webhook is linked to its order when it is processed.
        for webhook in WebhookEvent.objects.filter(order=self.order):
            detail = f"{webhook.size} bytes, signature verified over the {webhook.signature_encoding} body"
            yield f"webhook:{webhook.pk}", (webhook.received_at, "webhook", detail)
        for event in OrderEvent.objects.filter(order=self.order):
            word = _WORDS.get(event.new_status, event.new_status)
            if event.kind in (OrderEvent.Kind.PLACED, OrderEvent.Kind.STATUS_CHANGED):
                by = f" ({event.source})" if event.new_status == EsimOrder.Status.COMPLETED else ""
                yield f"event:{event.pk}", (event.created_at, word, _EXPLAINED.get(word, event.detail) + by)
            else:
                yield f"event:{event.pk}", (event.created_at, event.get_kind_display().lower(), event.detail)

    def now(self, what: str, detail: str) -> str:
        """Return a line for something that has just happened."""
        return self._text(timezone.now(), what, detail)

    def _text(self, at: datetime, what: str, detail: str) -> str:
        seconds = (at - self.start).total_seconds()
        return f"  {max(seconds, 0):6.2f} s  {what:<10} {detail}"
