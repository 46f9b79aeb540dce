from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from django_airalo import services
from django_airalo.models import (
    BalanceRecord,
    CatalogueSync,
    CompatibleDevice,
    Country,
    Esim,
    EsimInstructions,
    EsimOrder,
    EsimPackage,
    ExchangeRate,
    Heartbeat,
    Operator,
    OrderEvent,
    Package,
    PricingRule,
    Refund,
    SubmissionPause,
    UsageRecord,
    Voucher,
    WebhookEvent,
)
from django_airalo.models.esims import SECRETS
from tests.factories import (
    LONG_AGO,
    CatalogueSyncFactory,
    CompatibleDeviceFactory,
    EsimFactory,
    EsimInstructionsFactory,
    EsimOrderFactory,
    EsimPackageFactory,
    OrderEventFactory,
    PackageFactory,
    PricingRuleFactory,
    UsageRecordFactory,
    UserFactory,
    WebhookEventFactory,
    at_airalo,
)

pytestmark = pytest.mark.django_db

MODELS = [EsimOrder, Esim, OrderEvent, WebhookEvent, Package, SubmissionPause, BalanceRecord, Heartbeat]
MODELS += [Refund, Voucher]
MODELS += [UsageRecord, EsimPackage, EsimInstructions]
MODELS += [Operator, Country, ExchangeRate, CatalogueSync, CompatibleDevice]
#: What an operator sets.
EDITABLE = [PricingRule]


@pytest.fixture
def root(client):
    user = UserFactory(is_staff=True, is_superuser=True)
    client.force_login(user)
    return client


@pytest.fixture
def staff(client):
    """Sign in with these permissions only."""

    def sign_in(*names):
        user = UserFactory(is_staff=True)
        permissions = Permission.objects.filter(content_type__app_label="django_airalo", codename__in=names)
        assert permissions.count() == len(names)
        user.user_permissions.set(permissions)
        client.force_login(user)
        return client

    return sign_in


def url(model, page="changelist", *args):
    return reverse(f"admin:django_airalo_{model._meta.model_name}_{page}", args=args)


def fill(count=1):
    """Rows of every model, each order with two eSIMs, events and webhooks."""
    for number in range(count):
        order = EsimOrderFactory(accepted=True, user=UserFactory(), attention="Look." if number % 2 else "")
        EsimFactory(order=order)
        esim = EsimFactory(order=order, usage_status="active", remaining=100, total=1000)
        UsageRecordFactory(esim=esim)
        EsimPackageFactory(esim=esim)
        EsimInstructionsFactory(esim=esim)
        OrderEventFactory(order=order)
        OrderEventFactory(order=order, kind="attention", detail="Look.")
        WebhookEventFactory(order=order, request_id=order.request_id)
        _fill_catalogue(PackageFactory())
        SubmissionPause.objects.create(reason="Lack of credit.", is_active=None, order=order)
        Refund.objects.create(reason="NO_COVERAGE", error="Look.").esims.set(order.esims.all())
        Voucher.objects.create(kind="esim", package_id="test", status="created", codes=f"VOUCHER-{number}")
        BalanceRecord.objects.create(amount=number, currency="USD", threshold=1)
        Heartbeat.objects.create(name=f"beat {Heartbeat.objects.count()}", at=LONG_AGO)


def _fill_catalogue(package):
    country, _ = Country.objects.get_or_create(code="TL", defaults={"title": "Testland"})
    package.operator.countries.add(country)
    package.history.create(price="4.50", recorded_at=LONG_AGO)
    for scope in ({}, {"package": package}, {"operator": package.operator}, {"country": country}):
        PricingRuleFactory(**scope)
    ExchangeRate.objects.get_or_create(currency="EUR", defaults={"rate": "0.9", "synced_at": LONG_AGO})
    CatalogueSyncFactory(error="AiraloTimeoutError: no answer")
    CatalogueSyncFactory(finished_at=LONG_AGO)
    CompatibleDeviceFactory()


def secrets():
    for esim in Esim.objects.all():
        yield from (getattr(esim, name) for name in SECRETS)
    for event in WebhookEvent.objects.all():
        yield event.body
    for voucher in Voucher.objects.all():
        yield voucher.codes


def test_all_models_are_registered():
    assert {model for model in admin.site._registry if model._meta.app_label == "django_airalo"} == {*MODELS, *EDITABLE}


#: What Django makes of a name that begins with "eSIM", by capitalising it.
WRONG = re.compile(r"\bESIMs?\b")


@pytest.mark.parametrize("model", MODELS + EDITABLE)
def test_list_and_detail_render(root, model):
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
def test_nothing_can_be_added_changed_or_deleted(root, model):
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
def test_no_more_queries_for_more_rows(root, model):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            assert root.get(url(model)).status_code == 200
        return len(captured)

    fill(5)
    root.get(url(model))  # whatever is cached by the first page
    few = queries()
    fill(20)
    assert queries() == few
    # Session, user, count, rows; the filters and permissions of a superuser ask for nothing more.
    assert few <= 5


