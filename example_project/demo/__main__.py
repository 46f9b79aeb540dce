"""Run emulator, shop, task worker and sweep on this machine, and one customer who buys one eSIM.

``make demo`` runs it. Its options are environment variables: SHOP_PORT, AIRALO_PORT, ONCE.
"""

from __future__ import annotations

import logging
import os
import shlex
import shutil
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import quote

import preflight
from customer import Customer, CustomerError
from processes import ChildDiedError, Children

if TYPE_CHECKING:
    from shop.models import Order

PROJECT = Path(__file__).resolve().parent.parent
ARRIVAL_SECONDS = 60
TRAVELLER = {"username": "traveller", "email": "traveller@example.com", "password": "mind-the-gap-42"}
COUNTRY = "japan"


class Stopped(BaseException):
    """The demo was stopped by Ctrl-C or a signal."""


def main() -> int:
    """Run the demo. Return the exit code."""
    try:
        ports = preflight.ports()
    except preflight.NotReadyError as error:
        return fail(str(error))
    shop = f"http://127.0.0.1:{ports['SHOP_PORT']}"
    airalo = f"http://127.0.0.1:{ports['AIRALO_PORT']}"
    # One folder for each port, so that a second demo does not delete the files of the first.
    var = PROJECT / "var" / f"demo-{ports['SHOP_PORT']}"
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    running = False
    try:
        create_folder(var)
        set_up_django(var, shop, airalo)
        with Children(PROJECT / "manage.py", var / "logs") as children:
            start(children, ports, shop, airalo)
            arrived = buy_one(children, shop, var)
            if not arrived:
                return fail("\nThe eSIM was not delivered by a signed webhook.")
            say("The eSIM was delivered by a signed webhook.\n")
            if os.environ.get("ONCE", "") not in ("", "0"):
                return 0
            running = True
            print_hints(shop, airalo, var)
            while True:
                children.check()
                time.sleep(0.5)
    except Stopped:
        say("\nStopped. Nothing is left running.")
        return 0 if running else 130
    except (ChildDiedError, CustomerError) as error:
        return fail(f"\n{error}")


def stop(number: int, frame: FrameType | None) -> NoReturn:
    """Stop the demo. Ignore further signals, so that they do not interrupt the cleanup."""
    for other in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(other, signal.SIG_IGN)
    raise Stopped


def create_folder(var: Path) -> None:
    """Create an empty folder for the database, the emulator's ledger, the logs and the e-mails."""
    if var.exists():
        shutil.rmtree(var)
    for name in ("logs", "mails"):
        (var / name).mkdir(parents=True)


def set_up_django(var: Path, shop: str, airalo: str) -> None:
    """Set up Django for this process and its children, whatever a ``.env`` file says, and create the tables."""
    settings = {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DEBUG": "True",
        "SECRET_KEY": "insecure-and-for-the-demo-only",
        "ALLOWED_HOSTS": "localhost,127.0.0.1",
        "SHOP_URL": shop,
        "SHOP_VAR": str(var),
        "DATABASE_URL": f"sqlite:///{quote(str(var / 'shop.sqlite3'))}",
        "CACHE_URL": "dbcache://django_cache?max_entries=100000",
        "EMAIL_URL": f"filemail:///{quote(str(var / 'mails'))}",
        "AIRALO_BASE_URL": airalo,
        "AIRALO_CLIENT_ID": "emulator-client",
        "AIRALO_CLIENT_SECRET": "emulator-secret",
        "AIRALO_WEBHOOK_URL": f"{shop}/airalo/webhook/",
        "AIRALO_WEBHOOK_SECRETS": "",
        "AIRALO_ENCRYPTION_KEYS": "",
        "AIRALO_SANDBOX": "False",
    }
    # To run "manage.py" in another terminal.
    (var / "environment").write_text(
        "".join(f"export {name}={shlex.quote(value)}\n" for name, value in settings.items())
    )
    # The processes of this machine connect directly, not through a proxy.
    os.environ.update(settings, NO_PROXY="127.0.0.1", no_proxy="127.0.0.1")
    sys.path.insert(0, str(PROJECT))
    import django

    django.setup()
    logging.disable(logging.WARNING)  # this process prints the timeline; the others log to files
    manage("migrate", verbosity=0)
    manage("createcachetable", verbosity=0)


def manage(command: str, **options: Any) -> None:
    """Print a command of ``manage.py`` and run it in this process."""
    from django.core.management import call_command

    say(f"$ manage.py {command}")
    call_command(command, **options)


