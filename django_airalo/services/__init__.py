"""The verbs: the only code that changes an order, an eSIM or a webhook event."""

from .account import look_up_balance, pause_submission, resume_submission
from .catalogue import sync_packages
from .decisions import mark_failed, mark_never_placed
from .devices import find_devices, is_compatible, sync_devices
from .doctor import examine
from .encryption import rotate_keys
from .esim_list import set_brand, sync_esim, sync_esims
from .esim_packages import sync_esim_packages
from .esims import sync_due_usage, sync_usage, usage_is_due_now
from .importing import import_orders
from .inbox import process_webhook_event, receive_webhook
from .instructions import get_instructions
from .lookups import sync_order
from .opt_ins import opt_in, opt_out, simulate_webhook, webhook_status
from .ordering import place_order, place_orders, place_topup, submit_soon
from .pricing import price_packages, sync_exchange_rates
from .product import product_information
from .recovery import sweep
from .refunds import decide_refund, refund_reasons, request_refund, send_refund
from .scheduling import cancel_order, cancel_orders, sync_future_orders
from .submission import submit_order
from .syncs import catalogue_is_stale
from .topups import list_topup_packages
from .vouchers import create_airmoney_voucher, create_esim_vouchers, decide_voucher, send_voucher

__all__ = [
    "cancel_order",
    "cancel_orders",
    "catalogue_is_stale",
    "create_airmoney_voucher",
    "create_esim_vouchers",
    "decide_refund",
    "decide_voucher",
    "examine",
    "find_devices",
    "get_instructions",
    "import_orders",
    "is_compatible",
    "list_topup_packages",
    "look_up_balance",
    "mark_failed",
    "mark_never_placed",
    "opt_in",
    "opt_out",
    "pause_submission",
    "place_order",
    "place_orders",
    "place_topup",
    "price_packages",
    "process_webhook_event",
    "product_information",
    "receive_webhook",
    "refund_reasons",
    "request_refund",
    "resume_submission",
    "rotate_keys",
    "send_refund",
    "send_voucher",
    "set_brand",
    "simulate_webhook",
    "submit_order",
    "submit_soon",
    "sweep",
    "sync_devices",
    "sync_due_usage",
    "sync_esim",
    "sync_esim_packages",
    "sync_esims",
    "sync_exchange_rates",
    "sync_future_orders",
    "sync_order",
    "sync_packages",
    "sync_usage",
    "usage_is_due_now",
    "webhook_status",
]
