"""Of a long list of Airalo's orders no more is kept in memory than what is looked for."""

from __future__ import annotations

import gc
import json
import tracemalloc
from urllib.parse import parse_qs, urlsplit

import pytest

from django_airalo import services
from django_airalo.models import EsimOrder
from django_airalo.testing import order_payload
from django_airalo.testing.delivery import respond
from tests.factories import LONG_AGO, EsimOrderFactory
from tests.fakes import FakeAiralo

pytestmark = pytest.mark.django_db

PAGES, PER_PAGE, WAITED_FOR = 10, 50, 20
HTML = "<p>" + "Open the settings of your phone and add an eSIM. " * 50 + "</p>"


class LongList(FakeAiralo):
    """Lists pages of orders, and measures how much memory is in use when each is asked for."""

    def __init__(self):
        super().__init__()
        self.pages = []
        self.in_use = []

    def _handle(self, request):
        parts = urlsplit(request.url)
        query = parse_qs(parts.query)
        if (request.method, parts.path) != ("GET", "/v2/orders") or "page" not in query:
            return super()._handle(request)
        gc.collect()
        self.in_use.append(tracemalloc.get_traced_memory()[0])
        return respond(200, self.pages[int(query["page"][0]) - 1])


def listed(descriptions):
    html = {"manual_installation": HTML, "qrcode_installation": HTML}
    rows = [order_payload(description=description, **html) for description in descriptions]
    for number in range(PAGES):
        page = rows[number * PER_PAGE : (number + 1) * PER_PAGE]
        meta = {"current_page": number + 1, "last_page": PAGES, "total": len(rows)}
        yield json.dumps({"data": page, "meta": meta}).encode()


@pytest.mark.parametrize("status", ["accepted", "unconfirmed"])
def test_reading_long_list_keeps_no_page_in_memory(status):
    with LongList() as airalo:
        orders = EsimOrderFactory.create_batch(WAITED_FOR, **{status: True})
        others = [f"{number:032x}" for number in range(PAGES * PER_PAGE - WAITED_FOR)]
        airalo.pages = list(listed([*others, *(order.airalo_description for order in orders)]))
        EsimOrder.objects.update(due_at=LONG_AGO)
        tracemalloc.start()
        try:
            services.sweep()
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert len(airalo.in_use) == PAGES
    assert EsimOrder.objects.filter(status="completed").count() == WAITED_FOR
    page = len(airalo.pages[0])
    assert max(airalo.in_use) - min(airalo.in_use) < page  # not even one of ten
    assert peak < 8 * page