def test_no_more_queries_for_an_order_with_more_esims(root):
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
def test_no_secret_is_on_any_page_without_the_permission(staff, model):
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


def test_without_the_permission_codes_are_not_even_decrypted(staff, settings):
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


def test_with_the_permission_code_and_qr_are_on_the_esims_page_only(staff):
    fill(1)
    client = staff("view_esim", "view_esimorder", "view_activation_code")
    esim = Esim.objects.first()
    page = client.get(url(Esim, "change", esim.pk)).content.decode()
    assert esim.activation_code in page
    assert esim.confirmation_code in page
    assert "airalo-qr" in page
    for other in (url(Esim), url(EsimOrder), url(EsimOrder, "change", esim.order.pk)):
        assert "LPA:1$" not in client.get(other).content.decode()


def test_an_esim_without_code_has_no_qr(root):
    esim = EsimFactory(activation_code="")
    page = root.get(url(Esim, "change", esim.pk))
    assert page.status_code == 200
    assert "airalo-qr" not in page.content.decode()


def test_without_any_permission_nothing_is_seen(staff):
    fill()
    client = staff()
    for model in MODELS:
        assert client.get(url(model)).status_code == 403


def found(client, model, term):
    return [row.pk for row in client.get(url(model), {"q": term}).context["cl"].queryset]


def test_search_for_orders(root):
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


def test_search_for_events_webhooks_and_packages(root):
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


def test_what_airalo_and_customers_write_is_escaped(root):
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


# Actions


def act(client, model, action, *rows, **fields):
    data = {"action": action, "_selected_action": [row.pk for row in rows], **fields}
    response = client.post(url(model), data, follow=True)
    return response, [str(message) for message in response.context["messages"]]


ACTIONS = {
    "submit": EsimOrder,
    "look_up": EsimOrder,
    "cancel_orders": EsimOrder,
    "mark_never_placed": EsimOrder,
    "mark_failed": EsimOrder,
    "process_again": WebhookEvent,
    "resume": SubmissionPause,
    "sync_now": CatalogueSync,
    "approve": Refund,
    "decline": Refund,
    "confirm": Refund,
    "send_again": Refund,  # and Voucher, which has the same
    "cancel": Refund,
    "refresh_usage": Esim,
    "set_brand": Esim,
    "ask_for_refund": Esim,
}
#: Where it is not the change permission of the action's own model.
PERMISSIONS = {"ask_for_refund": "change_refund"}


@pytest.mark.parametrize("action", ACTIONS)
def test_actions_need_the_change_permission(staff, airalo, action):
    fill()
    model = ACTIONS[action]
    name = model._meta.model_name
    client = staff(f"view_{name}")
    assert f'value="{action}"' not in client.get(url(model)).content.decode()
    before = list(model.objects.values())
    act(client, model, action, model.objects.first(), confirmed="yes")
    assert list(model.objects.values()) == before
    client = staff(f"view_{name}", PERMISSIONS.get(action, f"change_{name}"))
    assert f'value="{action}"' in client.get(url(model)).content.decode()


def test_every_action_is_tested():
    names = {name for model in MODELS for name in admin.site._registry[model].actions}
    assert names == set(ACTIONS)


def test_submit(root, airalo, django_capture_on_commit_callbacks):
    pending, other = EsimOrderFactory(due_at="2100-01-01T00:00:00Z"), EsimOrderFactory(accepted=True)
    with django_capture_on_commit_callbacks(execute=True):
        _, said = act(root, EsimOrder, "submit", pending, other)
    pending.refresh_from_db()
    assert pending.status == "accepted"
    assert len(airalo.orders) == 1
    assert said == ["1 order is being submitted.", "1 order is not pending, or no order is sent for lack of credit."]


def test_look_up(root, airalo, django_capture_on_commit_callbacks):
    order, unlisted = EsimOrderFactory(accepted=True), EsimOrderFactory(unconfirmed=True)
    at_airalo(airalo, order)
    with django_capture_on_commit_callbacks(execute=True):
        _, said = act(root, EsimOrder, "look_up", order, unlisted)
    order.refresh_from_db()
    assert order.status == "completed"
    assert sorted(text.rsplit(" ", 1)[1] for text in said) == ["Completed", "Unconfirmed"]
    assert order.events.get(new_status="completed").source == "operator"


