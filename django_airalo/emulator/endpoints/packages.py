"""GET /v2/packages."""

from __future__ import annotations

import json

from django_airalo.emulator import languages
from django_airalo.emulator.catalogue_parts import Place
from django_airalo.emulator.faults import Fault
from django_airalo.emulator.messages import Request, Response, php_json
from django_airalo.emulator.world import World

from .checks import paging
from .pages import links_and_meta


def index(world: World, request: Request, fault: Fault) -> Response:
    """Return countries and regions with their operators and packages.

    ``limit``, ``page`` and ``total`` count countries and regions, not packages. Without a limit all of them
    come in one answer of about 10 MB.
    """
    kind = request.query.get("filter[type]", "")
    country = request.query.get("filter[country]", "")
    problems = {}
    if kind not in ("", "local", "global"):
        problems["filter.type"] = "The selected type is not supported. Supported values:local, global."
    if country and not any(place.country_code == country.upper() for place in world.catalogue.places):
        problems["filter.country"] = "The selected country is not supported."
    limit, page = paging(request, problems)
    places = world.catalogue.find(kind, country)
    if world.options.list_test_packages and kind in ("", "local") and not country:
        places = [*places, world.catalogue.test_place]
    size = limit or max(1, len(places))
    shown = places[(page - 1) * size : page * size]
    topups = "topup" in request.query.get("include", "")
    language = languages.chosen(request.headers.get("accept-language", ""))
    tail = php_json(
        {
            "pricing": world.pricing,
            **links_and_meta(request, len(places), size, page, len(shown)),
        }
    )
    # The places are kept as JSON, so that the whole catalogue is a matter of joining bytes.
    chunks = [_encoded(world, place, topups, language) for place in shown]
    if page > 1 and world.options.keyed_pages and chunks:
        start = (page - 1) * size
        chunks = [b'"%d":%b' % (start + index, chunk) for index, chunk in enumerate(chunks)]
        data = b"{%b}" % b",".join(chunks)
    else:
        data = b"[%b]" % b",".join(chunks)
    return Response(200, b'{"data":%b,%b' % (data, tail[1:]))


def _encoded(world: World, place: Place, topups: bool, language: str) -> bytes:
    encoded = place.encoded(topups, language)
    withdrawn = [name for name in world.withdrawn if b'"%b"' % name.encode() in encoded]
    if not withdrawn:
        return encoded
    content = json.loads(encoded)
    for operator in content["operators"]:
        operator["packages"] = [item for item in operator["packages"] if item["id"] not in withdrawn]
    return php_json(content)
