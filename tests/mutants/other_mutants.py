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
        "models/pricing.py",
        "if given is not None or self._rate is None or in_dollars is None:",
        "if self._rate is None or in_dollars is None:",
        ("tests/catalogue/test_pricing.py",),
    ),
    Mutant(
        "withdraw half of the catalogue",
        "services/catalogue.py",
        "        if lost > on_sale / 2:",
        "        if False:",
        ("tests/services/test_catalogue.py", "tests/catalogue"),
    ),
    Mutant(
        "take a catalogue that lacks pages for whole",
        "services/catalogue.py",
        "if page.total is not None and seen < page.total:",
        "if False:",
        ("tests/services/test_catalogue.py", "tests/catalogue"),
    ),
    Mutant(
        "let a sync write that has lost its lease",
        "services/syncs.py",
        "    if not mine.update(lease_until=database.now() + LEASE):",
        "    if False:",
        ("tests/services/test_catalogue.py", "tests/catalogue"),
    ),
    Mutant(
        "ask for usage that another process is asking for",
        "services/esims.py",
        "    if not Esim.objects.filter(pk=esim.pk, usage_due_at=esim.usage_due_at).update(usage_due_at=claimed):",
        "    if not Esim.objects.filter(pk=esim.pk).update(usage_due_at=claimed):",
        ("tests/services/test_usage.py", "tests/services/test_esims.py"),
    ),
    Mutant(
        "ask for the usage of a recycled eSIM for ever",
        "services/usage_schedule.py",
        "    if esim.usage_status == UsageStatus.RECYCLED:\n        return None\n",
        "",
        ("tests/services/test_usage.py",),
    ),
    Mutant(
        "ask for two refunds of one eSIM",
        "models/refunds.py",
        "OPEN = (Status.PENDING, Status.SENDING, Status.REQUESTED, Status.UNCONFIRMED, Status.APPROVED)",
        "OPEN = (Status.PENDING, Status.SENDING)",
        ("tests/services/test_refunds.py",),
    ),
    Mutant(
        "send a refund or voucher again when nobody knows the outcome",
        "services/outgoing.py",
        "            _settle(row, UNCONFIRMED, error=reason)",
        "            _put_back(row, reason, None)",
        ("tests/services/test_vouchers.py", "tests/services/test_refunds.py"),
    ),
    Mutant(
        "send a refund or voucher whose lease is about to run out",
        "services/outgoing.py",
        "    if not _mine(row).filter(due_at__gt=database.now() + needed).exists():",
        "    if False:",
        ("tests/services/test_vouchers.py", "tests/services/test_refunds.py"),
    ),
    Mutant(
        "lose the codes of a voucher that came after it was sent again",
        "services/outgoing.py",
        "    kept |= _joined_secrets(current, fields)\n",
        "",
        ("tests/services/test_vouchers.py",),
    ),
]
