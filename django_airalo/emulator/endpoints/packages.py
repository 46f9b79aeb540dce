"""GET /v2/packages."""

from __future__ import annotations

import json

from django_airalo.emulator import languages
from django_airalo.emulator.catalogue_parts import Location
from django_airalo.emulator.faults import Fault
from django_airalo.emulator.messages import Request, Response, php_json
from django_airalo.emulator.state import EmulatorState

from .checks import paging
from .pages import links_and_meta


def index(state: EmulatorState, request: Request, fault: Fault) -> Response:
    """Return countries and regions with their operators and packages.

    ``limit``, ``page`` and ``total`` count countries and regions, not packages. Without a limit all of them
    come in one answer of about 10 MB.
    """
    kind = request.query.get("filter[type]", "")
    country = request.query.get("filter[country]", "")
    problems = {}
    universal = kind == "universal" and state.options.universal
    if kind not in ("", "local", "global") and not universal:
        problems["filter.type"] = "The selected type is not supported. Supported values:local, global."
    if country and not any(location.country_code == country.upper() for location in state.catalogue.locations):
        text = (
            "The selected country is not supported. Use a valid country code of two characters, such as DE, TR or JP."
        )
        problems["filter.country"] = text
    limit, page = paging(request, problems)
    locations = [state.catalogue.universal_location] if universal else state.catalogue.find(kind, country)
    if state.options.list_test_packages and kind in ("", "local") and not country:
        locations = [*locations, state.catalogue.test_location]
    size = limit or max(1, len(locations))
    shown = locations[(page - 1) * size : page * size]
    topups = "topup" in request.query.get("include", "")
    language = languages.chosen(request.headers.get("accept-language", ""))
    tail = php_json(
        {
            "pricing": state.pricing,
            **links_and_meta(request, len(locations), size, page, len(shown)),
        }
    )
    # The locations are kept as JSON, so that the whole catalogue is a matter of joining bytes.
    chunks = [_encoded(state, location, topups, language) for location in shown]
    if page > 1 and state.options.keyed_pages and chunks:
        start = (page - 1) * size
        chunks = [b'"%d":%b' % (start + index, chunk) for index, chunk in enumerate(chunks)]
        data = b"{%b}" % b",".join(chunks)
    else:
        data = b"[%b]" % b",".join(chunks)
    return Response(200, b'{"data":%b,%b' % (data, tail[1:]))


def _encoded(state: EmulatorState, location: Location, topups: bool, language: str) -> bytes:
    encoded = location.encoded(topups, language)
    withdrawn = [name for name in state.withdrawn if b'"%b"' % name.encode() in encoded]
    if not withdrawn:
        return encoded
    content = json.loads(encoded)
    for operator in content["operators"]:
        operator["packages"] = [item for item in operator["packages"] if item["id"] not in withdrawn]
    return php_json(content)
