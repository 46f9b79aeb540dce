"""GET /v2/compatible-devices-lite."""

from __future__ import annotations

from django_airalo.emulator.faults import Fault
from django_airalo.emulator.messages import Request, Response
from django_airalo.emulator.state import EmulatorState

# Invented, but for the two systems: brand, how many devices, and how they are called.
_SERIES = (
    ("ios", "Apple", "iPhone", ("XS", "11", "12", "13", "14", "15", "16", "17")),
    ("ios", "Apple", "iPad Pro", ("11", "12.9")),
    ("android", "Google", "Pixel", ("4", "5", "6", "7", "8", "9", "10")),
    ("android", "Samsung", "Galaxy S", ("20", "21", "22", "23", "24", "25")),
    ("android", "Examplo", "Roamer", ("One", "Two", "Three")),
)
DEVICES = [
    {"os": system, "brand": brand, "name": f"{series}{'' if series.endswith('S') else ' '}{model}"}
    for system, brand, series, models in _SERIES
    for model in models
]


def index(state: EmulatorState, request: Request, fault: Fault) -> Response:
    """Return the devices that can have an eSIM."""
    return Response.of(200, {"data": DEVICES})
