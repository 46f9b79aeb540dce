from __future__ import annotations

from django_airalo.qr import qr_png, qr_svg, qr_text
from tests.factories import EsimFactory


def test_a_code_is_drawn_and_never_written():
    esim = EsimFactory.build(code_key="", order=None, activation_code="LPA:1$rsp.example.com$<b>&")
    svg = qr_svg(esim)
    assert svg.startswith('<svg role="img" aria-label="QR code to install your eSIM" ')
    assert 'class="airalo-qr"' in svg
    assert "style=" not in svg
    assert "LPA" not in svg
    assert qr_svg(EsimFactory.build(code_key="", order=None, activation_code="LPA:1$rsp.example.com$other")) != svg
    assert qr_png(esim).startswith(b"\x89PNG")
    assert len(qr_text(esim).splitlines()) > 10


def test_without_a_code_there_is_nothing_to_draw():
    esim = EsimFactory.build(code_key="", order=None, activation_code="")
    assert (qr_svg(esim), qr_png(esim)) == ("", b"")
