"""Airalo's installation HTML: kept as it came, shown only after it has been sanitised."""

from __future__ import annotations

import json
import re
import time

import pytest
from django.template import Context, Template
from django.utils.safestring import SafeString

from django_airalo.client.payloads import MAX_INSTRUCTIONS, OrderData
from django_airalo.html import MAX_TAGS, TAGS, safe_html
from django_airalo.services import process_webhook_event, receive_webhook, sync_order
from django_airalo.testing import order_payload, sign_webhook, webhook_payload
from tests.factories import EsimOrderFactory, UserFactory, at_airalo

HARMLESS = (
    "<p><b>eSIM</b><br>Scan <strong>this</strong> <i>code</i> <em>now</em> <u>ok</u></p>"
    "<ol><li>One</li></ol><ul><li><span>Two</span></li></ul><h1>1</h1><h2>2</h2><h3>3</h3><h4>4</h4>"
)
HOSTILE = [
    "<script>alert(1)</script>",
    "<ScRiPt src=//evil.example.com></sCrIpT>",
    "<scr<script>ipt>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<svg><p><style><img src=1 onerror=alert(1)></style></p></svg>",
    "<math><mtext></mtext><mglyph><style><!--</style><img title='--><img src=1 onerror=alert(1)>'>",
    '<p onclick="alert(1)" style="background:url(javascript:1)">x</p>',
    '<b onmouseover="alert(1)" lang="x" title="y" id="z" class="w" data-x="1">x</b>',
    '<a href="javascript:alert(1)">x</a>',
    '<a href="https://www.airalo.com/help">Airalo</a>',
    '<a href=" &#106;avascript:alert(1)">x</a>',
    "<iframe src='javascript:alert(1)'></iframe>",
    "<object data='data:text/html,x'></object><embed src=x><base href=//evil.example.com>",
    '<form action="//evil.example.com"><input name=q autofocus onfocus=alert(1)><button>x</button></form>',
    "<meta http-equiv=refresh content='0;url=//evil.example.com'><link rel=stylesheet href=x>",
    "<style>@import '//evil.example.com'</style><p>x",
    "<!--[if IE]><script>alert(1)</script><![endif]--><!-- > <script>alert(1)</script> -->",
    "<p><b><i>never closed",
    '<p class="cut <b',
    "</p></div></body></html><script",
    "<<p>script>alert(1)<</p>/script>",
    "\x00<p\x00 onclick=x>\ufffe</p>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<textarea><script>alert(1)</script>",
    "<title>{{ secret }}{% now 'Y' %}</title>",
    "<plaintext><b>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
]


def assert_harmless(html: str) -> None:
    """Nothing but allowed tags, and none of them with an attribute."""
    rest = html
    for tag in TAGS:
        rest = rest.replace(f"<{tag}>", "").replace(f"</{tag}>", "")
    assert not re.search("[<>]", rest), html


def test_what_instructions_need_stays_as_it_is():
    assert safe_html(HARMLESS) == HARMLESS
    assert_harmless(HARMLESS)


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_else_stays(text):
    html = safe_html(f"<p>before</p>{text}<p>after</p>")
    assert isinstance(html, SafeString)
    assert html.startswith("<p>before</p>")
    assert_harmless(html)
    assert safe_html(html) == html  # what is clean is not cleaned further


def test_scripts_go_with_their_text_and_links_leave_theirs():
    assert safe_html("<script>alert(1)</script><style>p{}</style>x") == "x"
    assert safe_html('<a href="https://www.airalo.com">help</a>') == "help"
    assert safe_html("") == ""


