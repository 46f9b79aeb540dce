"""HTML of Airalo's, made safe to show."""

from __future__ import annotations

import nh3
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

#: What installation instructions need. No links: Airalo's lead the shop's customers to airalo.com.
TAGS = frozenset({"p", "b", "strong", "i", "em", "u", "br", "ol", "ul", "li", "span", "h1", "h2", "h3", "h4"})
#: Unclosed tags are repeated in each paragraph after them, so that 19 kB of them become 17 MB (measured).
MAX_TAGS = 500


def safe_html(text: str) -> SafeString:
    """HTML from outside, fit to stand in a page: a few tags without any attribute, and the text between them.

    Scripts and styles are removed with what is in them. Text with more than ``MAX_TAGS`` tags, which no
    instructions have, is shown as its source.
    """
    if text.count("<") > MAX_TAGS:
        return escape(text)
    # "*" are the attributes of all tags, where nh3 would let lang and title through.
    return mark_safe(nh3.clean(text, tags=set(TAGS), attributes={"*": set()}))  # noqa: S308  cleaned just now
