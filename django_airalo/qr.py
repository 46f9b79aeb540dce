"""Draw QR codes in process, so that no activation code is sent to another service."""

from __future__ import annotations

import io
from typing import Protocol

import segno
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _


class HasActivationCode(Protocol):
    """An object with an activation code, such as an ``Esim``."""

    @property
    def activation_code(self) -> str: ...


def qr_svg(esim: HasActivationCode, *, scale: float = 6) -> SafeString:
    """Return the eSIM's activation code as an inline SVG; ``""`` if there is no code.

    It is dark on white, has no inline styles, and is an image with a name to screen readers.
    """
    if not esim.activation_code:
        return SafeString()
    title = _("QR code to install your eSIM")
    svg = _code(esim).svg_inline(scale=scale, border=4, light="#fff", dark="#000", title=title, svgclass="airalo-qr")
    svg = svg.replace("<svg ", format_html('<svg role="img" aria-label="{}" ', title), 1)
    return mark_safe(svg)  # noqa: S308  segno writes the activation code as shapes only


def qr_png(esim: HasActivationCode, *, scale: int = 8) -> bytes:
    """Return the eSIM's activation code as a PNG, for e-mails; empty if there is no code."""
    if not esim.activation_code:
        return b""
    out = io.BytesIO()
    _code(esim).save(out, kind="png", scale=scale, border=4)
    return out.getvalue()


def qr_text(esim: HasActivationCode) -> str:
    """Return the eSIM's activation code drawn with block characters, for a terminal."""
    out = io.StringIO()
    _code(esim).terminal(out, compact=True, border=2)
    return out.getvalue()


def _code(esim: HasActivationCode) -> segno.QRCode:
    # Not upper-cased, since the matching id may be case-sensitive. Error correction level M is enough for screens.
    return segno.make(esim.activation_code, error="m", micro=False)
