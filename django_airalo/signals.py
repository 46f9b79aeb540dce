"""The signals that a shop listens to.

Delivery is the same for all of them: sent after the change was committed, with ``send_robust`` (a receiver that
raises does not keep the others from hearing), and *at least once*: if a receiver raised, or the process died
before the sending was noted, all receivers hear again, with the same ``event_id``. So a receiver must do no harm
when it hears twice. (A refund or voucher tells its newest status: one that is outdated before it was heard is not
told.)

Receivers take ``**kwargs``, since arguments may be added.
"""

from __future__ import annotations

from django.dispatch import Signal

#: *Sent when* an order's status changed, whatever the change.
#: *Sender*: :class:`~django_airalo.models.EsimOrder`.
#: *Arguments*: ``order`` (EsimOrder), ``old_status`` (str), ``new_status`` (str), ``event_id`` (uuid.UUID).
esim_order_status_changed = Signal()

#: *Sent when* Airalo has accepted the order; the eSIM is on its way. Not sent for an order whose eSIM arrived
#: before the acceptance could be stored: then only ``esim_order_completed`` is sent.
#: *Sender*: :class:`~django_airalo.models.EsimOrder`.
#: *Arguments*: ``order`` (EsimOrder), ``event_id`` (uuid.UUID).
esim_order_accepted = Signal()

#: *Sent when* Airalo has taken a future order: it delivers at ``order.due_date``.
#: *Sender*: :class:`~django_airalo.models.EsimOrder`.
#: *Arguments*: ``order`` (EsimOrder), ``event_id`` (uuid.UUID).
esim_order_scheduled = Signal()

#: *Sent when* the eSIMs are there (``order.esims``); or, for a top-up (``order.is_topup``), when it is on its eSIM
#: (``order.esim``).
#: *Sender*: :class:`~django_airalo.models.EsimOrder`.
#: *Arguments*: ``order`` (EsimOrder), ``event_id`` (uuid.UUID), ``late`` (bool: the order had been failed or
#: cancelled before, and perhaps refunded by the shop).
esim_order_completed = Signal()

#: *Sent when* Airalo refused the order or could not fulfil it; or when a person gave an unconfirmed order up, which may
#: have been bought all the same. If an eSIM arrives after that, ``esim_order_completed`` says ``late=True``.
#: *Sender*: :class:`~django_airalo.models.EsimOrder`.
#: *Arguments*: ``order`` (EsimOrder; see ``error_code`` and ``error_reason``), ``event_id`` (uuid.UUID).
esim_order_failed = Signal()

#: *Sent when* nobody can tell whether Airalo accepted the order, or which of several it is. Look-ups go on by
#: themselves, unless Airalo lists more than one order with its reference: then a person is called for
#: (``order.attention``).
#: *Sender*: :class:`~django_airalo.models.EsimOrder`.
#: *Arguments*: ``order`` (EsimOrder), ``event_id`` (uuid.UUID).
esim_order_unconfirmed = Signal()

#: *Sent when* the order was cancelled: before it was sent to Airalo, or (a future order) at Airalo before its date.
#: *Sender*: :class:`~django_airalo.models.EsimOrder`.
#: *Arguments*: ``order`` (EsimOrder), ``event_id`` (uuid.UUID).
esim_order_cancelled = Signal()

#: *Sent when* Airalo says that the status of an eSIM is another one than before: it was installed and is active, is
#: used up, has expired or was taken back.
#: *Sender*: :class:`~django_airalo.models.Esim`.
#: *Arguments*: ``esim`` (Esim), ``old_status`` (str), ``new_status`` (str, see ``UsageStatus``), ``event_id``
#: (uuid.UUID).
esim_status_changed = Signal()

#: *Sent when* Airalo's webhook says that an eSIM runs low on data or days.
#: *Sender*: :class:`~django_airalo.models.WebhookEvent`.
#: *Arguments*: ``esim`` (Esim, or None if the ICCID is not one of this shop's), ``iccid`` (str), ``level`` (str, as
#: Airalo sends it: "75%", "90%", "3days", "1days"), ``remaining_percentage`` (Decimal or None), ``package_name``
#: (str), ``event_id`` (uuid.UUID).
esim_low_data = Signal()

#: *Sent when* Airalo's webhook says that the credit limit is nearly used up.
#: *Sender*: :class:`~django_airalo.models.WebhookEvent`.
#: *Arguments*: ``message`` (str, Airalo's words), ``remaining`` (Decimal in the account's currency, or None),
#: ``balance`` (Decimal in the account's currency as it was last looked up, or None if it never was), ``event_id``
#: (uuid.UUID).
credit_limit_reached = Signal()

#: *Sent when* Airalo refused an order for lack of credit (code 11), so that no order is sent any more.
#: *Sender*: :class:`~django_airalo.models.SubmissionPause`.
#: *Arguments*: ``reason`` (str), ``balance`` (Decimal in the account's currency, or None if unknown), ``event_id``
#: (uuid.UUID).
submission_paused = Signal()

#: *Sent when* orders are sent again, because the balance grew, the pause has lasted an hour, or an operator said so.
#: *Sender*: :class:`~django_airalo.models.SubmissionPause`.
#: *Arguments*: ``reason`` (str, why it had been paused), ``balance`` (Decimal or None, the least that was seen while
#: the pause lasted), ``event_id`` (uuid.UUID).
submission_resumed = Signal()

#: *Sent when* the balance was found below ``AIRALO_LOW_BALANCE``, once until it has been found above again.
#: *Sender*: :class:`~django_airalo.models.BalanceRecord`.
#: *Arguments*: ``amount`` (Decimal), ``currency`` (str), ``threshold`` (Decimal), ``event_id`` (uuid.UUID).
balance_low = Signal()

#: *Sent when* something became of a refund: Airalo took or refused the request, nobody knows whether it did, or a
#: person noted what Airalo decided.
#: *Sender*: :class:`~django_airalo.models.Refund`.
#: *Arguments*: ``refund`` (Refund), ``status`` (str, as it is when the signal is sent), ``event_id`` (uuid.UUID).
refund_changed = Signal()

#: *Sent when* something became of a voucher: Airalo created or refused it, or nobody knows whether it did.
#: *Sender*: :class:`~django_airalo.models.Voucher`.
#: *Arguments*: ``voucher`` (Voucher; its codes are in ``code_list``), ``status`` (str, as it is when the signal is
#: sent), ``event_id`` (uuid.UUID).
voucher_changed = Signal()
