"""Deliberate faults in our own code. Each must be caught by the suite; ``make mutants`` shows that it is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """In ``file`` (inside the package), ``old``, which must occur exactly once, becomes ``new``."""

    name: str
    file: str
    old: str
    new: str


MUTANTS = [
    Mutant(
        "drop the lease check before sending",
        "services/submission.py",
        "    if not _holds_lease(order):",
        "    if False:",
    ),
    Mutant(
        "drop the fencing number",
        "services/transitions.py",
        "filter(pk=order.pk, status=old_status, attempt=order.attempt)",
        "filter(pk=order.pk, status=old_status)",
    ),
    Mutant(
        "claim an order that is not pending any more",
        "services/submission.py",
        "EsimOrder.objects.filter(pk=order_pk, status=Status.PENDING, due_at__lte=now)",
        "EsimOrder.objects.filter(pk=order_pk, due_at__lte=now)",
    ),
    Mutant(
        "claim inside the caller's transaction",
        "services/submission.py",
        "@database.in_transaction(durable=True)\ndef _claim(",
        "@database.in_transaction()\ndef _claim(",
    ),
    Mutant(
        "submit again when the lease runs out",
        "services/recovery.py",
        'change_status(order, Status.UNCONFIRMED, now=now, source="sweep"',
        'change_status(order, Status.PENDING, now=now, source="sweep"',
    ),
    Mutant(
        "take an unknown outcome for a refusal",
        "services/submission.py",
        "_finish(order, Status.UNCONFIRMED, error, due_in=conf.LOOKUP_DELAYS[0])",
        "_finish(order, Status.FAILED, error)",
    ),
    Mutant(
        "believe a 503 without looking",
        "services/submission.py",
        "wait=error.retry_after, look_up_first=True)",
        "wait=error.retry_after)",
    ),
    Mutant(
        "send a POST again on a time-out",
        "client/transport.py",
        'allowed_methods=frozenset({"GET", "HEAD"})',
        "allowed_methods=None",
    ),
    Mutant(
        "take a read time-out for nothing sent",
        "client/transport.py",
        "isinstance(cause, NewConnectionError | ConnectTimeoutError | ssl.SSLCertVerificationError)",
        "isinstance(cause, NewConnectionError | ConnectTimeoutError | requests.Timeout)",
    ),
    Mutant(
        "trust LIKE without comparing exactly",
        "services/lookups.py",
        "[found for found in page.items if reference_in(found.description) == order.reference]",
        "list(page.items)",
    ),
    Mutant(
        "compare signatures on parsed JSON only",
        "client/signature.py",
        '    yield "raw", body\n',
        "",
    ),
    Mutant(
        "take a webhook without signature",
        "client/signature.py",
        "    if not _HEX.fullmatch(signature):\n        return None",
        '    if not signature:\n        return "raw"',
    ),
    Mutant(
        "dedupe on seen, not on processed",
        "services/inbox.py",
        "        if event.due_at is not None:\n",
        "        if event.due_at is not None and event.deliveries == 1:\n",
    ),
    Mutant(
        "answer a webhook with 204",
        "webhooks.py",
        "            return HttpResponse(status=503)\n        return HttpResponse()",
        "            return HttpResponse(status=503)\n        return HttpResponse(status=204)",
    ),
    Mutant(
        "signal before the commit",
        "services/signalling.py",
        "    transaction.on_commit(lambda: send_signals(order.pk), using=database.alias(), robust=True)",
        "    send_signals(order.pk)",
    ),
    Mutant(
        "never signal again after a receiver raised",
        "services/signalling.py",
        '        claimed.update(signal_error="\\n".join(failures))',
        '        claimed.update(signal_error="\\n".join(failures), signal_due_at=None)',
    ),
    Mutant(
        "let a failure overrule a delivered eSIM",
        "services/transitions.py",
        "    Status.COMPLETED: frozenset(),",
        "    Status.COMPLETED: frozenset({Status.FAILED}),",
    ),
    Mutant(
        "drop a success that comes after a failure",
        "services/fulfilment.py",
        "    if order.status != Status.COMPLETED and order.esims.exists():",
        "    if not order.is_final and order.esims.exists():",
    ),
    Mutant(
        "return another order for a known idempotency_key",
        "services/ordering.py",
        "    if different:\n        raise IdempotencyConflictError(",
        "    if False:\n        raise IdempotencyConflictError(",
    ),
    Mutant(
        "return ciphertext on a wrong key",
        "models/fields.py",
        "    except (InvalidToken, ValueError) as error:  # ValueError: it is not even ASCII\n",
        "    except (InvalidToken, ValueError) as error:\n        return stored\n",
    ),
    Mutant(
        "go on sending without credit",
        "services/submission.py",
        "    if account.active_pause():\n        return None\n",
        "",
    ),
    Mutant(
        "use the worker's clock for leases",
        "services/database.py",
        "        cursor.execute(_NOW[connection.vendor])\n        (moment,) = cursor.fetchone()",
        "        moment = datetime.now(UTC)",
    ),
]
