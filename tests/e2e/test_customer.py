"""A customer with a phone buys an eSIM, watches it arrive and scans its code."""

from __future__ import annotations

import io
import uuid
from typing import Any

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("e2e")]

PHONE = {"width": 390, "height": 844}
#: Milliseconds for a page, or for a click to find its button, beside a demo, a browser and other tests on two cores.
PATIENCE = 120_000


@pytest.fixture
def page(chromium: Any, shop_url: str) -> Any:
    """A page of a phone's size. What it asks of other hosts than the shop, and what its scripts throw, is kept."""
    context = chromium.new_context(viewport=PHONE, device_scale_factor=2, base_url=shop_url)
    context.set_default_timeout(PATIENCE)
    context.grant_permissions(["clipboard-write"])
    page = context.new_page()
    page.foreign, page.errors, page.navigations = [], [], []
    page.on("request", lambda r: None if r.url.startswith((shop_url, "data:")) else page.foreign.append(r.url))
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.on("framenavigated", lambda frame: page.navigations.append(frame.url))
    yield page
    context.close()


def sign_up(page: Any) -> None:
    name = f"customer-{uuid.uuid4().hex[:8]}"
    page.goto("/accounts/sign-up/")
    page.fill("[name=username]", name)
    page.fill("[name=email]", f"{name}@example.com")
    page.fill("[name=password1]", "a-long-way-from-home")
    page.fill("[name=password2]", "a-long-way-from-home")
    page.locator("main form button[type=submit]").click()
    page.wait_for_url(lambda url: "sign-up" not in url)  # else the next page may come before the account


def decode(png: bytes) -> str:
    """What a phone's camera would read in the picture."""
    zxingcpp = pytest.importorskip("zxingcpp", reason="zxing-cpp is not installed (group 'browser')")
    from PIL import Image

    codes = zxingcpp.read_barcodes(Image.open(io.BytesIO(png)))
    assert len(codes) == 1
    return str(codes[0].text)


def test_buys_and_scans(page: Any) -> None:
    sign_up(page)
    page.goto("/?country=japan")
    page.locator("main a[href^='/packages/']").first.click()
    page.locator("a[href$='/checkout/']").first.click()
    page.locator("main form button[type=submit]").click()
    page.wait_for_url("**/orders/**")
    navigations = len(page.navigations)

    # The eSIM comes into the page without a reload.
    code = page.locator(".airalo-qr")
    code.wait_for()
    assert len(page.navigations) == navigations
    assert page.locator("[data-order-status=completed]").count() == 1
    page.wait_for_function("document.getElementById('announcement').textContent.includes('ready to install')")

    text = decode(code.screenshot())
    page.locator("summary").click()
    typed = [field.input_value() for field in page.locator("main input[readonly]").all()]
    assert text.startswith("LPA:1$")
    assert text in typed
    page.locator(".copy").first.click()
    page.locator(".copied", has_text="Copied").wait_for()

    page.goto("/esims/")
    assert decode(page.locator(".airalo-qr").screenshot()) == text
    assert page.foreign == []
    assert page.errors == []


def test_sees_what_is_wrong_with_a_declined_card(page: Any) -> None:
    sign_up(page)
    page.goto("/?country=japan")
    page.locator("main a[href^='/packages/']").first.click()
    page.locator("a[href$='/checkout/']").first.click()
    page.locator("input[type=radio]").last.check()
    page.locator("main form button[type=submit]").click()
    page.locator(".errorlist").first.wait_for()
    page.goto("/orders/")
    assert page.locator("a[href^='/orders/']:not([href='/orders/'])").count() == 0


def test_cannot_see_what_others_bought(page: Any, chromium: Any, shop_url: str) -> None:
    sign_up(page)
    page.goto("/?country=japan")
    page.locator("main a[href^='/packages/']").first.click()
    page.locator("a[href$='/checkout/']").first.click()
    page.locator("main form button[type=submit]").click()
    page.wait_for_url("**/orders/**")
    address = page.url
    other = chromium.new_context(base_url=shop_url)
    other.set_default_timeout(PATIENCE)
    stranger = other.new_page()
    sign_up(stranger)
    assert stranger.goto(address).status == 404
    other.close()


def test_no_page_is_wider_than_a_phone(page: Any) -> None:
    sign_up(page)
    for path in ("/", "/esims/", "/orders/", "/accounts/sign-up/", "/accounts/login/"):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], path
