"""The languages Airalo answers in, and the few words this emulator knows of some of them."""

from __future__ import annotations

# From the FAQ of Airalo's documentation and the settings of its WooCommerce plugin.
_NAMES = """
ar zh cs nl en fr ka de el he hi it ja ko pl pt ru tl th tr uk zh-CN pt-BR es-419 hy-AM zh-TW vls-BE pt-PT sr-CS
es-ES sv-SE ur-PK fil sq az bg hr da et fi hun kmr ky lv lt mk ms nb ro sk uz vi
"""
LANGUAGES: tuple[str, ...] = tuple(_NAMES.split())
_BY_LOWER = {name.lower(): name for name in LANGUAGES}

# What a plan's title is made of. Other texts are not translated but marked, see ``marked``.
_WORDS: dict[str, dict[str, str]] = {
    "de": {"Unlimited": "Unbegrenzt", "Days": "Tage", "Mins": "Min.", "SMS": "SMS"},
    "fr": {"Unlimited": "Illimité", "Days": "jours", "Mins": "min", "GB": "Go"},
    "es": {"Unlimited": "Ilimitado", "Days": "días", "Mins": "min"},
    "it": {"Unlimited": "Illimitato", "Days": "giorni", "Mins": "min"},
    "ja": {"Unlimited": "無制限", "Days": "日間", "Mins": "分"},
}


def chosen(accept_language: str) -> str:
    """Return the first language of an ``Accept-Language`` header that Airalo knows, or "en".

    Qualities are not weighed: callers name one language.
    """
    for part in accept_language.split(","):
        name = part.partition(";")[0].strip().lower().replace("_", "-")
        for candidate in (name, name.partition("-")[0]):
            if candidate in _BY_LOWER:
                return _BY_LOWER[candidate]
        regional = [known for known in LANGUAGES if name and known.lower().startswith(f"{name}-")]
        if regional:
            return regional[-1]  # "es" is "es-ES", not "es-419"
    return "en"


def translated(text: str, language: str) -> str:
    """Return a plan's title ("1 GB - 7 Days") with the words known of the language."""
    for word, other in _WORDS.get(language.partition("-")[0], {}).items():
        text = text.replace(word, other)
    return text


def marked(text: str, language: str) -> str:
    """Return a text that is not translated, so that one can still see which language was asked for."""
    return text if language == "en" else f"[{language}] {text}"
