"""What recipes of the documentation do when a shop follows them."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.apps import apps
from django.http import Http404
from django.test import AsyncRequestFactory
from django.utils import timezone

from django_airalo import services
from django_airalo.models import Esim, EsimOrder, OrderEvent, UsageRecord, WebhookEvent
from django_airalo.services import place_order
from django_airalo.signals import esim_order_completed
from tests.factories import LONG_AGO, EsimFactory, EsimOrderFactory

from .pages import python_blocks, read, rows, section, ticked


def names_of(page: str) -> dict[str, Any]:
    """What the Python blocks of a page define, together."""
    names: dict[str, Any] = {"__name__": "page"}
    for code in python_blocks(read(page)):
        exec(compile(code, page, "exec"), names)  # noqa: S102  the sample of our own docs
    return names


@pytest.fixture
def delivered(airalo, django_user_model, django_capture_on_commit_callbacks) -> EsimOrder:
    user = django_user_model.objects.create_user("ada")
    with django_capture_on_commit_callbacks(execute=True):
        order = place_order(
            package_id="test", user=user, to_email="ada@example.com", sharing_option=["link"], idempotency_key="line-1"
        )
    airalo.deliver(order)
    order.refresh_from_db()
    return order


@pytest.mark.django_db
def test_erasing_a_customer_deletes_what_is_over_with_its_webhooks_and_nothing_else(
    delivered, django_user_model, django_capture_on_commit_callbacks
):
    erase = names_of("explanation/privacy.md")["erase"]
    ada, eve = delivered.user, django_user_model.objects.create_user("eve")
    with django_capture_on_commit_callbacks(execute=True):
        others = place_order(package_id="test", user=eve)
        under_way = place_order(package_id="test", user=ada)
    assert delivered.webhook_events.count() == 1
    assert erase(ada) == 1
    assert set(EsimOrder.objects.all()) == {others, under_way}
    assert not Esim.objects.exists()
    assert not WebhookEvent.objects.exists()
    assert not OrderEvent.objects.filter(order_id=delivered.pk).exists()


@pytest.mark.django_db
@pytest.mark.parametrize("status", ["completed", "accepted"])
@pytest.mark.parametrize("user", ["ada", None])
def test_erasing_a_customer_keeps_an_order_whose_esim_has_a_topup_under_way(delivered, status, user):
    EsimOrder.objects.filter(pk=delivered.pk).update(due_at=None)
    topup = EsimOrderFactory(
        type="topup", esim=delivered.esims.get(), user=delivered.user if user else None, **{status: True}
    )
    EsimOrder.objects.filter(status="completed").update(due_at=None)
    is_under_way = status == "accepted"
    assert names_of("explanation/privacy.md")["erase"](delivered.user) == (2 if is_under_way else 0)
    assert set(EsimOrder.objects.all()) == ({delivered, topup} if is_under_way else set())


@pytest.mark.django_db
def test_forgetting_a_customer_keeps_the_purchase_and_its_key(delivered, django_capture_on_commit_callbacks):
    ada = delivered.user
    names_of("explanation/privacy.md")["forget"](ada)
    delivered.refresh_from_db()
    assert (delivered.user, delivered.to_email, delivered.status) == (None, "", "completed")
    assert delivered.esims.count() == 1


@pytest.mark.django_db
def test_pruning_deletes_old_webhooks_and_usage_only(delivered):
    prune = names_of("explanation/privacy.md")["prune"]
    esim = delivered.esims.get()
    for at in (LONG_AGO, timezone.now()):
        UsageRecord.objects.create(esim=esim, source="look-up", old_status="unknown", status="active", created_at=at)
    UsageRecord.objects.create(
        esim=esim, source="look-up", old_status="unknown", status="active", created_at=LONG_AGO, signal_due_at=LONG_AGO
    )
    prune(days=1)
    assert WebhookEvent.objects.count() == 1
    assert UsageRecord.objects.count() == 2
    WebhookEvent.objects.update(processed_at=timezone.now() - timedelta(days=2))
    prune(days=1)
    assert not WebhookEvent.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_an_async_view_orders_and_another_waits_for_the_end(airalo, django_user_model):
    names = names_of("how-to/asgi.md")
    user, stranger = (django_user_model.objects.create_user(name) for name in ("ada", "eve"))

    def request(who, **content):
        made = AsyncRequestFactory().post("/", content)

        async def auser():
            return who

        made.auser = auser
        return made

    assert async_to_sync(names["buy"])(request(user)).status_code == 400
    assert async_to_sync(names["buy"])(request(user, package_id="test", line="1")).status_code == 200
    order = EsimOrder.objects.get()
    assert (order.user, order.status) == (user, "accepted")
    airalo.deliver(order)
    response = async_to_sync(names["wait_for_esim"])(request(user), order.reference)
    assert b'"completed"' in response.content
    with pytest.raises(Http404):
        async_to_sync(names["wait_for_esim"])(request(stranger), order.reference)


def test_the_page_for_airalo_sdk_names_each_of_its_methods():
    library = pytest.importorskip("airalo")
    methods = {
        name for name in dir(library.Airalo) if not name.startswith("_") and callable(getattr(library.Airalo, name))
    }
    table = rows(section(read("how-to/from-airalo-sdk.md"), "## Method by method"))
    named = [name for row in table for name in ticked(row[0])]
    assert sorted(named) == sorted(methods)


@pytest.mark.django_db
def test_imported_esims_are_given_to_customers_by_their_numbers(django_user_model):
    give = names_of("how-to/from-woocommerce.md")["give_to_customers"]
    imported, sold = (EsimFactory(order__is_imported=flag, order__user=None) for flag in (True, False))
    lines = ["email,iccid", f"ada@example.com,{imported.iccid}", f"eve@example.com,{sold.iccid}"]
    assert give(lines) == [sold.iccid]
    imported.order.refresh_from_db()
    sold.order.refresh_from_db()
    assert (imported.order.user.email, sold.order.user) == ("ada@example.com", None)


@pytest.mark.parametrize("page", ["glossary.md", "explanation/privacy.md", "faq.md", "troubleshooting.md"])
def test_the_fields_that_a_page_names_exist(page: str) -> None:
    models = {model.__name__: model for model in apps.get_app_config("django_airalo").get_models()}
    named = [name.split(".") for name in ticked(read(page)) if name.split(".")[0] in models and name.count(".") == 1]
    missing = [".".join(pair) for pair in named if not hasattr(models[pair[0]], pair[1].removesuffix("()"))]
    assert not missing


@pytest.mark.parametrize("page", ["glossary.md", "faq.md", "how-to/from-airalo-sdk.md", "how-to/from-woocommerce.md"])
def test_the_functions_that_a_page_names_exist(page: str) -> None:
    called = {name for text in ticked(read(page)) for name in re.findall(r"^(\w+)\(", text)}
    known = {*services.__all__, *services.operations.__all__, "qr_svg", "for_country", "sims", "topups"}
    assert {name for name in called if name[0].islower()} <= known


@pytest.mark.django_db
def test_an_async_receiver_is_run_to_its_end_and_tried_again_if_it_raises(airalo, django_capture_on_commit_callbacks):
    received = []

    async def receiver(order, **kwargs):
        await asyncio.sleep(0)
        received.append(order.status)
        if len(received) == 1:
            raise ValueError

    esim_order_completed.connect(receiver)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            order = place_order(package_id="test", mode="sync")
        event = order.events.get(new_status="completed")
        assert received == ["completed"]
        assert "ValueError" in event.signal_error
        OrderEvent.objects.filter(pk=event.pk).update(signal_due_at=LONG_AGO)
        services.sweep()
    finally:
        esim_order_completed.disconnect(receiver)
    event.refresh_from_db()
    assert (received, event.signal_error) == (["completed"] * 2, "")
