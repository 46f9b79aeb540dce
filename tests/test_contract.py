"""Holds the reference and the code together: what one says, the other must do."""

from __future__ import annotations

import ast
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
from django.dispatch import Signal
from django.test import override_settings

from django_airalo import services, signals, testing
from django_airalo.checks import check_settings
from django_airalo.conf import DEFAULT_RATE_LIMITS, NAMES, Constants, Settings, conf
from django_airalo.models import EsimOrder, EsimPackage, Refund, UsageStatus, Voucher, WebhookEvent
from django_airalo.services import operations
from django_airalo.services.core.transitions import TRANSITIONS
from django_airalo.services.esims.usage import record_usage
from django_airalo.services.refunds import resolve as refund_decisions
from django_airalo.services.vouchers import resolve as voucher_decisions

from .pages import (
    CHECKS,
    PACKAGE,
    PAGES,
    check_sites,
    checks_source,
    headings,
    python_blocks,
    read,
    rows,
    section,
    ticked,
)


@contextmanager
def bare_settings(**values):
    """The shop has set no AIRALO_ setting but these."""
    with override_settings(**values):
        for name in dir(settings):
            if name.startswith("AIRALO_") and name not in values:
                delattr(settings, name)
        yield


# Settings


SETTING_NAMES = list(NAMES)
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
        assert f"{conf.usage_interval:.0f} with `AIRALO_SANDBOX`" in text
    assert "means the client secret" in section(text, "### AIRALO_WEBHOOK_SECRETS")
    with bare_settings(AIRALO_CLIENT_SECRET="s"):
        assert conf.WEBHOOK_SECRETS == ("s",)


def test_there_are_few_settings_each_with_a_reason():
    table = rows(section(read("reference/settings.md"), "## All settings"))
    assert [ticked(name)[0].removeprefix("AIRALO_") for name, _ in table] == [
        heading.removeprefix("AIRALO_") for heading in headings(read("reference/settings.md"), 3)
    ]
    assert all(len(reason.split()) > 3 for _, reason in table)
    assert len(SETTING_NAMES) <= 30


def test_the_settings_page_says_what_is_no_setting():
    constants, derived = section(read("reference/settings.md"), "## What is no setting").split("And it derives:")
    documented = {ticked(name)[0]: [float(number) for number in value.split(",")] for name, value, _ in rows(constants)}
    found = {name: value for name, value in vars(Constants).items() if name.isupper()}
    assert documented == {
        name: [float(number) for number in value] if isinstance(value, tuple) else [float(value)]
        for name, value in found.items()
    }
    with bare_settings():
        for name, value, _ in rows(derived):
            assert getattr(conf, ticked(name)[0]) == float(value), name


def test_the_limits_of_the_settings_page_are_those_of_the_code():
    text = section(read("reference/settings.md"), "### AIRALO_RATE_LIMITS")
    assert [ticked(row[0])[0] for row in rows(text)] == list(DEFAULT_RATE_LIMITS)


def test_only_documented_settings_are_mentioned_anywhere():
    for page in PAGES:
        mentioned = set(re.findall(r"\bAIRALO_([A-Z][A-Z_]*[A-Z])\b", page.read_text())) - {"PORT"}  # a make variable
        assert mentioned <= set(SETTING_NAMES), page


