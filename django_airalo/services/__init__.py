"""The verbs: the only code that changes an order, an eSIM or a webhook event."""

from .account import look_up_balance, pause_submission, resume_submission
from .catalogue import sync_packages
from .decisions import mark_failed, mark_never_placed
from .encryption import rotate_keys
from .inbox import process_webhook_event, receive_webhook
from .lookups import sync_order
from .ordering import cancel_order, place_order, submit_soon
from .recovery import sweep
from .submission import submit_order

__all__ = [
    "cancel_order",
    "look_up_balance",
    "mark_failed",
    "mark_never_placed",
    "pause_submission",
    "place_order",
    "process_webhook_event",
    "receive_webhook",
    "resume_submission",
    "rotate_keys",
    "submit_order",
    "submit_soon",
    "sweep",
    "sync_order",
    "sync_packages",
]
