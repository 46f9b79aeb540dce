"""The signals that a shop connects its receivers to.

All of them are delivered in the same way. A signal is sent after the change was committed. ``send_robust`` sends it, so
a receiver that raises does not stop the others. It is delivered *at least once*: if a receiver raised, or the process
died before the delivery was recorded, it is sent to all receivers again, with the same ``event_id``. So receivers must
be idempotent. The signal of a refund or voucher carries the newest status; one that is outdated before it was delivered
is not sent.

Receivers take ``**kwargs``, since arguments may be added.
"""

from __future__ import annotations

from django.dispatch import Signal

#: *Sent when* an order's status changed, whatever the change.
#: *Sender*: :class:`~django_airalo.models.EsimOrder`.
#: *Arguments*: ``order`` (EsimOrder), ``old_status`` (str), ``new_status`` (str), ``event_id`` (uuid.UUID).
esim_order_status_changed: Signal = Signal()

#: *Sent when* Airalo has accepted the order; the eSIM is on its way. Not sent for an order whose eSIM arrived
#: before the acceptance could be stored: then only ``esim_order_completed`` is sent.
#: *Sender*: :class:`~django_airalo.models.EsimOrder`.
#: *Arguments*: ``order`` (EsimOrder), ``event_id`` (uuid.UUID).
esim_order_accepted: Signal = Signal()

#: *Sent when* Airalo has accepted a future order, which it delivers at ``order.due_date``.
#: *Sender*: :class:`~django_airalo.models.EsimOrder`.
#: *Arguments*: ``order`` (EsimOrder), ``event_id`` (uuid.UUID).
esim_order_scheduled: Signal = Signal()

#: *Sent when* the eSIMs are delivered (``order.esims``), or a top-up (``order.is_topup``) has been added to its eSIM
#: (``order.esim``).
#: *Sender*: :class:`~django_airalo.models.EsimOrder`.
#: *Arguments*: ``order`` (EsimOrder), ``event_id`` (uuid.UUID), ``late`` (bool: the order had failed or been
#: cancelled before, and the shop may have refunded it).
esim_order_completed: Signal = Signal()

#: *Sent when* a completed order got more eSIMs, or a code that its customer must act on: a code that replaces another,
#: or the first code of an eSIM that was delivered without one.
#: *Sender*: :class:`~django_airalo.models.EsimOrder`.
#: *Arguments*: ``order`` (EsimOrder), ``added`` (list of Esim), ``changed`` (list of Esim), ``event_id``
#: (uuid.UUID), ``source`` (str, where the change came from: see ``OrderEvent.source``).
esims_changed: Signal = Signal()

#: *Sent when* Airalo refused the order or could not fulfil it, or when an operator gave up an unconfirmed order, which
#: may still have been bought. If an eSIM arrives later, ``esim_order_completed`` is sent with ``late=True``.
#: *Sender*: :class:`~django_airalo.models.EsimOrder`.
#: *Arguments*: ``order`` (EsimOrder; see ``error_code`` and ``error_reason``), ``event_id`` (uuid.UUID).
esim_order_failed: Signal = Signal()

#: *Sent when* it is unknown whether Airalo accepted the order, or which of several orders it is. The order is looked up
#: again automatically, unless Airalo lists more than one order with its reference: then the order is flagged
#: (``order.attention``) and an operator must choose.
#: *Sender*: :class:`~django_airalo.models.EsimOrder`.
#: *Arguments*: ``order`` (EsimOrder), ``event_id`` (uuid.UUID).
esim_order_unconfirmed: Signal = Signal()

#: *Sent when* the order was cancelled: before it was sent to Airalo, or (a future order) at Airalo before its date.
#: *Sender*: :class:`~django_airalo.models.EsimOrder`.
#: *Arguments*: ``order`` (EsimOrder), ``event_id`` (uuid.UUID).
esim_order_cancelled: Signal = Signal()

#: *Sent when* the status of an eSIM has changed, as Airalo reports it: it was installed and is active, is used up, has
#: expired or was recycled.
#: *Sender*: :class:`~django_airalo.models.Esim`.
#: *Arguments*: ``esim`` (Esim), ``old_status`` (str), ``new_status`` (str, see ``UsageStatus``), ``event_id``
#: (uuid.UUID).
esim_status_changed: Signal = Signal()

#: *Sent when* Airalo's webhook reports that an eSIM runs low on data or days.
#: *Sender*: :class:`~django_airalo.models.WebhookEvent`.
#: *Arguments*: ``esim`` (Esim, or None if the ICCID is not one of this shop's), ``iccid`` (str), ``level`` (str, as
#: Airalo sends it: "75%", "90%", "3days", "1days"), ``remaining_percentage`` (Decimal or None), ``is_stale``
#: (bool: since the last top-up, an earlier notification reported a later stage, as 90% before 75%, or 1days before
#: 3days), ``package_name`` (str), ``event_id`` (uuid.UUID).
esim_low_data: Signal = Signal()

#: *Sent when* Airalo's webhook reports that the credit limit is nearly used up.
#: *Sender*: :class:`~django_airalo.models.WebhookEvent`.
#: *Arguments*: ``message`` (str, Airalo's words), ``remaining`` (Decimal in the account's currency, or None),
#: ``balance`` (Decimal in the account's currency when it was last looked up, or None if it never was), ``event_id``
#: (uuid.UUID).
credit_limit_reached: Signal = Signal()

#: *Sent when* orders are no longer sent, because Airalo refused one for lack of credit (code 11), or three purchases
#: within two minutes had an unknown outcome.
#: *Sender*: :class:`~django_airalo.models.SubmissionPause`.
#: *Arguments*: ``kind`` (str, ``no_credit`` or ``unknown_outcomes``), ``reason`` (str), ``balance`` (Decimal in the
#: account's currency, or None if unknown), ``event_id`` (uuid.UUID).
submission_paused: Signal = Signal()

#: *Sent when* orders are sent again, because the balance grew, the pause for lack of credit has lasted an hour, Airalo
#: accepted an order again, or an operator ended the pause.
#: *Sender*: :class:`~django_airalo.models.SubmissionPause`.
#: *Arguments*: ``kind`` (str), ``reason`` (str, why sending was paused), ``balance`` (Decimal or None, the lowest
#: balance seen during the pause), ``event_id`` (uuid.UUID).
submission_resumed: Signal = Signal()

#: *Sent when* the balance fell below ``AIRALO_LOW_BALANCE``. Sent once, until the balance was seen above it again.
#: *Sender*: :class:`~django_airalo.models.BalanceRecord`.
#: *Arguments*: ``amount`` (Decimal), ``currency`` (str), ``threshold`` (Decimal), ``event_id`` (uuid.UUID).
balance_low: Signal = Signal()

#: *Sent when* the status of a refund changed: Airalo accepted or refused the request, the outcome is unknown, or an
#: operator recorded what Airalo decided.
#: *Sender*: :class:`~django_airalo.models.Refund`.
#: *Arguments*: ``refund`` (Refund), ``status`` (str, as it is when the signal is sent), ``event_id`` (uuid.UUID).
refund_changed: Signal = Signal()

#: *Sent when* the status of a voucher changed: Airalo created or refused it, or the outcome is unknown.
#: *Sender*: :class:`~django_airalo.models.Voucher`.
#: *Arguments*: ``voucher`` (Voucher; its codes are in ``code_list``), ``status`` (str, as it is when the signal is
#: sent), ``event_id`` (uuid.UUID).
voucher_changed: Signal = Signal()