def test_only_conf_reads_the_settings():
    for module in PACKAGE.rglob("*.py"):
        if module.name not in ("conf.py", *CHECKS) and "emulator" not in module.parts:
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
    comment = re.search(rf"((?:^#:.*\n)+){name}: Signal = Signal\(\)", source, re.MULTILINE)
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
        delivered = services.place_order(package_id="test-mobile-7days-1gb", quantity=2)
    sims = [testing.sim_payload(), testing.sim_payload()]
    airalo.deliver(delivered, id=1, sims=sims[:1])
    airalo.deliver(delivered, id=1, sims=sims)
    esim = delivered.esims.first()
    airalo.push(testing.low_data_payload(esim.iccid))
    with commit():
        record_usage(esim, "active", {}, source="look-up")
    with commit(), override_settings(AIRALO_LOW_BALANCE=2000):
        services.sync_balance()
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
        operations.resume_submission(resumed_by="a test")
    refund = Refund.objects.create(reason="NO_COVERAGE", status="requested")
    voucher = Voucher.objects.create(kind="esim", status="unconfirmed")
    with commit():
        operations.resolve_refund(refund, approved=True)
        operations.cancel_voucher(voucher)
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
    numbers = set(re.findall(r"\b[EW]\d{3}\b", checks_source()))
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
    tree = ast.parse(checks_source())
    functions = {node.name: ast.unparse(node) for node in tree.body if isinstance(node, ast.FunctionDef)}
    called = re.findall(r"\b(?:_|check_)\w+(?=\()", functions["check_deployment"].partition(":")[2])
    source = functions["check_deployment"] + "".join(functions[name] for name in called if name != "_check_types")
    assert documented == {f"django_airalo.{number}" for number in re.findall(r"\b[EW]\d{3}\b", source)}


def test_the_check_of_every_start_looks_at_each_setting():
    for name in SETTING_NAMES:
        with bare_settings(**{"AIRALO_CLIENT_ID": "x", "AIRALO_CLIENT_SECRET": "x", f"AIRALO_{name}": object()}):
            assert check_settings(), name


# Statuses


def test_the_statuses_page_says_what_each_status_means():
    text = read("reference/statuses.md")
    explained = [ticked(row[0])[0] for row in rows(section(text, "### What each means"))]
    assert sorted(explained) == sorted(EsimOrder.Status.values)
    esims = [ticked(row[0])[0] for row in rows(section(text, "## Of an eSIM"))]
    assert sorted(esims) == sorted(UsageStatus.values)
    assert set(esims) - set(EsimPackage.Status.values) == {"recycled"}
    for heading, model in (("a webhook event", WebhookEvent), ("a refund", Refund), ("a voucher", Voucher)):
        documented = [ticked(row[0])[0] for row in rows(section(text, f"## Of {heading}"))]
        assert sorted(documented) == sorted(model.Status.values)


DECISIONS = (*refund_decisions.DECISIONS, *voucher_decisions.DECISIONS)


@pytest.mark.parametrize("service", sorted({decision.service for decision in DECISIONS}))
def test_decision_documents_the_statuses_that_the_code_has(service):
    text = " ".join((inspect.getdoc(getattr(operations, service)) or "").split("Args:")[0].split())
    decisions = [decision for decision in DECISIONS if decision.service == service]
    statuses = {str(status) for decision in decisions for status in (*decision.possible_from, decision.status)}
    assert set(re.findall(r"``([a-z]+)``", text)) == statuses


def test_the_documented_transitions_are_those_of_the_code():
    table = rows(section(read("reference/statuses.md"), "### Which may follow which"))
    documented = {ticked(old)[0]: set(ticked(new)) for old, new in table}
    assert len(documented) == len(table)
    assert documented == {str(old.value): {str(new.value) for new in TRANSITIONS[old]} for old in EsimOrder.Status}


def test_the_state_diagram_shows_every_status_and_only_transitions_of_the_code():
    picture = read("images/order-states.svg")
    assert "](../images/order-states.svg)" in read("reference/statuses.md")
    assert set(re.findall(r'class="state"[^>]*>(\w+)<', picture)) == set(EsimOrder.Status.names)
    drawn = re.findall(r'data-from="(\w+)" data-to="(\w+)"', picture)
    assert len(drawn) == len(set(drawn)) > len(EsimOrder.Status)
    for old, new in drawn:
        assert EsimOrder.Status(new) in TRANSITIONS[EsimOrder.Status(old)], (old, new)


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
