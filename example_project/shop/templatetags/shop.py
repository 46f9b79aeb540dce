from django import template
from django.utils.safestring import SafeString
from django_airalo.models import Esim
from django_airalo.qr import qr_svg

register = template.Library()


@register.filter
def qr(esim: Esim) -> SafeString:
    """Return the eSIM's QR code as an inline SVG."""
    return qr_svg(esim)


@register.filter
def https_only(url: str) -> str:
    """Return the URL if it is safe in a link, else an empty string."""
    return url if url.startswith("https://") else ""
