"""The emulator without a socket and without a thread: a request goes in, a response comes out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from . import control
from .catalogue import Catalogue, invented_catalogue
from .delivery import Deliverer
from .dispatch import Outcome, dispatch
from .fault_rules import FaultRules
from .faults import Fault
from .ledger import Ledger
from .limits import RateLimits
from .messages import Request
from .operations import Operations
from .options import Options
from .state import EmulatorState


class EmulatorCore(Operations):
    """Airalo's Partner API as a function. Keywords are the fields of ``Options``.

    Args:
        options: all options at once, in place of the keywords.
        script: the path of a JSON file with rules of what goes wrong.
        catalogue_of: returns the catalogue for a seed and for whether prices are discounts.
    """

    def __init__(
        self,
        options: Options | None = None,
        *,
        script: Path | str | None = None,
        catalogue_of: Callable[[int, bool], Catalogue] = invented_catalogue,
        **keywords: Any,
    ) -> None:
        self.options: Options = replace(options, **keywords) if options else Options(**keywords)
        self._faults = FaultRules(self.options)
        if script:
            self._faults.load(script)
        self._catalogue_of = catalogue_of
        self._state: EmulatorState | None = None

    def open(self, deliverer_of: Callable[[EmulatorState], Deliverer]) -> EmulatorState:
        """Open the ledger.

        Args:
            deliverer_of: returns what takes the webhooks to the shop.

        Raises:
            ValueError: for a ledger that knows packages of another seed.
        """
        options = self.options
        ledger = Ledger(options.ledger, options.balance)
        made_with = ledger.first_value("seed", str(options.seed))
        if made_with != str(options.seed):
            ledger.close()
            raise ValueError(
                f"The ledger {options.ledger} was made with the catalogue of seed {made_with}, not {options.seed}."
            )
        state = EmulatorState(options, ledger, self._faults, RateLimits(options), catalogue_of=self._catalogue_of)
        state.deliverer = deliverer_of(state)
        self._state = state
        return state

    def close(self) -> None:
        """Close the ledger. Harmless when it is not open."""
        if self._state is not None:
            self._state.ledger.close()

    @property
    def state(self) -> EmulatorState:
        """What the handlers share. Raises RuntimeError before the start."""
        if self._state is None:
            raise RuntimeError("the emulator was not started")
        return self._state

    def dispatch(self, request: Request, fault: Fault | None = None) -> Outcome:
        """Carry out a request and return what to send; everything it changed is committed by then.

        Args:
            request: a call of the imitated API, or of the control routes.
            fault: what goes wrong with it, in place of what the rules say.
        """
        if request.path.startswith(control.PREFIX):
            return Outcome(control.dispatch(self, request))
        return dispatch(self.state, request, fault)

    # --- faults ---

    def script(self, rules: list[dict[str, Any]]) -> None:
        """Add rules, as in a script file. Raises ValueError if one is not understood; then none is added."""
        self._faults.add(rules)

    def fault(self, do: str | dict[str, Any], endpoint: str | None = None, **rule: Any) -> None:
        """Add one rule: what goes wrong (a preset's name or a dict), and with which calls; once unless ``times``."""
        self._faults.add([{"do": do, "endpoint": endpoint, **rule}])

    def clear_faults(self) -> None:
        """Let nothing go wrong any more: no rule, no outage, no random fault."""
        self._faults.clear()

    def outage(self, do: str | dict[str, Any], seconds: float | None = None, endpoint: str | None = None) -> None:
        """Let the same fault happen to every call (of ``endpoint``): for ``seconds``, or until ``end_outage()``."""
        self._faults.begin_outage(do, seconds, endpoint)

    def end_outage(self) -> None:
        """End an outage; the connections of calls that hang are reset."""
        self._faults.end_outage()
