"""Holds the reference and the code together: public names, and what each error does to an order."""

from __future__ import annotations

import dataclasses
import inspect
import re

import pytest
from django.db import models
from django.urls import reverse

from django_airalo import exceptions, services, testing
from django_airalo.client import AiraloClient, payloads
from django_airalo.models import Esim, EsimOrder, OrderEvent, WebhookEvent
from django_airalo.services import operations
from django_airalo.services.orders import submit

from .pages import read, rows, section, ticked
from .test_contract import SETTING_NAMES, SIGNALS


@pytest.mark.parametrize("module", [services, operations], ids=lambda module: module.__name__)
def test_services_page_lists_and_documents_each_service_of_a_module(module):
    text = read("reference/services.md")
    listed = text[: text.index("## ")] if module is services else section(text, "## Operations")
    assert sorted(name for row in rows(listed) for name in ticked(row[0])) == sorted(module.__all__)
    shown = re.findall(rf"autofunction:: {re.escape(module.__name__)}\.(\w+)$", text, re.MULTILINE)
    assert sorted(shown) == sorted(module.__all__)
    assert all(inspect.getdoc(getattr(module, name)) for name in module.__all__)


@pytest.mark.parametrize("module", [services, operations], ids=lambda module: module.__name__)
def test_services_take_all_but_the_object_acted_on_by_keyword(module):
    for name in module.__all__:
        parameters = inspect.signature(getattr(module, name)).parameters.values()
        positional = [parameter.name for parameter in parameters if parameter.kind != parameter.KEYWORD_ONLY]
        assert len(positional) <= 1, name


def test_shop_calls_at_most_26_services():
    assert len(services.__all__) <= 26


EXCEPTIONS = [name for name, item in vars(exceptions).items() if isinstance(item, type) and "Error" in name]


def test_the_exceptions_page_has_each_exception_once_and_no_other():
    ours = [name for name in EXCEPTIONS if getattr(exceptions, name).__module__ == exceptions.__name__]
    documented = [ticked(row[0])[0] for row in rows(read("reference/exceptions.md"))]
    assert sorted(documented) == sorted(ours)


def test_the_exceptions_page_names_the_codes_and_the_other_parents():
    for row in rows(read("reference/exceptions.md")):
        kind = getattr(exceptions, ticked(row[0])[0])
        codes = [code for code, known in exceptions.ERROR_FOR_CODE.items() if known is kind]
        assert [int(code) for code in re.findall(r"code (\d+)", row[1])] == codes
        if not issubclass(kind, exceptions.AiraloAPIError):
            foreign = [base.__name__ for base in kind.__bases__ if base.__module__ != exceptions.__name__]
            assert ticked(row[2]) == foreign, kind


def test_the_exceptions_page_says_what_to_do_about_each_code():
    text = section(read("reference/exceptions.md"), "## Airalo's codes")
    said = re.findall(r"^Code (\d+), `(\w+)`\n: \w.+", text, re.MULTILINE)
    assert {int(code): name for code, name in said} == {
        code: kind.__name__ for code, kind in exceptions.ERROR_FOR_CODE.items()
    }


def answered_rows() -> list[tuple[str, int, int | None, str]]:
    """The rows of errors that an answer of Airalo makes: exception, HTTP status, code, what becomes of the order."""
    found = []
    for row in rows(section(read("reference/exceptions.md"), "## From a call to Airalo")):
        code = re.search(r"code (\d+)", row[1])
        status = re.match(r"(\d)(\d\d|xx)", row[1])
        if code or status:
            number = int(status[0].replace("xx", "00")) if status else 422
            found.append((ticked(row[0])[0], number, int(code[1]) if code else None, ticked(row[2])[0]))
    return found


@pytest.mark.django_db
@pytest.mark.parametrize(("name", "status", "code", "expected"), answered_rows())
def test_an_error_of_airalo_does_to_an_order_what_the_exceptions_page_says(
    name, status, code, expected, airalo, django_capture_on_commit_callbacks, monkeypatch
):
    raised = []
    record = submit._record_failure
    monkeypatch.setattr(submit, "_record_failure", lambda order, error: (raised.append(error), record(order, error)))
    airalo.answer(status, {"reason": "For some reason."} | ({"code": code} if code else {}))
    with django_capture_on_commit_callbacks(execute=True):
        order = services.place_order(package_id="test-mobile-7days-1gb")
    order.refresh_from_db()
    assert [type(error).__name__ for error in raised] == [name]
    assert order.status == expected
    assert not order.look_up_first


