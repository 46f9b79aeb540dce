from __future__ import annotations

import re

import pytest
from django.contrib import admin
from django.db import connection
from django.db.models import TextField, Value
from django.test.utils import CaptureQueriesContext

from django_airalo.models import Esim, EsimOrder, OrderEvent, Package, SubmissionPause, WebhookEvent
from tests.factories import (
    EsimFactory,
    EsimOrderFactory,
    OrderEventFactory,
    PackageFactory,
    UserFactory,
    WebhookEventFactory,
)

from .support import EDITABLE, MODELS, fill, secrets, url

pytestmark = pytest.mark.django_db


def test_all_models_are_registered():
    assert {model for model in admin.site._registry if model._meta.app_label == "django_airalo"} == {*MODELS, *EDITABLE}


#: What Django makes of a name that begins with "eSIM", by capitalising it.
WRONG = re.compile(r"\bESIMs?\b")


@pytest.mark.parametrize("model", MODELS + EDITABLE)
def test_list_detail_and_history_pages_render(root, model):
    fill(2)
    response = root.get(url(model))
    assert response.status_code == 200
    assert response.context["cl"].result_count == model.objects.count()
    assert not WRONG.search(response.content.decode())
    for row in model.objects.all():
        page = root.get(url(model, "change", row.pk))
        assert page.status_code == 200
        assert not WRONG.search(page.content.decode())
        assert page.context["original"] == row
        assert root.get(url(model, "history", row.pk)).status_code == 200


@pytest.mark.parametrize("model", MODELS + EDITABLE)
def test_every_filter_renders(root, model):
    fill(2)
    page = root.get(url(model)).content.decode()
    links = {link.replace("&amp;", "&") for link in re.findall(r'href="(\?[^"]+)"', page)}
    assert links or not admin.site._registry[model].list_filter
    for link in links:
        assert root.get(url(model) + link).status_code == 200, link


