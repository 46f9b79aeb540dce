"""The services that a shop calls. Those that the admin, commands and schedulers call are in ``operations``."""

from django_airalo.services.account.balance import sync_balance
from django_airalo.services.catalogue.devices import find_devices, is_compatible
from django_airalo.services.catalogue.packages import sync_packages
from django_airalo.services.catalogue.prices import price_packages
from django_airalo.services.catalogue.product_information import get_product_information
from django_airalo.services.esims.instructions import get_instructions
from django_airalo.services.esims.listing import sync_esim
from django_airalo.services.esims.packages import sync_esim_packages
from django_airalo.services.esims.topups import list_topup_packages
from django_airalo.services.esims.usage import request_usage_sync, sync_usage
from django_airalo.services.orders.cancel import cancel_order, cancel_orders
from django_airalo.services.orders.lookup import sync_order
from django_airalo.services.orders.place import place_order, place_orders, place_topup
from django_airalo.services.orders.submit import submit_order
from django_airalo.services.refunds.request import refund_reasons, request_refund
from django_airalo.services.sweep import sweep
from django_airalo.services.vouchers.buy import create_airmoney_voucher, create_esim_vouchers
from django_airalo.services.webhooks.process import process_webhook_event
from django_airalo.services.webhooks.receive import receive_webhook

__all__ = [
    "cancel_order",
    "cancel_orders",
    "create_airmoney_voucher",
    "create_esim_vouchers",
    "find_devices",
    "get_instructions",
    "get_product_information",
    "is_compatible",
    "list_topup_packages",
    "place_order",
    "place_orders",
    "place_topup",
    "price_packages",
    "process_webhook_event",
    "receive_webhook",
    "refund_reasons",
    "request_refund",
    "request_usage_sync",
    "submit_order",
    "sweep",
    "sync_balance",
    "sync_esim",
    "sync_esim_packages",
    "sync_order",
    "sync_packages",
    "sync_usage",
]
