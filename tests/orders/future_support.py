"""What the tests of future orders share."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django_airalo import services
from django_airalo.models import EsimOrder
from django_airalo.testing.delivery import respond
from tests.factories import ago, due_now
from tests.fakes import FakeAiralo


def in_days(days, **fields):
    return (datetime.now(UTC) + timedelta(days=days)).replace(second=0, microsecond=0, **fields)


def the_date_comes(order, seconds=61):
    EsimOrder.objects.filter(pk=order.pk).update(due_date=ago(seconds), scheduled_at=ago(40 * 86400))
    due_now(order)


def sweep(committed):
    with committed():
        return services.sweep()


class Failing(FakeAiralo):
    """Answers some paths as scripted."""

    def __init__(self):
        super().__init__()
        self.asked = []
        self.failing = {}

    def _handle(self, request):
        path = request.path_url.partition("?")[0]
        self.asked.append(f"{request.method} {path}")
        answers = self.failing.get(path) if request.method == "POST" or path != "/v2/future-orders" else None
        if answers is None and request.method == "GET":
            answers = self.failing.get(f"GET {path}")
        if answers:
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            if callable(answer):
                return answer(lambda: super(Failing, self)._handle(request))
            return respond(*answer)
        return super()._handle(request)
