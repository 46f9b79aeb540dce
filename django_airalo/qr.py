"""QR codes, drawn here: an activation code never leaves the shop to be drawn."""

from __future__ import annotations

import io

import segno
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from .models import Esim


def qr_svg(esim: Esim, *, scale: float = 6) -> SafeString:
    """The eSIM's activation code as an inline SVG, dark on white, without inline styles; ``""`` if there is no code.

    To a screen reader it is an image with a name.
    """
    if not esim.activation_code:
        return SafeString()
    title = _("QR code to install your eSIM")
    svg = _code(esim).svg_inline(scale=scale, border=4, light="#fff", dark="#000", title=title, svgclass="airalo-qr")
    svg = svg.replace("<svg ", format_html('<svg role="img" aria-label="{}" ', title), 1)
    return mark_safe(svg)  # noqa: S308  drawn by segno; the activation code is in it as shapes only


def qr_png(esim: Esim, *, scale: int = 8) -> bytes:
    """The eSIM's activation code as a PNG, for mails; empty if there is no code."""
    if not esim.activation_code:
        return b""
    out = io.BytesIO()
    _code(esim).save(out, kind="png", scale=scale, border=4)
    return out.getvalue()


def qr_text(esim: Esim) -> str:
    """The eSIM's activation code drawn with block characters, for a terminal."""
    out = io.StringIO()
    _code(esim).terminal(out, compact=True, border=2)
    return out.getvalue()


def _code(esim: Esim) -> segno.QRCode:
    # As given, not upper-cased: the matching id may be case-sensitive. Level M is what screens need.
    return segno.make(esim.activation_code, error="m", micro=False)