@pytest.mark.parametrize("model", MODELS)
def test_adding_changing_and_deleting_are_refused(root, model):
    fill()
    row = model.objects.first()
    before = list(model.objects.values())
    assert root.get(url(model, "add")).status_code == 403
    assert root.post(url(model, "add"), {}).status_code == 403
    assert root.post(url(model, "change", row.pk), {"status": "completed"}).status_code == 403
    assert root.post(url(model, "delete", row.pk), {"post": "yes"}).status_code == 403
    root.post(url(model), {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"})
    assert list(model.objects.values()) == before
    page = root.get(url(model, "change", row.pk)).content.decode()
    assert 'name="_save"' not in page
    assert "deletelink" not in page


@pytest.mark.parametrize("model", MODELS + EDITABLE)
def test_list_page_makes_no_more_queries_for_more_rows(root, model):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            assert root.get(url(model)).status_code == 200
        return len(captured)

    fill(5)
    root.get(url(model))  # fills the caches
    few = queries()
    fill(20)
    assert queries() == few
    # Session, user, count, rows; the filters and permissions of a superuser ask for nothing more.
    assert few <= 5


def test_order_page_makes_no_more_queries_for_more_esims(root):
    def queries(esims):
        order = EsimOrderFactory(accepted=True)
        for _ in range(esims):
            EsimFactory(order=order)
            OrderEventFactory(order=order)
        with CaptureQueriesContext(connection) as captured:
            assert root.get(url(EsimOrder, "change", order.pk)).status_code == 200
        return len(captured)

    queries(1)
    assert queries(2) == queries(20)


@pytest.mark.parametrize("model", MODELS)
def test_pages_show_no_secret_without_permission(staff, model):
    fill(2)
    client = staff(*(f"view_{model._meta.model_name}" for model in MODELS))
    pages = [url(model), *(url(model, "change", row.pk) for row in model.objects.all())]
    for page in pages:
        response = client.get(page)
        assert response.status_code == 200
        text = response.content.decode()
        assert "LPA:1$" not in text
        assert not [secret for secret in secrets() if secret in text]
        assert "airalo-qr" not in text


def test_codes_are_not_decrypted_without_permission(staff, settings):
    fill(1)
    client = staff("view_esim", "view_esimorder", "view_webhookevent")
    settings.SECRET_KEY_FALLBACKS = []
    with connection.cursor() as cursor:
        cursor.execute("UPDATE django_airalo_esim SET activation_code = 'f1:x', matching_id = 'f1:x'")
        cursor.execute("UPDATE django_airalo_webhookevent SET body = 'f1:x'")
    for model in (Esim, EsimOrder, WebhookEvent):
        row = model.objects.values_list("pk", flat=True)[0]
        assert client.get(url(model)).status_code == 200
        assert client.get(url(model, "change", row)).status_code == 200


def test_code_and_qr_are_shown_only_on_esim_page_with_permission(staff):
    fill(1)
    client = staff("view_esim", "view_esimorder", "view_activation_code")
    esim = Esim.objects.first()
    page = client.get(url(Esim, "change", esim.pk)).content.decode()
    assert esim.activation_code in page
    assert esim.confirmation_code in page
    assert "airalo-qr" in page
    for other in (url(Esim), url(EsimOrder), url(EsimOrder, "change", esim.order.pk)):
        assert "LPA:1$" not in client.get(other).content.decode()


def test_codes_of_event_are_shown_only_on_its_page_with_permission(staff):
    event = OrderEventFactory(kind="esims_changed", secret='{"1": {"activation_code": "LPA:1$rsp.example.com$OLD"}}')
    client = staff("view_orderevent", "view_esimorder")
    pages = [url(OrderEvent), url(OrderEvent, "change", event.pk), url(EsimOrder, "change", event.order_id)]
    for page in pages:
        response = client.get(page)
        assert (response.status_code, "OLD" in response.content.decode()) == (200, False)
    client = staff("view_orderevent", "view_esimorder", "view_activation_code")
    assert ["OLD" in client.get(page).content.decode() for page in pages] == [False, True, False]
    OrderEvent.objects.filter(pk=event.pk).update(secret=Value("f1:lost", output_field=TextField()))
    for page in pages:
        assert client.get(page).status_code == 200
    assert "Cannot be decrypted with any configured key" in client.get(pages[1]).content.decode()


def test_order_page_shows_delivered_esims_and_search_finds_any_form_of_iccid(root):
    esim = EsimFactory(iccid="8900-0000 00000017F", order__quantity=3, order__delivered_quantity=1)
    assert "1 of 3 eSIMs" in root.get(url(EsimOrder, "change", esim.order_id)).content.decode()
    for model in (Esim, EsimOrder):
        page = root.get(url(model), {"q": "8900000000000017"})
        assert page.context["cl"].result_count == 1


def test_esim_without_code_has_no_qr(root):
    esim = EsimFactory(activation_code="")
    page = root.get(url(Esim, "change", esim.pk))
    assert page.status_code == 200
    assert "airalo-qr" not in page.content.decode()


def test_lists_are_forbidden_without_permission(staff):
    fill()
    client = staff()
    for model in MODELS:
        assert client.get(url(model)).status_code == 403


def found(client, model, term):
    return [row.pk for row in client.get(url(model), {"q": term}).context["cl"].queryset]


def test_search_finds_orders_and_esims(root):
    fill(3)
    user = UserFactory(email="ada@example.com")
    order = EsimOrderFactory(accepted=True, user=user, to_email="bob@example.com")
    esims = [EsimFactory(order=order), EsimFactory(order=order)]
    terms = [order.reference, order.request_id, esims[0].iccid, "ada@exam", "bob@exam", "ADA@example.com"]
    for term in terms[:5]:
        assert found(root, EsimOrder, term) == [order.pk], term
    for term in (order.reference[:8], "ample.com", esims[0].iccid[:-1], "%", "_", "'\"", "x" * 5000):
        assert order.pk not in found(root, EsimOrder, term), term
    assert set(found(root, Esim, order.reference)) == {esim.pk for esim in esims}
    assert found(root, Esim, esims[0].iccid) == [esims[0].pk]
    assert set(found(root, Esim, "bob@exam")) == {esim.pk for esim in esims}


def test_search_finds_events_webhooks_and_packages(root):
    fill(2)
    order = EsimOrder.objects.first()
    event = order.events.first()
    assert found(root, OrderEvent, str(event.event_id)) == [event.pk]
    assert set(found(root, OrderEvent, order.reference)) == {event.pk for event in order.events.all()}
    webhook = order.webhook_events.get()
    for term in (order.request_id, order.reference, webhook.digest):
        assert found(root, WebhookEvent, term) == [webhook.pk]
    package = PackageFactory(country_code="DE", location="Germany")
    for term in ("DE", "Germ", package.package_id):
        assert package.pk in found(root, Package, term)


def test_text_from_airalo_and_customers_is_escaped(root):
    evil = "<script>1</script>"
    order = EsimOrderFactory(
        failed=True, description=evil, error_reason=evil, attention=evil, package_id=evil, request_id=evil
    )
    OrderEventFactory(order=order, detail=evil, source=evil)
    WebhookEventFactory(order=order, error=evil, request_id=evil)
    EsimFactory(order=order, msisdn=evil, apn={"apn_value": evil}, smdp_address=evil)
    PackageFactory(title=evil, location=evil)
    SubmissionPause.objects.create(reason=evil)
    for model in MODELS:
        for page in (url(model), *(url(model, "change", row.pk) for row in model.objects.all())):
            assert evil not in root.get(page).content.decode(), page


def test_topup_links_to_esim_that_cannot_be_decrypted(root, settings):
    esim = EsimFactory()
    order = EsimOrderFactory(completed=True, type="topup", esim=esim)
    settings.AIRALO_ENCRYPTION_KEYS = ["Zm9yLXRlc3RzLW9ubHktZm9yLXRlc3RzLW9ubHktMTI="]
    page = root.get(url(EsimOrder, "change", order.pk)).content.decode()
    assert f'href="{url(Esim, "change", esim.pk)}">{esim.iccid}<' in page


def test_page_of_esim_with_lost_key_opens(root):
    esim = EsimFactory()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE django_airalo_esim SET activation_code = 'f1:x'")
    response = root.get(f"/admin/django_airalo/esim/{esim.pk}/change/")
    assert response.status_code == 200
    assert "Cannot be decrypted with any configured key" in response.content.decode()


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"net_price": "1.50", "cost_currency": "USD"}, "3.00 USD"),
        ({"net_price": "1.50", "cost_currency": "USD", "is_cost_estimated": True}, "3.00 USD (estimated)"),
        ({"total_amount_paid": "2.505", "cost_currency": "KWD"}, "2.505 KWD"),
        ({}, "-"),
    ],
)
def test_cost_of_order_is_shown_and_estimate_is_marked(root, fields, shown):
    order = EsimOrderFactory(quantity=2, **fields)
    assert f'<td class="field-cost_as_shown">{shown}</td>' in root.get(url(EsimOrder)).content.decode()
    page = root.get(url(EsimOrder, "change", order.pk)).content.decode()
    assert re.search(rf'field-cost_as_shown.*?<div class="readonly">{re.escape(shown)}</div>', page, re.DOTALL)
