"""A local stand-in for Airalo's Partner API, with its own ledger, signed webhooks and faults on request.

It is a second, independent reading of Airalo's documentation and shares no code with the rest of this
project, so that one misreading cannot hide in both. ``python -m django_airalo.emulator`` runs it alone.
"""

from .core import EmulatorCore
from .emulator import Emulator, PortTakenError
from .options import DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET, Options

__all__ = ["DEFAULT_CLIENT_ID", "DEFAULT_CLIENT_SECRET", "Emulator", "EmulatorCore", "Options", "PortTakenError"]
