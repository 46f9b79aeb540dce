"""Deliberate faults in what keeps an order from being sent: pauses, databases in doubt, other deployments, refusals."""

from __future__ import annotations

from .mutant import Mutant

BREAKER = ("tests/account/test_breaker.py", "tests/account/test_breaker_opens.py")
CONCURRENCY = ("tests/core/test_concurrency.py",)
NEWEST = ("tests/core/test_restore_check.py",)
UNDER_200 = ("tests/client/test_refusals_under_200.py",)

SENDING_MUTANTS = [
    Mutant(
        "pause only after a fourth purchase of unknown outcome",
        "services/account/breaker.py",
        "MOST_UNKNOWN, WINDOW = 3,",
        "MOST_UNKNOWN, WINDOW = 4,",
        BREAKER,
    ),
    Mutant(
        "pause after the second purchase of unknown outcome",
        "services/account/breaker.py",
        "    if len(unknown.at) < MOST_UNKNOWN or",
        "    if len(unknown.at) < MOST_UNKNOWN - 1 or",
        BREAKER,
    ),
    Mutant(
        "count unknown outcomes however long ago they were",
        "services/account/breaker.py",
        " if now - (moment := datetime.fromisoformat(text)) <= WINDOW]",
        " if (moment := datetime.fromisoformat(text))]",
        BREAKER,
    ),
    Mutant(
        "count unknown outcomes on after a success",
        "services/account/breaker.py",
        "        elif self._is_first_success:\n            _row().update(at=[])",
        "        elif self._is_first_success:\n            pass",
        BREAKER,
    ),
    Mutant(
        "go on pausing after Airalo has taken an order",
        "services/account/breaker.py",
        '            pauses.resume_submission(resumed_by="Airalo takes orders again", kind=Kind.UNKNOWN_OUTCOMES)\n',
        "",
        BREAKER,
    ),
    Mutant(
        "let two processes have the turn to see whether Airalo answers",
        "models/account.py",
        'PROBE_LEASE: ClassVar[Lease] = Lease("due_at", fence=("due_at",))',
        'PROBE_LEASE: ClassVar[Lease] = Lease("due_at", fence=())',
        (*CONCURRENCY, "tests/core/test_leases.py"),
    ),
    Mutant(
        "take a turn that does not last as long as a purchase",
        "services/account/breaker.py",
        "until = now + timedelta(seconds=2 * conf.submit_lease)",
        "until = now",
        BREAKER,
    ),
    Mutant(
        "send an order during a pause without asking a question first",
        "services/account/breaker.py",
        '            balance.sync_balance(source="probe")',
        "            pass",
        BREAKER,
    ),
    Mutant(
        "try again as soon as before after a turn without an answer",
        "services/account/breaker.py",
        "(turn.probes + 1, _probe_wait(turn.probes + 1))",
        "(turn.probes + 1, _probe_wait(0))",
        BREAKER,
    ),
    Mutant(
        "send what another deployment has placed",
        "services/orders/submit.py",
        "status=Status.PENDING, due_at__lte=now, deployment=moment.stamp)",
        "status=Status.PENDING, due_at__lte=now)",
        ("tests/core/test_deployment.py",),
    ),
    Mutant(
        "send a refund or voucher that another deployment has placed",
        "services/orders/outbound.py",
        "pk=pk, status=PENDING, due_at__lte=now, deployment=moment.stamp)",
        "pk=pk, status=PENDING, due_at__lte=now)",
        ("tests/core/test_deployment.py",),
    ),
    Mutant(
        "send an order from a database that may be old",
        "services/orders/submit.py",
        "    if not restore_check.is_newest(moment):",
        "    if False:",
        NEWEST,
    ),
    Mutant(
        "send a refund or voucher from a database that may be old",
        "services/orders/outbound.py",
        "    if not restore_check.is_newest(moment):",
        "    if False:",
        NEWEST,
    ),
    Mutant(
        "send an order that has waited for long without a look-up",
        "services/orders/submit.py",
        "looks_up=order.look_up_first or restore_check.is_old(order, moment)",
        "looks_up=order.look_up_first",
        ("tests/orders/test_long_waits.py",),
    ),
    Mutant(
        "buy what Airalo lists under the reference of a lost row",
        "services/orders/submit.py",
        "    if order.listed_package is not None:",
        "    if False:",
        ("tests/orders/test_lost_purchases.py",),
    ),
    Mutant(
        "believe a list of future orders that changed while it was read",
        "services/orders/matching.py",
        "        if len(totals) == 1:",
        "        if totals:",
        NEWEST,
    ),
    Mutant(
        "submit again although a listed future order may be this one",
        "services/orders/lookup.py",
        "not (is_known or findings.may_be_hidden)",
        "not is_known",
        ("tests/orders/test_hidden_future_orders.py",),
    ),
    Mutant(
        "believe that a list without descriptions hides no order",
        "services/orders/future.py",
        "        return bool(self._unnamed - set(known.values_list",
        "        return False and bool(self._unnamed - set(known.values_list",
        ("tests/orders/test_sync_order.py",),
    ),
    Mutant(
        "let a reference change with each call of the shop",
        "services/core/deployment.py",
        "        if idempotency_key is None:",
        "        if True:",
        ("tests/core/test_deployment.py",),
    ),
    Mutant(
        "look up at Airalo what was refused when it was placed",
        "services/orders/lookup.py",
        "    if order.is_refused_at_placing:",
        "    if False:",
        ("tests/orders/test_recorded_refusals.py",),
    ),
    Mutant(
        "give an order up because of a page of a proxy",
        "services/orders/submit.py",
        "    if isinstance(error, AiraloProxyError) and order.attempt < MOST_PROXY_TRIES:",
        "    if isinstance(error, AiraloProxyError):\n        _finish(order, Status.FAILED, error)\n    elif False:",
        ("tests/orders/test_submit_order.py", "tests/orders/test_look_up_first.py"),
    ),
    Mutant(
        "send again after a page of a proxy without a look-up",
        "services/orders/submit.py",
        "wait=wait, look_up_first=True)",
        "wait=wait)",
        ("tests/orders/test_submit_order.py", "tests/orders/test_look_up_first.py"),
    ),
    Mutant(
        "take a refusal under 200 for a success",
        "client/endpoints/base.py",
        "    if refusal := refusal_in(document, changes=changes):",
        "    if refusal := None:",
        UNDER_200,
    ),
    Mutant(
        "take messages for fields under 200 for a success",
        "client/endpoints/base.py",
        "        if key not in as_mapping(unwrap(document)):",
        "        if not document:",
        UNDER_200,
    ),
    Mutant(
        "take a refused purchase under 200 for one of unknown outcome",
        "client/endpoints/base.py",
        "            self._refuse_purchase(document)\n",
        "",
        UNDER_200,
    ),
]
