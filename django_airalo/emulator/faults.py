"""Things that go wrong on request: rules of a script, or drawn at random from a seed."""

from __future__ import annotations

import json
import random
import threading
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

WEBHOOK_KINDS = ("success", "failure", "none", "failure-then-success", "success-then-failure")
REPEATS = ("order", "previous")


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one call. Nothing set means nothing goes wrong. Durations are seconds."""

    name: str = ""  # shown in the ledger
    # before and after the call is carried out
    delay: float = 0.0
    delay_after: float = 0.0
    close: str = ""  # "before" or "after" the call was carried out: the connection is reset
    # another answer than the true one
    status: int | None = None
    body: Any = None  # text is sent as it is, anything else as JSON
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    code: int | None = None  # a documented business code, with its status and reason
    bought: bool = False  # the call is carried out all the same before that other answer is given
    # the true answer, damaged
    omit: tuple[str, ...] = ()  # keys taken out of the answer's data
    truncate: bool = False  # half of the body, as if that were all
    cut: bool = False  # the whole length is announced, half is sent, then the connection is closed
    drip: float = 0.0  # the body is sent in pieces over so many seconds
    # the webhook
    webhook: str = "success"
    webhook_delay: float | None = None  # between the 202 and fulfilment; None: as the emulator does by default
    webhook_first: bool = False  # fulfil and push before the answer leaves
    webhook_shape: str | None = None
    copies: int = 1
    parallel: bool = False  # all copies at once, else one after the other
    hold_for: int = 0  # wait until webhooks of so many later orders were sent …
    hold_at_most: float = 10.0  # … but no longer than this
    failure_code: int = 34
    failure_reason: str | None = None
    failure_has_code: bool | None = None
    failure_has_request_id: bool | None = None
    failure_enveloped: bool | None = None
    # what is delivered
    more_sims: int = 0  # so many eSIMs more than ordered; negative: fewer
    repeat_iccid: str = ""  # "order": all eSIMs of it share one ICCID; "previous": the first has the last order's
    no_iccid: bool = False  # the first eSIM has none
    listing_delay: float | None = None
    twin: bool = False  # a second order with the same description is bought too

    @classmethod
    def parse(cls, do: str | dict[str, Any]) -> Fault:
        """Return the fault named by a preset, or described by a dict; ``{"preset": "x", …}`` builds on one.

        Raises ValueError for anything not known, because a misspelt fault that never happens is a false test.
        """
        if isinstance(do, str):
            do = {"preset": do}
        if not isinstance(do, dict):
            raise ValueError("a fault is the name of a preset or an object")
        described = dict(do)
        preset = described.pop("preset", "")
        if preset:
            if preset not in PRESETS:
                raise ValueError(f"no fault is called {preset!r}; there are {', '.join(sorted(PRESETS))}")
            described = {"name": preset, **PRESETS[preset], **described}
        unknown = set(described) - {item.name for item in fields(cls)}
        if unknown:
            raise ValueError(f"a fault has no {', '.join(sorted(unknown))}")
        for item in fields(cls):
            if item.name in described:
                _check_type(item.name, str(item.type), described[item.name])
        described["omit"] = tuple(described.get("omit", ()))
        if described.get("webhook", "success") not in WEBHOOK_KINDS:
            raise ValueError(f"webhook must be one of {', '.join(WEBHOOK_KINDS)}")
        if described.get("close", "") not in ("", "before", "after"):
            raise ValueError("close must be before or after")
        if described.get("repeat_iccid", "") not in ("", *REPEATS):
            raise ValueError("repeat_iccid must be order or previous")
        described.setdefault("name", ",".join(sorted(key for key in do if key != "preset")))
        return cls(**described)

    @property
    def answers(self) -> bool:
        """Whether another answer than the true one is given."""
        return self.status is not None or self.code is not None


def _check_type(name: str, wanted: str, value: Any) -> None:
    """Raise ValueError when a value cannot be meant: a fault that breaks the emulator tests nothing."""
    kinds: dict[str, tuple[type, ...]] = {
        "bool": (bool,),
        "int": (int,),
        "float": (int, float),
        "str": (str,),
        "tuple[str, ...]": (list, tuple),
        "dict[str, str]": (dict,),
    }
    base = wanted.removesuffix(" | None")
    if base not in kinds or (value is None and base != wanted):
        return
    if not isinstance(value, kinds[base]) or (isinstance(value, bool) and base != "bool"):
        raise ValueError(f"{name} cannot be {value!r}")


HTML = "<!DOCTYPE html><html><body><h1>502 Bad Gateway</h1></body></html>"

# Name: fault. Those in RANDOM are drawn by a fault rate.
PRESETS: dict[str, dict[str, Any]] = {
    "none": {},
    "slow": {"delay": 2.0},
    "close-before": {"close": "before"},
    "close-after": {"close": "after"},
    "500": {"status": 500, "body": {"message": "Server Error"}},
    "500-bought": {"status": 500, "body": {"message": "Server Error"}, "bought": True},
    "502": {"status": 502, "body": HTML, "content_type": "text/html"},
    "502-bought": {"status": 502, "body": HTML, "content_type": "text/html", "bought": True},
    "503": {"status": 503, "body": {"message": "Service Unavailable"}},
    "503-bought": {"status": 503, "body": {"message": "Service Unavailable"}, "bought": True},
    "503-retry-after": {
        "status": 503,
        "body": {"message": "Service Unavailable"},
        "headers": {"Retry-After": "2"},
    },
    "504": {"status": 504, "body": HTML, "content_type": "text/html"},
    "504-bought": {"status": 504, "body": HTML, "content_type": "text/html", "bought": True},
    "429": {"status": 429, "body": {"message": "Too Many Attempts."}, "headers": {"Retry-After": "2"}},
    "429-bare": {"status": 429, "body": {"message": "Too Many Attempts."}},
    "401": {"status": 401, "body": {"data": [], "meta": {"message": "This action is unauthorized."}}},
    "403-allowlist": {"code": 89},
    "html": {"status": 200, "body": HTML, "content_type": "text/html", "bought": True},
    "truncated": {"truncate": True},
    "cut": {"cut": True},
    "drip": {"drip": 3.0},
    "no-request-id": {"omit": ("request_id",)},
    "no-webhook": {"webhook": "none"},
    "duplicate": {"copies": 2},
    "twenty-at-once": {"copies": 20, "parallel": True},
    "webhook-first": {"webhook_first": True},
    "reorder": {"hold_for": 1},
    "failure": {"webhook": "failure"},
    "failure-then-success": {"webhook": "failure-then-success"},
    "success-then-failure": {"webhook": "success-then-failure"},
    "fewer-sims": {"more_sims": -1},
    "more-sims": {"more_sims": 1},
    "repeat-iccid": {"repeat_iccid": "previous"},
    "no-iccid": {"no_iccid": True},
    "twin": {"twin": True},
}
RANDOM_ANY = ("close-before", "500", "502", "503", "503-retry-after", "504", "429", "cut")
RANDOM_BUYING = (
    *RANDOM_ANY,
    "close-after",
    "500-bought",
    "502-bought",
    "503-bought",
    "504-bought",
    "html",
    "truncated",
    "no-webhook",
    "duplicate",
    "twenty-at-once",
    "webhook-first",
    "reorder",
)
BUYING = ("orders", "orders-async", "topups", "future-orders", "voucher-esim", "voucher-airmoney", "refund")


@dataclass
class Rule:
    """One line of a script: which calls, and what goes wrong with them."""

    fault: Fault
    endpoint: str | None = None  # None: any
    call: int | None = None  # the n-th call of the endpoint, from 1 on
    package_id: str | None = None  # a pattern with * and ?
    description: str | None = None  # a pattern with * and ?
    times: int | None = 1  # None: always
    used: int = 0

    @classmethod
    def parse(cls, content: Any) -> Rule:
        """Return the rule described by an object of a script. Raises ValueError if it is not understood."""
        if not isinstance(content, dict) or "do" not in content:
            raise ValueError('a rule is an object with at least "do"')
        unknown = set(content) - {"do", "endpoint", "call", "package_id", "description", "times"}
        if unknown:
            raise ValueError(f"a rule has no {', '.join(sorted(unknown))}")
        rest = {key: value for key, value in content.items() if key != "do"}
        for name in ("call", "times"):
            _check_type(name, "int | None", rest.get(name))
        for name in ("endpoint", "package_id", "description"):
            _check_type(name, "str | None", rest.get(name))
        return cls(Fault.parse(content["do"]), **rest)

    def matches(self, endpoint: str, call: int, package_id: str, description: str) -> bool:
        """Whether the rule is for this call and not used up."""
        return (
            (self.times is None or self.used < self.times)
            and self.endpoint in (None, endpoint)
            and self.call in (None, call)
            and (self.package_id is None or fnmatchcase(package_id, self.package_id))
            and (self.description is None or fnmatchcase(description, self.description))
        )


class FaultBook:
    """All rules in force. The first that matches a call is used; without one, the fault rate may strike."""

    def __init__(self, rate: float = 0.0, seed: int = 1) -> None:
        self.rate = rate
        self.seed = seed
        self._rules: list[Rule] = []
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
        """Remove all rules and set the fault rate to nothing."""
        with self._lock:
            self._rules = []
            self.rate = 0.0

    def choose(self, endpoint: str, call: int, package_id: str, description: str) -> Fault:
        """Return what goes wrong with this call.

        Random faults depend on the seed, the endpoint and the number of the call alone, so that a run can be
        repeated however its threads interleave.
        """
        with self._lock:
            for rule in self._rules:
                if rule.matches(endpoint, call, package_id, description):
                    rule.used += 1
                    return rule.fault
            if self.rate:
                draw = random.Random(f"{self.seed}:{endpoint}:{call}")  # noqa: S311  reproducible, not secret
                if draw.random() < self.rate:
                    return Fault.parse(draw.choice(RANDOM_BUYING if endpoint in BUYING else RANDOM_ANY))
        return Fault()
