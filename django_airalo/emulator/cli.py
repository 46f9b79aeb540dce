"""The command line, shared by ``python -m django_airalo.emulator`` and ``manage.py airalo_emulator``."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from .emulator import Emulator
from .fault_presets import RANDOM
from .options import IDLE_ENDS, NET_PRICES, PRICING_MODELS, WEBHOOK_SHAPES, Options


def _money(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise argparse.ArgumentTypeError(f"{text!r} is not an amount") from None


def _limit(text: str) -> tuple[str, tuple[int, float]]:
    try:
        name, _, numbers = text.partition("=")
        count, _, seconds = numbers.partition("/")
        return name, (int(count), float(seconds))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not like token=3/60") from None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the emulator's options to a parser."""
    usual = Options()
    add = parser.add_argument
    add("--host", default=usual.host, help="address to listen on (default: %(default)s)")
    add("--port", type=int, default=8010, help="port to listen on; 0 takes a free one (default: %(default)s)")
    add("--tls-certificate", type=Path, help="PEM file of a certificate: speak HTTPS")
    add("--tls-key", type=Path, help="PEM file of its key, if it is not in the same file")
    add("--ledger", type=Path, help="SQLite file that keeps purchases and webhooks over restarts (default: memory)")
    add("--script", type=Path, help="JSON file with rules of what goes wrong")
    add("--seed", type=int, default=usual.seed, help="seed of the catalogue and of random faults")
    add("--fault-rate", type=float, default=0.0, help="share of calls that get a random fault, from 0 to 1")
    help_text = "a group of faults to draw from; may be repeated (default: usual)"
    add("--random-faults", action="append", choices=RANDOM, help=help_text)
    add("--idle-limit", type=float, help="seconds after which an idle connection is lost (default: never)")
    add("--idle-end", choices=IDLE_ENDS, default=usual.idle_end, help="how that shows (default: %(default)s)")
    add("--client-id", default=usual.client_id, help="default: %(default)s")
    add("--client-secret", default=usual.client_secret, help="default: %(default)s")
    add("--balance", type=_money, default=usual.balance, help="US dollars in a new ledger (default: %(default)s)")
    add("--sandbox", action="store_true", help="as Airalo's sandbox: no webhooks, nothing deducted")
    add("--pricing-model", choices=PRICING_MODELS, default=usual.pricing_model, help="default: %(default)s")
    add("--discount-percentage", type=int, default=usual.discount_percentage, help="under discount_pricing")
    add("--answer-net-price", choices=NET_PRICES, default=usual.answer_net_price, help="in answers to orders")
    add("--no-keyed-pages", dest="keyed_pages", action="store_false", help="page 2 of the packages is a list too")
    add("--brand", dest="brands", action="append", help="a brand name that exists; may be repeated (default: any)")
    add("--list-test-packages", action="store_true", help="show the test-… packages in the catalogue too")
    add("--universal", action="store_true", help="the account has universal packages")
    add("--listing-delay", type=float, default=usual.listing_delay, help="seconds until a fulfilled order is listed")
    add("--usage-cache", type=float, default=usual.usage_cache, help="seconds in which usage does not change")
    add("--webhook-shape", choices=WEBHOOK_SHAPES, default=usual.webhook_shape, help="default: %(default)s")
    add("--webhook-delay", type=float, default=usual.webhook_delay, help="seconds (default: %(default)s)")
    add("--webhook-timeout", type=float, default=usual.webhook_timeout, help="seconds (default: %(default)s)")
    add("--retry-interval", type=float, default=usual.retry_interval, help="seconds (default: %(default)s)")
    add("--retries", type=int, default=usual.retries, help="after the first try (default: %(default)s)")
    add("--no-head-probe", dest="head_probe", action="store_false", help="accept webhook addresses unseen")
    add("--no-rate-limits", dest="rate_limits", action="store_false", help="answer however many calls come")
    add("--limit", type=_limit, action="append", metavar="ENDPOINT=COUNT/SECONDS", help="such as token=3/60")


def emulator_from(values: dict[str, Any]) -> Emulator:
    """Return the emulator asked for on the command line. Raises ValueError with one clear line."""
    known = Options.__dataclass_fields__
    keywords = {name: value for name, value in values.items() if name in known}
    if keywords.get("random_faults") is None:
        keywords.pop("random_faults", None)
    else:
        keywords["random_faults"] = tuple(keywords["random_faults"])
    options = Options(**keywords)
    options.limits |= dict(values.get("limit") or [])
    return Emulator(options, script=values.get("script"))


def serve(emulator: Emulator, say: Callable[[str], object]) -> None:
    """Run until Ctrl-C or SIGTERM; ``say`` gets lines to print."""
    ended = threading.Event()
    earlier = {number: signal.signal(number, lambda *_: ended.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with emulator:
            say(f"Airalo emulator at {emulator.url} (client id: {emulator.client_id}); stop with Ctrl-C.")
            ended.wait()
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
    say("Airalo emulator stopped.")


def log_to_stderr() -> None:
    """Show each call and each webhook in one line."""
    logger = logging.getLogger("django_airalo.emulator")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
