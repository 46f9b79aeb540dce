from django import template
from django.utils.safestring import SafeString
from django_airalo.models import Esim
from django_airalo.qr import qr_svg

register = template.Library()


@register.filter
def qr(esim: Esim) -> SafeString:
    """The eSIM's QR code as an inline SVG, drawn here."""
    return qr_svg(esim)


@register.filter
def https_only(url: str) -> str:
    """The address if it is safe in a link, else nothing."""
    return url if url.startswith("https://") else ""
