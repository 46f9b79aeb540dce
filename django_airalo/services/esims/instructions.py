"""Fetch Airalo's installation instructions for an eSIM in the customer's language, and store them."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import datetime, timedelta

from django.utils.translation import get_language

from django_airalo.client import get_client
from django_airalo.client.payloads import InstallationGuide, InstructionsData
from django_airalo.conf import conf
from django_airalo.exceptions import AiraloAPIError, AiraloConfigurationError, AiraloResponseError, DecryptionError
from django_airalo.models import Esim, EsimInstructions
from django_airalo.services.core import blanks, database

from .identity import iccid_of

logger: logging.Logger = logging.getLogger("django_airalo.esims")

#: The languages of Airalo's instructions, according to its FAQ and its plugin for WooCommerce.
LANGUAGES = (
    "ar",
    "az",
    "bg",
    "cs",
    "da",
    "de",
    "el",
    "en",
    "es-419",
    "es-ES",
    "et",
    "fi",
    "fil",
    "fr",
    "he",
    "hi",
    "hr",
    "hun",
    "hy-AM",
    "it",
    "ja",
    "ka",
    "kmr",
    "ko",
    "ky",
    "lt",
    "lv",
    "mk",
    "ms",
    "nb",
    "nl",
    "pl",
    "pt",
    "pt-BR",
    "pt-PT",
    "ro",
    "ru",
    "sk",
    "sq",
    "sr-CS",
    "sv-SE",
    "th",
    "tl",
    "tr",
    "uk",
    "ur-PK",
    "uz",
    "vi",
    "vls-BE",
    "zh",
    "zh-CN",
    "zh-TW",
)
#: Language codes of Django and of browsers for which Airalo has another code.
ALIASES = {
    "es": "es-ES",
    "hu": "hun",
    "hy": "hy-AM",
    "nn": "nb",
    "no": "nb",
    "sr": "sr-CS",
    "sv": "sv-SE",
    "ur": "ur-PK",
    "zh-hans": "zh-CN",
    "zh-hant": "zh-TW",
    "zh-hk": "zh-TW",
    "zh-mo": "zh-TW",
    "ku": "kmr",
    "iw": "he",
}
#: The countries whose Spanish is es-419 at Airalo. Django has es-ar, es-co, es-mx, es-ni and es-ve of these.
LATIN_AMERICA = {
    "ar",
    "bo",
    "cl",
    "co",
    "cr",
    "cu",
    "do",
    "ec",
    "gt",
    "hn",
    "mx",
    "ni",
    "pa",
    "pe",
    "pr",
    "py",
    "sv",
    "us",
    "uy",
    "ve",
}
#: After a failed request, the stored instructions are used for this long before the next request.
FETCHED_AGAIN_AFTER = timedelta(minutes=5)


def airalo_language(code: str) -> str:
    """Return Airalo's language that is nearest to a language code, or ``en``.

    Args:
        code: a language code as in Django.

    >>> airalo_language("de-at"), airalo_language("es-mx"), airalo_language("zh-hans"), airalo_language("cy")
    ('de', 'es-419', 'zh-CN', 'en')
    """
    code = code.replace("_", "-").lower()
    languages = {language.lower(): language for language in LANGUAGES}
    base, _, region = code.partition("-")
    if base == "es" and region in LATIN_AMERICA:
        return "es-419"
    while code:
        if code in ALIASES:
            return ALIASES[code]
        if code in languages:
            return languages[code]
        code = code.rpartition("-")[0]
    return "en"


def get_instructions(esim: Esim, *, language: str | None = None) -> EsimInstructions:
    """Return Airalo's installation instructions for an eSIM, from the database if they are recent enough.

    Otherwise they are fetched from Airalo, and the caller waits for the answer. If that fails, the stored instructions
    are returned. Values that are missing in a new answer are kept from the stored ones.

    Args:
        esim: the eSIM.
        language: a language code as in Django; default the active language. The nearest of Airalo's languages is used,
            or English.

    Raises:
        AiraloAPIError: the request failed, and there are no stored instructions.
        AiraloConfigurationError: credentials are missing, and there are no stored instructions.
    """
    code = airalo_language(language or get_language() or "en")
    kept = _kept(esim, code)
    now = database.db_now()
    if kept and now < kept.refresh_at:
        return kept
    try:
        return _keep(esim, code, _fetch(esim, code), kept, now)
    except (AiraloAPIError, AiraloConfigurationError) as error:
        if kept is None:
            raise
        logger.warning("The stored instructions of eSIM %s are used: %s", esim.pk, error)
        kept.refresh_at = now + FETCHED_AGAIN_AFTER
        kept.save(update_fields=["refresh_at"])
        return kept


def _fetch(esim: Esim, code: str) -> InstructionsData:
    data = get_client().get_instructions(iccid_of(esim), language=code)
    if not data.ios and not data.android:
        raise AiraloResponseError("The answer to GET /v2/sims/{iccid}/instructions has no instructions.")
    return data


def _keep(
    esim: Esim, code: str, data: InstructionsData, old: EsimInstructions | None, now: datetime
) -> EsimInstructions:
    refresh_at = now + timedelta(seconds=conf.INSTRUCTIONS_MAX_AGE)
    content = json.dumps((_completed(data, old.guides) if old else data).to_json())
    kept, _ = EsimInstructions.primary.defer("content").update_or_create(
        esim=esim, language=code, defaults={"content": content, "fetched_at": now, "refresh_at": refresh_at}
    )
    return kept


def _completed(data: InstructionsData, old: InstructionsData) -> InstructionsData:
    """Return new instructions, with missing and unreadable values from the stored ones."""
    return replace(
        data,
        language=data.language or old.language,
        ios=_completed_guides(data.ios, old.ios, whole="ios" not in data.unread),
        android=_completed_guides(data.android, old.android, whole="android" not in data.unread),
    )


def _completed_guides(
    guides: Sequence[InstallationGuide], old: Sequence[InstallationGuide], *, whole: bool
) -> tuple[InstallationGuide, ...]:
    if not guides or (old and not whole):
        return tuple(old)
    known_guides = {(guide.model, guide.version): guide for guide in old}
    # Guides are matched by position only if there are as many as before.
    places = list(old) if len(old) == len(guides) else [None] * len(guides)
    return tuple(
        _completed_guide(guide, known_guides.get((guide.model, guide.version)) or place)
        for guide, place in zip(guides, places, strict=True)
    )


def _completed_guide(guide: InstallationGuide, old: InstallationGuide | None) -> InstallationGuide:
    if old is None:
        return guide
    names = [item.name for item in fields(guide) if item.name != "unread"]
    missing = [name for name in names if blanks.is_blank(getattr(guide, name)) or name in guide.unread]
    return replace(guide, **{name: getattr(old, name) for name in missing if not blanks.is_blank(getattr(old, name))})


def _kept(esim: Esim, code: str) -> EsimInstructions | None:
    try:
        return EsimInstructions.primary.filter(esim=esim, language=code).first()
    except DecryptionError:
        logger.warning("No key decrypts the stored instructions of eSIM %s, so they are fetched again", esim.pk)
        return None