@pytest.mark.django_db(transaction=True)
def test_cancel_orders(root, airalo):
    due_date = datetime.now(UTC) + timedelta(days=30)
    future, silent = (services.place_order(package_id="test", due_date=due_date) for _ in range(2))
    _, said = act(root, EsimOrder, "cancel_orders", EsimOrderFactory(), EsimOrderFactory(accepted=True), future)
    assert [text.rsplit(": ", 1)[1] for text in sorted(said, key=len)] == [
        "Cancelled",
        "Cancelled",
        "Accepted, so it cannot be cancelled.",
    ]
    airalo.serve("POST", "/v2/cancel-future-orders", {"message": "Too Many Attempts."}, status=429)
    _, said = act(root, EsimOrder, "cancel_orders", silent)
    assert "Airalo is being asked" in said[0]


def test_a_topup_links_to_its_esim_even_if_that_cannot_be_decrypted(root, settings):
    esim = EsimFactory()
    order = EsimOrderFactory(completed=True, type="topup", esim=esim)
    settings.AIRALO_ENCRYPTION_KEYS = ["Zm9yLXRlc3RzLW9ubHktZm9yLXRlc3RzLW9ubHktMTI="]
    page = root.get(url(EsimOrder, "change", order.pk)).content.decode()
    assert f'href="{url(Esim, "change", esim.pk)}">{esim.iccid}<' in page


def test_look_up_without_credentials_says_so(root, settings):
    settings.AIRALO_CLIENT_ID = ""
    response, said = act(root, EsimOrder, "look_up", EsimOrderFactory(accepted=True))
    assert response.status_code == 200
    assert "AIRALO_CLIENT_ID" in said[0]


@pytest.mark.parametrize(("action", "status"), [("mark_never_placed", "pending"), ("mark_failed", "failed")])
def test_decisions(root, airalo, action, status):
    order, other = EsimOrderFactory(unconfirmed=True), EsimOrderFactory(accepted=True)
    _, said = act(root, EsimOrder, action, order, other, confirmed="yes")
    order.refresh_from_db()
    other.refresh_from_db()
    assert (order.status, other.status) == (status, "accepted")
    assert EsimOrder.objects.filter(events__detail__contains="user").get() == order  # who decided is kept
    assert len(said) == 2
    assert any("nothing to decide" in text for text in said)


def test_process_again(root, django_capture_on_commit_callbacks):
    order = EsimOrderFactory(accepted=True, request_id="request-1")
    event = WebhookEventFactory(status="set_aside", due_at=None, body='{"request_id": "request-1", "reason": "Gone."}')
    broken = WebhookEventFactory(body="{")
    lost = WebhookEventFactory()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE django_airalo_webhookevent SET body = 'f1:x' WHERE id = %s", [lost.pk])
    with django_capture_on_commit_callbacks(execute=True):
        response, said = act(root, WebhookEvent, "process_again", event, broken, lost)
    assert response.status_code == 200
    order.refresh_from_db()
    assert order.status == "failed"
    assert any("Processed" in text for text in said)
    assert any("not JSON" in text for text in said)
    assert any("DecryptionError" in text for text in said)


def test_resume(root):
    pause = SubmissionPause.objects.create(reason="Lack of credit.", due_at=LONG_AGO)
    _, said = act(root, SubmissionPause, "resume", pause)
    pause.refresh_from_db()
    assert pause.is_active is None
    assert pause.resumed_by.startswith("user")
    assert "sent again" in said[0]
    assert act(root, SubmissionPause, "resume", pause)[1] == ["There is no pause."]


@pytest.mark.django_db(transaction=True)
def test_actions_work_under_atomic_requests(root, airalo):
    order, unconfirmed = EsimOrderFactory(), EsimOrderFactory(unconfirmed=True)
    event = WebhookEventFactory(body='{"request_id": "request-1", "reason": "Gone."}')
    at_airalo(airalo, unconfirmed)
    connection.settings_dict["ATOMIC_REQUESTS"] = True
    try:
        for model, action, row in (
            (EsimOrder, "submit", order),
            (EsimOrder, "look_up", unconfirmed),
            (WebhookEvent, "process_again", event),
        ):
            assert act(root, model, action, row)[0].status_code == 200
    finally:
        connection.settings_dict["ATOMIC_REQUESTS"] = False
    order.refresh_from_db()
    unconfirmed.refresh_from_db()
    assert (order.status, unconfirmed.status) == ("accepted", "completed")


def test_an_esim_whose_key_is_lost_can_still_be_looked_at(root):
    esim = EsimFactory()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE django_airalo_esim SET activation_code = 'f1:x'")
    response = root.get(f"/admin/django_airalo/esim/{esim.pk}/change/")
    assert response.status_code == 200
    assert "fits none of the encryption keys" in response.content.decode()


def test_submit_waits_for_credit(root, airalo):
    SubmissionPause.objects.create(reason="no credit")
    order = EsimOrderFactory()
    _, said = act(root, EsimOrder, "submit", order)
    assert said == ["1 order is not pending, or no order is sent for lack of credit."]
    assert not airalo.orders
