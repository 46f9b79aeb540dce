"""Deliberate faults beside the road of an order: catalogue, prices, usage, refunds, vouchers."""

from __future__ import annotations

from .mutant import Mutant

OTHER_MUTANTS = [
    Mutant(
        "sell below Airalo's minimum",
        "money.py",
        "round_up(max(base + markup, minimum), currency, rounding, step)",
        "round_up(base + markup, currency, rounding, step)",
        ("tests/catalogue/test_money.py", "tests/catalogue/test_pricing.py"),
    ),
    Mutant(
        "convert a price that Airalo gives in the currency",
        "services/catalogue/prices.py",
        "if given is not None or self._rate is None or in_dollars is None:",
        "if self._rate is None or in_dollars is None:",
        ("tests/catalogue/test_pricing.py",),
    ),
    Mutant(
        "withdraw half of the catalogue",
        "services/catalogue/packages.py",
        "        if lost > on_sale / 2:",
        "        if False:",
        ("tests/catalogue/test_sync_guards.py", "tests/catalogue"),
    ),
    Mutant(
        "take a catalogue that lacks pages for whole",
        "services/catalogue/packages.py",
        "if not page.has_next and page.total is not None and seen < page.total:",
        "if False:",
        ("tests/catalogue/test_sync_guards.py", "tests/catalogue"),
    ),
    Mutant(
        "let a sync write that has lost its lease",
        "services/catalogue/sync_runs.py",
        "    if not SyncRun.primary.hold(run, SyncRun.RUNNING_LEASE, until=database.db_now() + LEASE):",
        "    if False:",
        ("tests/catalogue/test_sync_guards.py", "tests/catalogue"),
    ),
    Mutant(
        "ask for usage that another process is asking for",
        "models/esims.py",
        'USAGE_LEASE: ClassVar[Lease] = Lease("usage_due_at", fence=("usage_due_at",))',
        'USAGE_LEASE: ClassVar[Lease] = Lease("usage_due_at", fence=())',
        ("tests/esims/test_usage.py", "tests/esims/test_esims.py"),
    ),
    Mutant(
        "ask for the usage of a recycled eSIM for ever",
        "services/esims/usage_schedule.py",
        "    if esim.usage_status == UsageStatus.RECYCLED:\n        return None\n",
        "",
        ("tests/esims/test_usage.py",),
    ),
    Mutant(
        "ask for two refunds of one eSIM",
        "models/refunds.py",
        "OPEN = (Status.PENDING, Status.SENDING, Status.REQUESTED, Status.UNCONFIRMED, Status.APPROVED)",
        "OPEN = (Status.PENDING, Status.SENDING)",
        ("tests/refunds/test_refunds.py",),
    ),
    Mutant(
        "send a refund or voucher again when nobody knows the outcome",
        "services/orders/outbound.py",
        "            _settle_request(row, UNCONFIRMED, error=reason)",
        "            _put_request_back(row, reason, None)",
        ("tests/vouchers/test_vouchers.py", "tests/refunds/test_refunds.py"),
    ),
    Mutant(
        "send a refund or voucher whose lease is about to run out",
        "services/orders/outbound.py",
        "    if not _in_status(row, SENDING).is_held(row, row.SENDING_LEASE, until=database.db_now() + needed):",
        "    if False:",
        ("tests/vouchers/test_vouchers.py", "tests/refunds/test_refunds.py"),
    ),
    Mutant(
        "lose the codes of a voucher that came after it was sent again",
        "services/orders/outbound.py",
        "    kept |= _joined_secrets(current, fields)\n",
        "",
        ("tests/vouchers/test_vouchers.py",),
    ),
]
