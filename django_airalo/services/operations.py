"""The services that the admin, commands and schedulers call, in addition to those that a shop calls."""

from django_airalo.services.account.pauses import pause_submission, resume_submission
from django_airalo.services.catalogue.devices import sync_devices
from django_airalo.services.catalogue.exchange_rates import sync_exchange_rates
from django_airalo.services.catalogue.sync_runs import catalogue_is_stale
from django_airalo.services.core.key_rotation import rotate_keys
from django_airalo.services.doctor import run_health_checks
from django_airalo.services.esims.details import sync_due_details, sync_order_details
from django_airalo.services.esims.listing import set_brand, sync_esims
from django_airalo.services.esims.usage import sync_due_usage
from django_airalo.services.orders.import_orders import import_orders
from django_airalo.services.orders.place import retry_now
from django_airalo.services.orders.resolve import choose_purchase, list_purchases, mark_failed, resubmit_unconfirmed
from django_airalo.services.orders.signals import send_order_signals
from django_airalo.services.orders.sync_future import sync_future_orders
from django_airalo.services.refunds.request import send_refund
from django_airalo.services.refunds.resolve import cancel_refund, confirm_refund, resolve_refund, retry_refund
from django_airalo.services.vouchers.buy import send_voucher
from django_airalo.services.vouchers.resolve import cancel_voucher, retry_voucher
from django_airalo.services.webhooks.opt_in import get_opt_in, opt_in, opt_out, simulate_webhook
from django_airalo.services.webhooks.process import process_webhooks_again

__all__ = [
    "cancel_refund",
    "cancel_voucher",
    "catalogue_is_stale",
    "choose_purchase",
    "confirm_refund",
    "get_opt_in",
    "import_orders",
    "list_purchases",
    "mark_failed",
    "opt_in",
    "opt_out",
    "pause_submission",
    "process_webhooks_again",
    "resolve_refund",
    "resubmit_unconfirmed",
    "resume_submission",
    "retry_now",
    "retry_refund",
    "retry_voucher",
    "rotate_keys",
    "run_health_checks",
    "send_order_signals",
    "send_refund",
    "send_voucher",
    "set_brand",
    "simulate_webhook",
    "sync_devices",
    "sync_due_details",
    "sync_due_usage",
    "sync_esims",
    "sync_exchange_rates",
    "sync_future_orders",
    "sync_order_details",
]
