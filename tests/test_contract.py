"""Holds the reference and the code together: what one says, the other must do."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import typing
from collections import defaultdict
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings
from django.core.management import get_commands, load_command_class
from django.core.management.base import BaseCommand
from django.db import models
from django.dispatch import Signal
from django.test import override_settings
from django.urls import reverse

from django_airalo import exceptions, services, signals, testing
from django_airalo.checks import check_settings
from django_airalo.client import AiraloClient, payloads
from django_airalo.conf import Settings, conf
from django_airalo.models import Esim, EsimOrder, EsimPackage, OrderEvent, Refund, UsageStatus, Voucher, WebhookEvent
from django_airalo.services.transitions import TRANSITIONS

from .pages import FENCE, PACKAGE, PAGES, check_sites, headings, python_blocks, read, rows, section, ticked


@contextmanager
def bare_settings(**values):
    """The shop has set no AIRALO_ setting but these."""
    with override_settings(**values):
        for name in dir(settings):
            if name.startswith("AIRALO_") and name not in values:
                delattr(settings, name)
        yield


# Settings

SETTING_NAMES = [name for name, item in vars(Settings).items() if isinstance(item, property) and name.isupper()]
SETTING = re.compile(r"### AIRALO_(\w+)\n\nType: `([^`]+)`\. Default: `([^`]+)`(.*?)\.\n", re.DOTALL)


def test_the_settings_page_has_each_setting_once_and_no_other():
    documented = [heading.removeprefix("AIRALO_") for heading in headings(read("reference/settings.md"), 3)]
    assert sorted(documented) == sorted(SETTING_NAMES)
    assert sorted(name for name, *_ in SETTING.findall(read("reference/settings.md"))) == sorted(SETTING_NAMES)


@pytest.mark.parametrize("name", SETTING_NAMES)
def test_a_setting_has_the_documented_type_and_default(name):
    documented = {found[0]: found[1:] for found in SETTING.findall(read("reference/settings.md"))}
    kind, default, _ = documented[name]
    returned = typing.get_type_hints(vars(Settings)[name].fget)["return"]
    name_of_type = str(getattr(returned, "__name__", returned)) if isinstance(returned, type) else str(returned)
    name_of_type = re.sub(r"^collections\.abc\.Sequence\[(\w+)\]$", r"list of \1", name_of_type)
    assert kind == name_of_type.replace(" | ", " or ")
    with bare_settings():
        value = getattr(conf, name)
    expected = ast.literal_eval(default)
    assert (list(value) if isinstance(value, tuple) else value) == expected
    assert isinstance(value, tuple) == isinstance(expected, list)


def test_the_documented_defaults_that_depend_on_other_settings():
    text = read("reference/settings.md")
    in_sandbox = re.search(r"in sandbox mode `([^`]+)`", section(text, "### AIRALO_LOOKUP_DELAYS"))
    with bare_settings(AIRALO_SANDBOX=True):
        assert in_sandbox
        assert list(conf.LOOKUP_DELAYS) == ast.literal_eval(in_sandbox[1])
        assert f"in sandbox mode `{conf.USAGE_INTERVAL:.0f}`" in section(text, "### AIRALO_USAGE_INTERVAL")
    assert "means the client secret" in section(text, "### AIRALO_WEBHOOK_SECRETS")
    with bare_settings(AIRALO_CLIENT_SECRET="s"):
        assert conf.WEBHOOK_SECRETS == ("s",)


def test_only_documented_settings_are_mentioned_anywhere():
    for page in PAGES:
        mentioned = set(re.findall(r"\bAIRALO_([A-Z][A-Z_]*[A-Z])\b", page.read_text())) - {"PORT"}  # a make variable
        assert mentioned <= set(SETTING_NAMES), page


def test_only_conf_reads_the_settings():
    for module in PACKAGE.rglob("*.py"):
        if module.name not in ("conf.py", "checks.py") and "emulator" not in module.parts:
            assert not re.search(r"settings\.AIRALO_|getattr\(settings", module.read_text()), module


# Signals

SIGNALS = {name: item for name, item in vars(signals).items() if isinstance(item, Signal)}


def documented_arguments(name: str) -> dict[str, str]:
    """Arguments and types that the page lists for a signal."""
    text = section(read("reference/signals.md"), f"### {name}")
    listed = text[text.index("Arguments:\n") :]
    return dict(re.findall(r"^- `(\w+)` \((\w[\w.]*)", listed, re.MULTILINE))


def commented(name: str) -> str:
    """The ``#:`` comment above a signal in the source."""
    source = inspect.getsource(signals)
    comment = re.search(rf"((?:^#:.*\n)+){name} = Signal\(\)", source, re.MULTILINE)
    assert comment, name
    return re.sub(r"^#: ?", "", comment[1], flags=re.MULTILINE).replace("\n", " ")


