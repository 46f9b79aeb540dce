"""GET /v2/sims/{iccid}/instructions."""

from __future__ import annotations

import time
from typing import Any

from django_airalo.emulator import languages
from django_airalo.emulator.esims import body_of, find_esim
from django_airalo.emulator.faults import Fault
from django_airalo.emulator.messages import Request, Response, success
from django_airalo.emulator.state import EmulatorState

IOS_BY_QR = (
    "Go to Settings > Cellular/Mobile > Add eSIM.",
    "Scan the QR code.",
    "Tap Continue and wait until the eSIM is there.",
    "Give the eSIM a label you will recognise.",
    "Choose the eSIM for cellular/mobile data and keep your usual line for calls.",
)
IOS_BY_HAND = (
    "Go to Settings > Cellular/Mobile > Add eSIM.",
    "Tap Enter Details Manually.",
    "Enter the SM-DP+ address and the activation code.",
    "Give the eSIM a label you will recognise.",
)
IOS_NETWORK = ("Choose the eSIM under Cellular/Mobile.", "Turn on this line.", "Turn on data roaming.")
ANDROID_BY_QR = (
    "Go to Settings > Connections > SIM manager.",
    "Tap Add eSIM and scan the QR code.",
    "Confirm the plan and wait until the eSIM is there.",
)
ANDROID_BY_HAND = (
    "Go to Settings > Connections > SIM manager.",
    "Tap Add eSIM, Scan QR code and then Enter activation code.",
    "Enter the SM-DP+ address and the activation code.",
)
ANDROID_NETWORK = ("Turn on the eSIM in the SIM manager.", "Turn on mobile data.", "Turn on data roaming.")


def show(state: EmulatorState, request: Request, fault: Fault) -> Response:
    """Return the steps of installing an eSIM, in the language of ``Accept-Language``."""
    esim = body_of(find_esim(state, request.params[0]), time.time(), by_itself=True)
    language = languages.chosen(request.headers.get("accept-language", ""))

    def steps(texts: tuple[str, ...]) -> dict[str, str]:
        return {str(number): languages.marked(text, language) for number, text in enumerate(texts, 1)}

    def guide(
        version: str | None, by_qr: tuple[str, ...], by_hand: tuple[str, ...], network: tuple[str, ...], system: str
    ) -> dict[str, Any]:
        return {
            "model": None,
            "version": version,
            "installation_via_qr_code": {
                "steps": steps(by_qr),
                "qr_code_data": esim["qrcode"],
                "qr_code_url": esim["qrcode_url"],
                # Only iPhones have such an address.
                **({"direct_apple_installation_url": esim["direct_apple_installation_url"]} if system == "ios" else {}),
            },
            "installation_manual": {
                "steps": steps(by_hand),
                "smdp_address_and_activation_code": esim["lpa"],
            },
            "network_setup": {"steps": steps(network), **esim["apn"][system], "is_roaming": esim["is_roaming"]},
        }

    content = {
        "language": language.upper(),
        "ios": [
            guide("17.4", IOS_BY_QR, IOS_BY_HAND, IOS_NETWORK, "ios"),
            guide("14,15,16", IOS_BY_QR, IOS_BY_HAND, IOS_NETWORK, "ios"),
        ],
        "android": [guide(None, ANDROID_BY_QR, ANDROID_BY_HAND, ANDROID_NETWORK, "android")],
    }
    return success({"instructions": content})