def test_a_few_kilobytes_cannot_become_megabytes():
    bomb = ("<p>" + "".join(f"<b a={i}>" for i in range(1000)) + "<p>x" * 2500)[:MAX_INSTRUCTIONS]
    started = time.process_time()
    html = safe_html(bomb)
    assert time.process_time() - started < 2
    assert len(html) < 10 * MAX_INSTRUCTIONS
    assert_harmless(html.replace("&lt;", "").replace("&gt;", ""))
    just_allowed = "<p>" + "".join(f"<b a={i}>" for i in range(MAX_TAGS // 2)) + "<p>x" * (MAX_TAGS // 2 - 1)
    assert len(safe_html(just_allowed)) < 1_000_000


# On its way from the webhook to the pages


@pytest.fixture
def delivered(db, committed):
    """An order whose webhook brought hostile instructions."""
    order = EsimOrderFactory(accepted=True, user=UserFactory(is_staff=True, is_superuser=True))
    hostile = {
        "manual_installation": f"<p>By hand</p>{''.join(HOSTILE)}",
        "qrcode_installation": "<p onclick=x>Scan\x00 \ud800",
    }
    body = json.dumps(webhook_payload(order_payload(**hostile), order.request_id)).encode()
    with committed():
        receive_webhook(body, signature_header=sign_webhook(body))
    order.refresh_from_db()
    assert order.status == "completed"
    return order


def test_they_are_kept_as_airalo_sent_them(delivered):
    assert "<script>alert(1)</script>" in delivered.manual_installation
    assert delivered.qrcode_installation == "<p onclick=x>Scan ?"
    assert delivered.manual_installation_html.startswith("<p>By hand</p>")
    assert delivered.qrcode_installation_html == "<p>Scan ?</p>"
    assert_harmless(delivered.manual_installation_html)
    page = Template("{{ order.qrcode_installation_html }}").render(Context({"order": delivered}))
    assert page == "<p>Scan ?</p>"


def test_the_admin_shows_them_sanitised(delivered, client):
    client.force_login(delivered.user)
    page = client.get(f"/admin/django_airalo/esimorder/{delivered.pk}/change/").content.decode()
    assert "<p>By hand</p>" in page
    assert "<p>Scan ?</p>" in page
    # Neither as markup nor as escaped source: only what was sanitised is on the page.
    for trace in ("evil.example.com", "onerror=", "onclick=x", "alert(1)</script>"):
        assert trace not in page.replace("&lt;script&gt;alert(1)&lt;/script&gt;", "")


def test_the_rest_api_gives_them_sanitised_with_one_order_only(delivered, client):
    client.force_login(delivered.user)
    detail = client.get(f"/api/airalo/orders/{delivered.reference}/").json()
    assert detail["manual_installation_html"] == delivered.manual_installation_html
    assert detail["qrcode_installation_html"] == "<p>Scan ?</p>"
    assert not {"manual_installation", "qrcode_installation"} & set(detail)
    (listed,) = client.get("/api/airalo/orders/").json()["results"]
    assert not {name for name in listed if "installation" in name}


def test_a_look_up_brings_them_too(db, airalo, committed):
    order = EsimOrderFactory(accepted=True)
    at_airalo(airalo, order, manual_installation="<p>Enter it</p>")
    with committed():
        sync_order(order)
    order.refresh_from_db()
    assert order.manual_installation == "<p>Enter it</p>"


def test_what_is_known_stays(delivered):
    before = delivered.manual_installation
    again = order_payload(manual_installation="<p>Other</p>", sims=[{"iccid": delivered.esims.get().iccid}])
    body = json.dumps(webhook_payload(again, delivered.request_id)).encode()
    process_webhook_event(receive_webhook(body, signature_header=sign_webhook(body)))
    delivered.refresh_from_db()
    assert delivered.manual_installation == before


@pytest.mark.parametrize("value", [None, True, [], {"en": "<p>"}])
def test_what_is_no_text_is_none(value):
    assert OrderData.from_json(order_payload(manual_installation=value)).manual_installation == ""


def test_endless_instructions_are_cut():
    data = OrderData.from_json(order_payload(qrcode_installation="<p>x</p>" * 10_000))
    assert len(data.qrcode_installation) == MAX_INSTRUCTIONS
    assert data.qrcode_installation.startswith("<p>x</p>")
