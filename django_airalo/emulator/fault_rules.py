"""Which call something goes wrong with: a rule of a script, an outage, or a draw from a seed."""

from __future__ import annotations

import json
import math
import random
import threading
import time
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from .fault_presets import drawn_from
from .faults import Fault, check_type
from .options import Options

NOTHING = Fault()


@dataclass(frozen=True)
class Call:
    """What a rule can look at: the endpoint, which call of it this is, and two fields of the body."""

    endpoint: str
    number: int = 1
    package_id: str = ""
    description: str = ""
    attempt: int = 1  # which call of the endpoint with this description it is


@dataclass
class Rule:
    """One line of a script: which calls, and what goes wrong with them."""

    fault: Fault
    endpoint: str | None = None  # None: any
    call: int | None = None  # the n-th call of the endpoint, from 1 on
    package_id: str | None = None  # a pattern with * and ?
    description: str | None = None  # a pattern with * and ?
    attempt: int | None = None  # the n-th call of the endpoint with the same description, from 1 on
    times: int | None = 1  # None: always
    used: int = 0

    @classmethod
    def parse(cls, content: Any) -> Rule:
        """Return the rule described by an object of a script. Raises ValueError if it is not understood."""
        if not isinstance(content, dict) or "do" not in content:
            raise ValueError('a rule is an object with at least "do"')
        unknown = set(content) - {"do", "endpoint", "call", "package_id", "description", "attempt", "times"}
        if unknown:
            raise ValueError(f"a rule has no {', '.join(sorted(unknown))}")
        rest = {key: value for key, value in content.items() if key != "do"}
        for name in ("call", "attempt", "times"):
            check_type(name, "int | None", rest.get(name))
        for name in ("endpoint", "package_id", "description"):
            check_type(name, "str | None", rest.get(name))
        return cls(Fault.parse(content["do"]), **rest)

    def matches(self, call: Call) -> bool:
        """Return whether the rule is for this call and not used up."""
        return (
            (self.times is None or self.used < self.times)
            and self.endpoint in (None, call.endpoint)
            and self.call in (None, call.number)
            and self.attempt in (None, call.attempt)
            and (self.package_id is None or fnmatchcase(call.package_id, self.package_id))
            and (self.description is None or fnmatchcase(call.description, self.description))
        )


@dataclass(frozen=True)
class Outage:
    """What happens to every call (or every call of one endpoint) until a moment of the monotonic clock."""

    fault: Fault
    until: float
    endpoint: str | None = None


class FaultRules:
    """All that goes wrong: an outage first, else the first rule that matches, else what the fault rate draws."""

    def __init__(self, options: Options | None = None) -> None:
        self._options = options or Options()
        self._rules: list[Rule] = []
        self._outage: Outage | None = None
        self._released = 0  # grows whenever calls that hang are let go
        self._lock = threading.Lock()

    def add(self, rules: list[Any]) -> None:
        """Add rules given as the objects of a script; none is added if one is wrong (ValueError)."""
        if not isinstance(rules, list):
            raise ValueError("a script is a list of rules")
        parsed = [Rule.parse(rule) for rule in rules]
        with self._lock:
            self._rules += parsed

    def load(self, path: Path | str) -> None:
        """Add the rules of a JSON file. Raises ValueError if it cannot be read or understood."""
        try:
            rules = json.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ValueError(f"the script {path} cannot be read: {error}") from error
        self.add(rules)

    def clear(self) -> None:
        """Remove all rules, end an outage, let hanging calls go and set the fault rate to nothing."""
        with self._lock:
            self._rules = []
            self._options.fault_rate = 0.0
        self.end_outage()

    # --- outages ---

    def begin_outage(self, do: str | dict[str, Any], seconds: float | None = None, endpoint: str | None = None) -> None:
        """Let the same fault happen to every call, or to every call of one endpoint.

        Args:
            do: a fault, as in a rule.
            seconds: how long; None is until ``end_outage()``.
            endpoint: the name of an endpoint; None is all.

        Raises:
            ValueError: for a fault that is not understood.
        """
        check_type("seconds", "float | None", seconds)
        check_type("endpoint", "str | None", endpoint)
        fault = replace(Fault.parse(do), outage=0.0)
        until = math.inf if seconds is None else time.monotonic() + seconds
        with self._lock:
            self._outage = Outage(fault, until, endpoint)

    def end_outage(self) -> None:
        """Let every call be answered again; those that hang are ended with a reset of their connection."""
        with self._lock:
            self._outage = None
            self._released += 1

    @property
    def used(self) -> int:
        """How often a rule was used."""
        with self._lock:
            return sum(rule.used for rule in self._rules)

    @property
    def released(self) -> int:
        """How often hanging calls were let go. Read it before ``choose()``; ``hang()`` compares."""
        return self._released

    def hang(self, fault: Fault, released: int, stopping: threading.Event) -> None:
        """Wait as long as a call hangs: ``fault.hang`` seconds, or until calls are let go or the emulator stops."""
        end = time.monotonic() + fault.hang
        while time.monotonic() < end and self._released == released and not stopping.wait(0.05):
            continue

    # --- each call ---

    def choose(self, call: Call) -> Fault:
        """Return what goes wrong with this call.

        Random faults depend on the seed, the endpoint and the number of the call alone, so that a run can be
        repeated however its threads interleave.
        """
        with self._lock:
            during_outage = self._of_outage(call)
            if during_outage:
                return during_outage
            for rule in self._rules:
                if rule.matches(call):
                    rule.used += 1
                    return self._begun(rule.fault)
            return self._begun(self._drawn(call))

    def _of_outage(self, call: Call) -> Fault | None:
        outage, now = self._outage, time.monotonic()
        if outage is None or outage.endpoint not in (None, call.endpoint):
            return None
        if now >= outage.until:
            self._outage = None
            return None
        return replace(outage.fault, hang=outage.until - now) if outage.fault.hang else outage.fault

    def _begun(self, fault: Fault) -> Fault:
        if fault.outage:
            self._outage = Outage(replace(fault, outage=0.0), time.monotonic() + fault.outage)
        return fault

    def _drawn(self, call: Call) -> Fault:
        options = self._options
        draw = random.Random(f"{options.seed}:{call.endpoint}:{call.number}")  # noqa: S311  reproducible, not secret
        names = drawn_from(options.random_faults, call.endpoint)
        if not options.fault_rate or draw.random() >= options.fault_rate or not names:
            return NOTHING
        return Fault.parse(draw.choice(names))
