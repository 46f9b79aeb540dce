"""Complete the activation codes of an eSIM from the parts that Airalo sends."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import parse_qs, quote, urlsplit

#: GSMA SGP.22: the format 1, the SM-DP+ address, the matching id, and up to two optional fields.
WELL_FORMED = re.compile(r"(?:LPA:)?(?P<rest>1\$(?P<address>[^$]+)\$(?P<matching_id>[^$]*)(?:\$[^$]*){0,2})", re.I)
#: Airalo documents this link as ``direct_apple_installation_url``; iOS 17.4 and later install from it.
APPLE_LINK = "https://esimsetup.apple.com/esim_qrcode_provisioning?carddata="


@dataclass(frozen=True, kw_only=True, slots=True)
class InstallationCodes:
    """The codes that a customer needs to install an eSIM. Unknown ones are empty.

    ``is_well_formed`` says whether ``activation_code`` is an LPA string that a phone can read.
    """

    activation_code: str = field(default="", repr=False)
    smdp_address: str = field(default="", repr=False)
    matching_id: str = field(default="", repr=False)
    apple_installation_url: str = field(default="", repr=False)
    is_well_formed: bool = False


def apple_link(activation_code: str) -> str:
    """Return the link that installs the eSIM of an LPA string on an iPhone."""
    return APPLE_LINK + quote(activation_code, safe=":$")


def complete(
    *, activation_code: str = "", smdp_address: str = "", matching_id: str = "", apple_installation_url: str = ""
) -> InstallationCodes:
    """Return the codes of an eSIM, with missing ones derived from the others.

    The LPA string is the first of these that is well-formed: the given one (``LPA:`` is added if it is missing); the
    one in the field of the SM-DP+ address; the one made from the SM-DP+ address and the matching id; the one inside the
    Apple link. If none is, the given one is returned unchanged.
    """
    for text in _candidates(activation_code, smdp_address, matching_id, apple_installation_url):
        if found := WELL_FORMED.fullmatch(text):
            code = f"LPA:{found['rest']}"
            is_link = apple_installation_url.startswith("https://")
            return InstallationCodes(
                activation_code=code,
                smdp_address=found["address"]
                if WELL_FORMED.fullmatch(smdp_address)
                else smdp_address or found["address"],
                matching_id=matching_id or found["matching_id"],
                apple_installation_url=apple_installation_url if is_link else apple_link(code),
                is_well_formed=True,
            )
    return InstallationCodes(
        activation_code=activation_code,
        smdp_address=smdp_address,
        matching_id=matching_id,
        apple_installation_url=apple_installation_url,
    )


def _candidates(activation_code: str, smdp_address: str, matching_id: str, link: str) -> Iterator[str]:
    for text in (activation_code, smdp_address):
        yield re.sub(r"\s", "", text)
    if smdp_address and matching_id:
        yield re.sub(r"\s", "", f"LPA:1${smdp_address}${matching_id}")
    try:
        yield from parse_qs(urlsplit(link).query).get("carddata", [])
    except ValueError:  # urlsplit raises for an unpaired [
        return
