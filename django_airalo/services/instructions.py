"""Airalo's steps for installing an eSIM, in the customer's language, kept so that nobody waits for them twice."""

from __future__ import annotations

import json
import logging
from datetime import datetime, timedelta

from django.utils.translation import get_language

from django_airalo.client import get_client
from django_airalo.client.payloads import InstructionsData
from django_airalo.conf import conf
from django_airalo.exceptions import AiraloAPIError, AiraloConfigurationError, AiraloResponseError, DecryptionError
from django_airalo.models import Esim, EsimInstructions

from . import database

logger = logging.getLogger("django_airalo.esims")

#: The languages of Airalo's instructions, as its FAQ and its plugin for WooCommerce list them.
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
#: Codes of Django (and of browsers) that go by another name there.
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
#: Latin America, whose Spanish Airalo calls es-419; of these Django knows es-ar, es-co, es-mx, es-ni and es-ve.
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
#: After a failure the kept instructions are shown for so long before Airalo is asked again.
TRY_AGAIN_AFTER = timedelta(minutes=5)


def airalo_language(code: str) -> str:
    """The language of Airalo's instructions that is nearest to a language code; ``en`` if there is none.

    >>> airalo_language("de-at"), airalo_language("es-mx"), airalo_language("zh-hans"), airalo_language("cy")
    ('de', 'es-419', 'zh-CN', 'en')
    """
    code = code.replace("_", "-").lower()
    known = {language.lower(): language for language in LANGUAGES}
    base, _, region = code.partition("-")
    if base == "es" and region in LATIN_AMERICA:
        return "es-419"
    while code:
        if code in ALIASES:
            return ALIASES[code]
        if code in known:
            return known[code]
        code = code.rpartition("-")[0]
    return "en"


def get_instructions(esim: Esim, language: str | None = None) -> EsimInstructions:
    """Airalo's steps for installing an eSIM, from the database if they were fetched lately.

    Asks Airalo, which takes as long as that takes, only if they were not. If Airalo cannot be asked then, the old ones
    are as good.

    Args:
        language: a language code as Django has them; default the active one. Airalo has some fifty languages; the
            nearest is taken, else English.

    Raises:
        AiraloAPIError: they could not be fetched, and there are no old ones.
        AiraloConfigurationError: credentials are missing, and there are no old ones.
    """
    code = airalo_language(language or get_language() or "en")
    kept = _kept(esim, code)
    now = database.now()
    if kept and now < kept.refresh_at:
        return kept
    try:
        return _keep(esim, code, _fetch(esim, code), now)
    except (AiraloAPIError, AiraloConfigurationError) as error:
        if kept is None:
            raise
        logger.warning("The old instructions of eSIM %s are shown: %s", esim.pk, error)
        kept.refresh_at = now + TRY_AGAIN_AFTER
        kept.save(update_fields=["refresh_at"])
        return kept


def _fetch(esim: Esim, code: str) -> InstructionsData:
    data = get_client().get_instructions(esim.iccid, language=code)
    if not data.ios and not data.android:
        raise AiraloResponseError("The answer to GET /v2/sims/{iccid}/instructions has none.")
    return data


def _keep(esim: Esim, code: str, data: InstructionsData, now: datetime) -> EsimInstructions:
    refresh_at = now + timedelta(seconds=conf.INSTRUCTIONS_MAX_AGE)
    content = json.dumps(dict(data.raw))
    kept, _ = EsimInstructions.objects.defer("content").update_or_create(
        esim=esim, language=code, defaults={"content": content, "fetched_at": now, "refresh_at": refresh_at}
    )
    return kept


def _kept(esim: Esim, code: str) -> EsimInstructions | None:
    try:
        return EsimInstructions.objects.filter(esim=esim, language=code).first()
    except DecryptionError:
        logger.warning("The kept instructions of eSIM %s fit none of the keys, so they are fetched anew", esim.pk)
        return None