CLIENT_METHODS = [name for name in dir(AiraloClient) if not name.startswith("_")]


def test_the_client_page_has_each_method_with_its_endpoint():
    table = {ticked(row[0])[0]: row[1] for row in rows(read("reference/client.md"))}
    assert sorted(table) == sorted(CLIENT_METHODS)
    for name, endpoint in table.items():
        documented = inspect.getdoc(getattr(AiraloClient, name)) or ""
        if name != "iter_packages":
            assert documented.startswith(endpoint.split(",")[0]), name


def test_the_client_page_has_each_payload():
    listed = re.search(r":members: (.*)", section(read("reference/client.md"), "## What it returns"))
    kinds = {name for name in payloads.__all__ if dataclasses.is_dataclass(getattr(payloads, name))}
    assert sorted(listed[1].split(", ")) == sorted(kinds - {"TokenData"})


@pytest.mark.parametrize("name", testing.__all__)
def test_a_testing_helper_is_documented(name):
    assert any(re.match(rf"{name}\b", text) for text in ticked(read("how-to/testing-your-shop.md")))


def test_the_methods_of_the_fake_are_documented():
    text = read("how-to/testing-your-shop.md")
    fake = testing.FakeAiralo()
    public = {name for name in (*vars(testing.FakeAiralo), *vars(fake)) if not name.startswith("_")}
    documented = {re.split(r"\W", ticked(row[0])[0])[0] for row in rows(section(text, "## What the fake can do"))}
    assert documented == public


def test_the_fields_of_the_rest_api_are_documented():
    from django_airalo.api.serializers import (
        EsimDetailSerializer,
        EsimOrderDetailSerializer,
        EsimOrderSerializer,
        EsimSerializer,
    )

    text = read("reference/rest-api.md")
    tables = {"## Order": EsimOrderDetailSerializer, "## eSIM": EsimDetailSerializer}
    for heading, serializer in tables.items():
        documented = [name for row in rows(section(text, heading)) for name in ticked(row[0])]
        assert sorted(documented) == sorted(serializer.Meta.fields)
    for heading, alone, serializer in (
        ("## Order", "One order alone", EsimOrderSerializer),
        ("## eSIM", "One eSIM alone", EsimSerializer),
    ):
        in_lists = [name for row in rows(section(text, heading).split(alone)[0]) for name in ticked(row[0])]
        assert sorted(in_lists) == sorted(serializer.Meta.fields)
    for row in rows(text):
        if row[1].startswith("`django_airalo_api:"):
            name = ticked(row[1])[0]
            detail = {"order": ["0" * 32], "esim": ["0" * 36]}[name.partition(":")[2].partition("-")[0]]
            path = reverse(name, args=[] if name.endswith("list") else detail)
            documented = ticked(row[0])[0].removeprefix("GET ")
            assert path == "/api/airalo/" + documented.replace("{id}", detail[0])


def test_the_names_that_shops_rely_on_are_there():
    verbs = "place_order submit_order sync_order sweep receive_webhook process_webhook_event"
    told = (
        "esim_order_accepted esim_order_completed esim_order_failed esim_order_unconfirmed esim_order_cancelled "
        "esim_order_status_changed esim_low_data credit_limit_reached"
    )
    statuses = "PENDING SUBMITTING ACCEPTED COMPLETED FAILED UNCONFIRMED SCHEDULED CANCELLED"
    assert set(verbs.split()) <= set(services.__all__)
    assert set(told.split()) <= set(SIGNALS)
    assert EsimOrder.Status.names == statuses.split()
    assert EsimOrder.Status.values == statuses.lower().split()
    relied_on = {"CLIENT_ID", "CLIENT_SECRET", "BASE_URL", "WEBHOOK_URL", "WEBHOOK_SECRETS"}
    assert relied_on <= set(SETTING_NAMES)
    assert all(issubclass(model, models.Model) for model in (Esim, EsimOrder, OrderEvent, WebhookEvent))
    assert reverse("django_airalo:webhook") == "/airalo/webhook/"