def documented_sender(name: str) -> str:
    found = re.search(r"^Sender: `(\w+)`\. Arguments:$", section(read("reference/signals.md"), f"### {name}"), re.M)
    assert found, name
    return found[1]


def test_the_signals_page_has_each_signal_and_no_other():
    shown = [heading for heading in headings(read("reference/signals.md"), 3) if heading.isidentifier()]
    assert sorted(shown) == sorted(SIGNALS)


@pytest.fixture
def sent():
    """What each signal was really sent with: its name -> a list of (sender, arguments)."""
    log = defaultdict(list)

    def recorder(name):
        def receiver(sender, signal, **arguments):
            log[name].append((sender, arguments))

        return receiver

    receivers = {name: recorder(name) for name in SIGNALS}
    for name, receiver in receivers.items():
        SIGNALS[name].connect(receiver)
    yield log
    for name, receiver in receivers.items():
        SIGNALS[name].disconnect(receiver)


def send_every_signal(airalo, commit):
    """Go every way that a shop's orders can go, so that every signal is sent."""
    with commit():
        delivered = services.place_order(package_id="test-mobile-7days-1gb")
    airalo.deliver(delivered)
    airalo.push(testing.low_data_payload(delivered.esims.get().iccid))
    with commit():
        services.esims.record_usage(delivered.esims.get(), "active", {}, source="look-up")
    with commit(), override_settings(AIRALO_LOW_BALANCE=2000):
        services.look_up_balance()
    airalo.push(testing.credit_limit_payload())
    airalo.reject(34)
    with commit():
        services.place_order(package_id="test-mobile-7days-1gb")
    airalo.time_out()
    with commit():
        services.place_order(package_id="test-mobile-7days-1gb")
    airalo.reject(11)
    with commit():
        pending = services.place_order(package_id="test-mobile-7days-1gb")
    with commit():
        services.resume_submission(resumed_by="a test")
    refund = Refund.objects.create(reason="NO_COVERAGE", status="requested")
    voucher = Voucher.objects.create(kind="esim", status="unconfirmed")
    with commit():
        services.decide_refund(refund, "approved")
        services.decide_voucher(voucher, "cancelled")
    with commit():
        services.cancel_order(pending)
    with commit():
        due_date = datetime.now(UTC) + timedelta(days=30)
        services.place_order(package_id="test-mobile-7days-1gb", due_date=due_date)


@pytest.mark.django_db
def test_each_signal_is_sent_with_the_documented_arguments(airalo, sent, django_capture_on_commit_callbacks):
    send_every_signal(airalo, lambda: django_capture_on_commit_callbacks(execute=True))
    assert set(sent) == set(SIGNALS), "a signal was never sent"
    for name, calls in sent.items():
        page = documented_arguments(name)
        comment = re.search(r"\*Arguments\*: (.*)", commented(name))
        assert comment
        for sender, arguments in calls:
            assert set(arguments) == set(page), name
            assert set(arguments) == set(re.findall(r"``(\w+)`` \(", comment[1])), name
            assert sender.__name__ == documented_sender(name)
            assert f"~django_airalo.models.{sender.__name__}`" in commented(name)
            for argument, value in arguments.items():
                if value is not None:
                    documented = page[argument].rsplit(".")[-1]
                    assert type(value).__name__ in (documented, "Status"), (name, argument)