def start(children: Children, ports: dict[str, int], shop: str, airalo: str) -> None:
    """Start the emulator and the other processes, and fetch the catalogue."""
    from django.contrib.auth import get_user_model

    ledger = str(Path(os.environ["SHOP_VAR"]) / "emulator.sqlite3")
    say(f"$ manage.py airalo_emulator --port {ports['AIRALO_PORT']} &")
    children.start("emulator", "airalo_emulator", "--port", str(ports["AIRALO_PORT"]), "--ledger", ledger)
    say(f"$ manage.py runserver {ports['SHOP_PORT']} &")
    children.start("shop", "runserver", "--noreload", f"127.0.0.1:{ports['SHOP_PORT']}")
    say("$ manage.py db_worker &")
    children.start("worker", "db_worker", "--no-reload", "--no-startup-delay", "--interval", "0.25")
    say("$ manage.py airalo_sweep --loop 5 &")
    children.start("sweep", "airalo_sweep", "--loop", "5")
    get_user_model().objects.create_superuser("admin", "admin@example.com", "admin")
    children.wait_for(f"{airalo}/_emulator/ledger")
    manage("airalo_sync_packages")
    children.wait_for(shop)


def buy_one(children: Children, shop: str, var: Path) -> bool:
    """Buy one eSIM as a customer and print what happens. Return whether it was delivered by a signed webhook."""
    customer = Customer(shop)
    say("\nA customer comes to the shop ...")
    page = customer.open("/")
    page = customer.follow(page, "/accounts/sign-up/")
    fields = {"username": TRAVELLER["username"], "email": TRAVELLER["email"]}
    customer.send(page, **fields, password1=TRAVELLER["password"], password2=TRAVELLER["password"])
    say(f"  signs up as {TRAVELLER['username']}")
    page = customer.open(f"/?country={COUNTRY}")
    say(f"  looks for packages in {COUNTRY.title()}")
    page = customer.follow(page, "/packages/")
    say(f"  chooses {customer.url}")
    page = customer.follow(page, "/packages/", "/checkout/")
    customer.send(page, quantity="1")
    say(f"  pays, and watches {customer.url}\n")
    order = bought(customer)
    arrived = follow(children, customer, order, var)
    if arrived:
        show_esim(customer, order)
    return arrived


def bought(customer: Customer) -> Order:
    """Return the order whose page the customer is on."""
    from django.core.exceptions import ValidationError

    from shop.models import Order

    number = customer.url.rstrip("/").rpartition("/")[2]
    try:
        return Order.objects.get(number=number)
    except (Order.DoesNotExist, ValidationError):
        raise CustomerError(f"The checkout did not lead to an order but to {customer.url}.") from None


def follow(children: Children, customer: Customer, order: Order, var: Path) -> bool:
    """Print the timeline of the order until the eSIM is on the customer's page and the e-mail is sent."""
    from timeline import Timeline

    timeline = Timeline(order.lines.select_related("order", "esim_order").get(), var / "mails")
    page_shows_esim = False
    deadline = time.monotonic() + ARRIVAL_SECONDS
    while not (timeline.is_complete() and page_shows_esim):
        children.check()
        for line in timeline.new_lines():
            say(line)
        if not page_shows_esim:
            customer.open(customer.url)
            page_shows_esim = "airalo-qr" in customer.html
            if page_shows_esim:
                say(timeline.now("page", "the customer's page shows the eSIM"))
        if time.monotonic() > deadline:
            say(f"\nNo eSIM after {ARRIVAL_SECONDS} seconds. The logs:\n{children.tails()}")
            return False
        time.sleep(0.2)
    return timeline.delivered_by_webhook()


def show_esim(customer: Customer, order: Order) -> None:
    """Check that the eSIM is on "My eSIMs", and print its QR code."""
    from django_airalo.models import Esim
    from django_airalo.qr import qr_text

    customer.open("/esims/")
    for esim in Esim.objects.filter(order__order_line__order=order):
        if esim.iccid not in customer.html:
            raise CustomerError(f"The eSIM {esim.iccid} is not on the customer's page {customer.url}.")
        say(f'\nOn "My eSIMs", visible to this customer only, ICCID {esim.iccid}:\n\n{qr_text(esim)}')


def print_hints(shop: str, airalo: str, var: Path) -> None:
    """Print what the user can try now."""
    say(
        f"The shop keeps running until Ctrl-C:\n"
        f"  Shop      {shop}/            log in as {TRAVELLER['username']} / {TRAVELLER['password']}\n"
        f"  Admin     {shop}/admin/      log in as admin / admin\n"
        f"  Emulator  {airalo}/_emulator/ledger\n"
        f"  Logs and e-mails are in {var}\n"
        f"  What to try next: docs/how-to/try-the-demo.md"
    )


def say(text: str) -> None:
    """Print a line."""
    print(text, flush=True)


def fail(text: str) -> int:
    """Print an error. Return the exit code."""
    print(text, file=sys.stderr, flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())
