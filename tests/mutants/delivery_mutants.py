"""Deliberate faults in keeping what Airalo delivers: eSIMs, their codes, prices and costs."""

from __future__ import annotations

from .mutant import Mutant

DELIVERY_MUTANTS = [
    Mutant(
        "overwrite what is known of an eSIM with a blank",
        "services/esims/record.py",
        'if value not in (None, "") and _lacks(row, name)',
        "if value != getattr(row, name)",
        (
            "tests/esims/test_later_news.py",
            "tests/esims/test_mutated_answers.py",
        ),
    ),
    Mutant(
        "overwrite codes with the blanks of the eSIM's own endpoint",
        "services/esims/details.py",
        "if value and value != kept.get(name)",
        "if value != kept.get(name)",
        (
            "tests/esims/test_details.py",
            "tests/esims/test_mutated_answers.py",
        ),
    ),
    Mutant(
        "let a later list replace the APN",
        "services/esims/record.py",
        "{**sim.apn, **row.apn}",
        "{**row.apn, **sim.apn}",
        (
            "tests/esims/test_later_news.py",
            "tests/esims/test_mutated_answers.py",
        ),
    ),
    Mutant(
        "replace a code by another one that nobody has confirmed",
        "services/esims/record.py",
        "        known.other_code = found.activation_code\n",
        "        known.put(activation_code=found.activation_code, code_key=code_key)\n",
        ("tests/esims/test_later_news.py",),
    ),
    Mutant(
        "replace a code by an answer older than the last",
        "services/esims/details.py",
        "_replace(known, sim, found, code_key) if is_newer else None",
        "_replace(known, sim, found, code_key)",
        ("tests/esims/test_details.py",),
    ),
    Mutant(
        "throw the replaced code away",
        "services/esims/details.py",
        '    secret = json.dumps({esim.pk: old}) if old else ""',
        '    secret = ""',
        (
            "tests/esims/test_later_news.py",
            "tests/esims/test_details.py",
        ),
    ),
    Mutant(
        "keep the eSIM of a stranger's ICCID as one's own",
        "services/esims/details.py",
        "    if not is_same(known.row, sim, code_key):",
        "    if False:",
        ("tests/esims/test_details.py",),
    ),
    Mutant(
        "flag no other order that has the eSIM of a delivery",
        "services/esims/record.py",
        "        delivery.flaws += flag_others(order, names, now=now, source=source)",
        "        pass",
        ("tests/esims/test_shared_esims.py",),
    ),
    Mutant(
        "flag no order that has the eSIM of a delivery at the same moment",
        "services/orders/signals.py",
        "        _flag_shared_esims(order, source=event.source)",
        "        pass",
        ("tests/esims/test_shared_esims.py",),
    ),
    Mutant(
        "flag a shared eSIM again after somebody took the flag down",
        "services/esims/identity.py",
        "    if not events.filter(detail=reason).exists():",
        "    if True:",
        ("tests/esims/test_shared_esims.py",),
    ),
    Mutant(
        "end the look-ups of an order of which eSIMs are missing",
        "services/orders/record.py",
        "        due_at=next_follow_up(order, esims, now),",
        "        due_at=None,",
        (
            "tests/orders/test_part_deliveries.py",
            "tests/orders/test_deliveries.py",
        ),
    ),
    Mutant(
        "tell nobody of eSIMs that come later",
        "services/esims/completed_orders.py",
        "    if added or changed:",
        "    if False:",
        ("tests/esims/test_later_news.py",),
    ),
    Mutant(
        "round a price up for the noise of binary fractions",
        "client/payloads/values.py",
        '    return Decimal(f"{number.quantize(_PRICE_PLACES).normalize():f}")',
        "    return number",
        ("tests/client/test_payloads.py", "tests/catalogue/test_pricing.py"),
    ),
    Mutant(
        "round a price to the nearest",
        "money.py",
        "    return amount.quantize(unit, ROUND_CEILING)",
        "    return amount.quantize(unit)",
        ("tests/catalogue/test_money.py",),
    ),
]