@pytest.mark.parametrize("name", SIGNALS)
def test_the_example_receiver_of_a_signal_takes_what_is_sent(name):
    code = python_blocks(section(read("reference/signals.md"), f"### {name}"))[0]
    [function] = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.FunctionDef)]
    named = [argument.arg for argument in function.args.args]
    assert named[0] == "sender"
    assert set(named[1:]) <= set(documented_arguments(name))
    assert function.args.kwarg, "arguments may be added"
    assert f"import {name}" in code


# Checks


def test_the_checks_page_has_each_id_once_and_no_other():
    documented = [ticked(row[0])[0] for row in rows(read("reference/checks.md"))]
    assert len(documented) == len(set(documented))
    assert set(documented) == {number for number, *_ in check_sites()}
    # Nothing is numbered in a way that the reading above does not see.
    numbers = set(re.findall(r"\b[EW]\d{3}\b", (PACKAGE / "checks.py").read_text()))
    assert {number.rpartition(".")[2] for number in documented} == numbers


#: A number that is out of its range: durations and counts have different ones.
OF_TWO_KINDS = {"django_airalo.E002"}


def test_a_check_id_stands_for_one_thing():
    for number in {site[0] for site in check_sites()}:
        sites = [site for site in check_sites() if site[0] == number]
        assert {kind[0] for _, kind, *_ in sites} == {number.rpartition(".")[2][0]}, "E is an Error, W a Warning"
        same_text = len({text for *_, text, _ in sites}) == 1
        same_hint = len({hint for *_, hint in sites}) == 1 and sites[0][3]
        assert same_text or same_hint or number in OF_TWO_KINDS, number


def test_the_checks_page_tells_the_deployment_checks_apart():
    deploy = section(read("reference/checks.md"), "## With `--deploy`")
    documented = {ticked(row[0])[0] for row in rows(deploy)}
    tree = ast.parse((PACKAGE / "checks.py").read_text())
    functions = {node.name: ast.unparse(node) for node in tree.body if isinstance(node, ast.FunctionDef)}
    called = re.findall(r"\b_\w+(?=\()", functions["check_deployment"])
    source = functions["check_deployment"] + "".join(functions[name] for name in called if name != "_check_types")
    assert documented == {f"django_airalo.{number}" for number in re.findall(r"\b[EW]\d{3}\b", source)}


def test_the_check_of_every_start_looks_at_each_setting_but_the_one_that_the_page_names():
    [excepted] = re.findall(r"every setting but \[`AIRALO_(\w+)`\]", read("reference/checks.md"))
    for name in SETTING_NAMES:
        with bare_settings(**{"AIRALO_CLIENT_ID": "x", "AIRALO_CLIENT_SECRET": "x", f"AIRALO_{name}": object()}):
            assert bool(check_settings()) == (name != excepted), name


# Statuses


def test_the_statuses_page_says_what_each_status_means():
    text = read("reference/statuses.md")
    explained = [ticked(row[0])[0] for row in rows(section(text, "### What each means"))]
    assert sorted(explained) == sorted(EsimOrder.Status.values)
    picture = FENCE.findall(text)[0][1]
    assert set(re.findall(r"[A-Z]{4,}", picture)) == set(EsimOrder.Status.names)
    esims = [ticked(row[0])[0] for row in rows(section(text, "## Of an eSIM"))]
    assert sorted(esims) == sorted(UsageStatus.values)
    assert set(esims) - set(EsimPackage.Status.values) == {"recycled"}
    for heading, model in (("a webhook event", WebhookEvent), ("a refund", Refund), ("a voucher", Voucher)):
        documented = [ticked(row[0])[0] for row in rows(section(text, f"## Of {heading}"))]
        assert sorted(documented) == sorted(model.Status.values)


