"""Deliberate faults in our own code. Each must be caught by the suite; ``make mutants`` shows that it is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """In ``file`` (inside the package), ``old``, which must occur exactly once, becomes ``new``.

    ``first`` are the tests that should catch it: they are run first, to save time. If they do not, all others are.
    """

    name: str
    file: str
    old: str
    new: str
    first: tuple[str, ...]


MUTANTS = [
    Mutant(
        "drop the lease check before sending",
        "services/submission.py",
        "    if not _holds_lease(order):",
        "    if False:",
        ("tests/services/test_submit_order.py",),
    ),
    Mutant(
        "drop the fencing number",
        "services/transitions.py",
        "filter(pk=order.pk, status=old_status, attempt=order.attempt)",
        "filter(pk=order.pk, status=old_status)",
        (
            "tests/services/test_transitions.py",
            "tests/services/test_late_answers.py",
        ),
    ),
    Mutant(
        "claim an order that is not pending any more",
        "services/submission.py",
        "EsimOrder.objects.filter(pk=order_pk, status=Status.PENDING, due_at__lte=now)",
        "EsimOrder.objects.filter(pk=order_pk, due_at__lte=now)",
        ("tests/services/test_submit_order.py",),
    ),
    Mutant(
        "claim inside the caller's transaction",
        "services/submission.py",
        "@database.in_transaction(durable=True)\ndef _claim(",
        "@database.in_transaction()\ndef _claim(",
        ("tests/services/test_submit_order.py",),
    ),
    Mutant(
        "submit again when the lease runs out",
        "services/recovery.py",
        'change_status(copy(order), Status.UNCONFIRMED, now=now, source="sweep"',
        'change_status(copy(order), Status.PENDING, now=now, source="sweep"',
        ("tests/services/test_sweep.py",),
    ),
    Mutant(
        "take an unknown outcome for a refusal",
        "services/submission.py",
        "_finish(order, Status.UNCONFIRMED, error, due_in=conf.LOOKUP_DELAYS[0])",
        "_finish(order, Status.FAILED, error)",
        ("tests/services/test_submit_order.py",),
    ),
    Mutant(
        "believe a 503 without looking",
        "services/submission.py",
        "wait=wait, look_up_first=True)",
        "wait=wait)",
        ("tests/services/test_submit_order.py",),
    ),
    Mutant(
        "believe a 503 as soon as Airalo says",
        "services/submission.py",
        "wait = max(error.retry_after or 0, conf.UNAVAILABLE_WAIT)",
        "wait = error.retry_after",
        ("tests/services/test_submit_order.py",),
    ),
    Mutant(
        "take a list that was not read to its end for complete",
        "services/lookups.py",
        "    elif not found.is_complete:",
        "    elif False:",
        ("tests/services/test_future_orders.py",),
    ),
    Mutant(
        "take the failure that the caller handles for our own",
        "client/transport.py",
        "{id(handled)}",
        "set()",
        ("tests/client/test_sending.py",),
    ),
    Mutant(
        "let one kind of look-up always come first",
        "services/recovery.py",
        "random.sample(look_ups, len(look_ups))",
        "look_ups",
        ("tests/services/test_many_look_ups.py",),
    ),
    Mutant(
        "send a POST again on a time-out",
        "client/transport.py",
        'allowed_methods=frozenset({"GET", "HEAD"})',
        "allowed_methods=None",
        ("tests/client/test_sending.py",),
    ),
    Mutant(
        "take a read time-out for nothing sent",
        "client/transport.py",
        "isinstance(cause, NewConnectionError | ConnectTimeoutError | ssl.SSLCertVerificationError)",
        "isinstance(cause, NewConnectionError | ConnectTimeoutError | requests.Timeout)",
        ("tests/client/test_sending.py",),
    ),
    Mutant(
        "trust LIKE without comparing exactly",
        "services/lookups.py",
        "[found for found in page.items if reference_in(found.description) == order.reference]",
        "list(page.items)",
        ("tests/services/test_sync_order.py",),
    ),
    Mutant(
        "compare signatures on parsed JSON only",
        "client/signature.py",
        '    yield "raw", body\n',
        "",
        ("tests/client/test_signature.py",),
    ),
    Mutant(
        "take a webhook without signature",
        "client/signature.py",
        "    if not _HEX.fullmatch(signature):\n        return None",
        '    if not signature:\n        return "raw"',
        ("tests/client/test_signature.py",),
    ),
    Mutant(
        "dedupe on seen, not on processed",
        "services/inbox.py",
        "    if event.due_at is not None:\n        nudges",
        "    if event.due_at is not None and event.deliveries == 1:\n        nudges",
        ("tests/webhooks/test_inbox.py",),
    ),
    Mutant(
        "answer a webhook with 204",
        "webhooks.py",
        "            return HttpResponse(status=503)\n        return HttpResponse()",
        "            return HttpResponse(status=503)\n        return HttpResponse(status=204)",
        ("tests/webhooks/test_door.py",),
    ),
    Mutant(
        "signal before the commit",
        "services/signalling.py",
        "    transaction.on_commit(lambda: send_signals(order.pk), using=database.alias(), robust=True)",
        "    send_signals(order.pk)",
        ("tests/services/test_signalling.py",),
    ),
    Mutant(
        "never signal again after a receiver raised",
        "services/signalling.py",
        '        claimed.update(signal_error="\\n".join(failures))',
        '        claimed.update(signal_error="\\n".join(failures), signal_due_at=None)',
        ("tests/services/test_signalling.py",),
    ),
    Mutant(
        "let a failure overrule a delivered eSIM",
        "services/transitions.py",
        "    Status.COMPLETED: frozenset(),",
        "    Status.COMPLETED: frozenset({Status.FAILED}),",
        (
            "tests/services/test_transitions.py",
            "tests/webhooks/test_orders.py",
        ),
    ),
    Mutant(
        "drop a success that comes after a failure",
        "services/fulfilment.py",
        "    if order.status != Status.COMPLETED and (",
        "    if not order.is_final and (",
        ("tests/webhooks/test_orders.py",),
    ),
    Mutant(
        "return another order for a known idempotency_key",
        "services/placing.py",
        "        if different:\n            names",
        "        if False:\n            names",
        ("tests/services/test_place_order.py",),
    ),
    Mutant(
        "return ciphertext on a wrong key",
        "models/fields.py",
        "    except (InvalidToken, ValueError) as error:  # ValueError: it is not even ASCII\n",
        "    except (InvalidToken, ValueError) as error:\n        return stored\n",
        ("tests/models/test_encryption.py",),
    ),
    Mutant(
        "go on sending without credit",
        "services/submission.py",
        "    if account.active_pause():\n        return None\n",
        "",
        (
            "tests/services/test_submit_order.py",
            "tests/services/test_sweep.py",
        ),
    ),
    Mutant(
        "use the worker's clock for leases",
        "services/database.py",
        "        cursor.execute(_NOW[connection.vendor])\n        (moment,) = cursor.fetchone()",
        "        moment = datetime.now(UTC)",
        (
            "tests/services/test_queries.py",
            "tests/services/test_submit_order.py",
        ),
    ),
    Mutant(
        "leave a deadlock to the caller",
        "services/database.py",
        "if is_nested or wait is None or",
        "if True or wait is None or",
        ("tests/services/test_concurrency.py",),
    ),
    Mutant(
        "try what is no conflict again",
        "services/database.py",
        " or not is_conflict(error):",
        ":",
        ("tests/services/test_concurrency.py",),
    ),
    Mutant(
        "change what a rolled back transaction has changed",
        "services/submission.py",
        "    order = copy(order)  # as in_transaction says\n    now = database.now()\n    fields",
        "    now = database.now()\n    fields",
        ("tests/services/test_concurrency.py",),
    ),
]