@pytest.mark.parametrize(
    ("verb", "decisions"),
    [(services.decide_refund, services.refunds.DECISIONS), (services.decide_voucher, services.vouchers.DECISIONS)],
)
def test_the_decisions_that_a_verb_documents_are_those_of_the_code(verb, decisions):
    text = " ".join((inspect.getdoc(verb) or "").split("Args:")[0].split())
    documented = {
        old: set(re.findall(r"``(\w+)``", new)) for old, new in re.findall(r"From ``(\w+)``: ([^.]*)\.", text)
    }
    if verb is services.decide_refund:  # "one may be corrected to the other"
        documented |= {"approved": {"declined"}, "declined": {"approved"}}
    assert documented == {str(old): {str(status) for status in new} for old, new in decisions.items()}


def test_the_documented_transitions_are_those_of_the_code():
    table = rows(section(read("reference/statuses.md"), "### Which may follow which"))
    documented = {ticked(old)[0]: set(ticked(new)) for old, new in table}
    assert len(documented) == len(table)
    assert documented == {str(old.value): {str(new.value) for new in TRANSITIONS[old]} for old in EsimOrder.Status}


def test_the_final_statuses_are_those_that_the_page_names():
    text = read("reference/statuses.md")
    sentence = re.search(r"^(.*) are final: nothing more is expected", text, re.MULTILINE)
    assert sentence
    assert set(ticked(sentence[1])) == set(EsimOrder.FINAL)


# Commands

COMMANDS = sorted(name for name, app in get_commands().items() if app == "django_airalo")


def options_of(name: str) -> dict[str, str]:
    """The options that a command adds to Django's own: the option -> how it is written with its value."""
    usual = set(BaseCommand().create_parser("manage.py", "x")._option_string_actions)
    command = load_command_class("django_airalo", name)
    parser = command.create_parser("manage.py", name)
    own = {}
    for action in parser._actions:
        for option in action.option_strings:
            if option not in usual:
                value = parser._get_formatter()._format_args(action, action.dest.upper()) if action.nargs != 0 else ""
                own[option] = f"{option} {value}".strip()
    return own


def test_the_commands_page_has_each_command_and_no_other():
    assert sorted(headings(read("reference/commands.md"), 2)) == COMMANDS
    assert COMMANDS
    assert all(name.startswith("airalo_") for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_the_documented_options(name):
    documented = [ticked(row[0])[0] for row in rows(section(read("reference/commands.md"), f"## {name}"))]
    assert sorted(documented) == sorted(options_of(name).values())


# Public names


@pytest.mark.parametrize("name", services.__all__)
def test_a_service_is_documented(name):
    text = read("reference/services.md")
    assert f".. autofunction:: django_airalo.services.{name}\n" in text
    named = [called for row in rows(text[: text.index("## ")]) for called in ticked(row[0])] + [
        called for row in rows(text) for called in ticked(row[0])
    ]
    assert name in named
    assert inspect.getdoc(getattr(services, name))


def test_the_services_page_documents_nothing_that_is_not_public():
    shown = re.findall(r"autofunction:: django_airalo\.services\.(\w+)$", read("reference/services.md"), re.MULTILINE)
    assert sorted(shown) == sorted(services.__all__)


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
    record = services.submission._record_failure
    monkeypatch.setattr(
        services.submission, "_record_failure", lambda order, error: (raised.append(error), record(order, error))
    )
    airalo.answer(status, {"code": code, "reason": "For some reason."} if code else {})
    with django_capture_on_commit_callbacks(execute=True):
        order = services.place_order(package_id="test-mobile-7days-1gb")
    order.refresh_from_db()
    assert [type(error).__name__ for error in raised] == [name]
    assert order.status == expected
    assert order.look_up_first == (name == "AiraloServiceUnavailableError")


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
