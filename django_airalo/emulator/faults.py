"""Something that goes wrong with one call, as a script describes it."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from .fault_presets import PRESETS

WEBHOOK_KINDS = ("success", "failure", "none", "failure-then-success", "success-then-failure")
SHAPES = ("enveloped", "flat", "nested")
#: Field of a fault: what it may be.
CHOICES: dict[str, tuple[str | None, ...]] = {
    "webhook": WEBHOOK_KINDS,
    "webhook_shape": (None, *SHAPES),
    "again_shape": (None, *SHAPES),
    "close": ("", "before", "after"),
    "repeat_iccid": ("", "order", "previous"),
    "iccid_form": ("", "blanks", "dashes", "trailing-f", "letters", "15", "24"),
    "codes": ("", "late", "never", "parts", "no-prefix", "changed"),
    "codes_later_in": ("everywhere", "sims"),
    "rest": ("webhook", "list", "sims", "never"),
}


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one call. Nothing set means nothing goes wrong. Durations are seconds."""

    name: str = ""  # shown in the ledger
    # before and after the call is carried out
    delay: float = 0.0
    delay_after: float = 0.0
    close: str = ""  # "before" or "after" the call was carried out: the connection is reset
    hang: float = 0.0  # no answer for so many seconds, then the connection is reset; carried out only if ``bought``
    outage: float = 0.0  # from this call on, the same happens to every call for so many seconds
    # another answer than the true one
    status: int | None = None
    body: Any = None  # text is sent as it is, anything else as JSON
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    code: int | None = None  # a documented business code, with its status and reason
    bought: bool = False  # the call is carried out before the other answer is given
    # the true answer, damaged
    omit: tuple[str, ...] = ()  # keys taken out of the answer's data
    replace: dict[str, Any] = field(default_factory=dict)  # values by dotted path; * is each item of a list
    truncate: bool = False  # half of the body, as if that were all
    cut: bool = False  # the whole length is announced, half is sent, then the connection is closed
    drip: float = 0.0  # the body is sent in pieces over so many seconds
    # the webhook
    webhook: str = "success"
    webhook_delay: float | None = None  # between the 202 and fulfilment; None: as the emulator does by default
    webhook_first: bool = False  # fulfil and push before the answer leaves
    webhook_wait: float = 0.0  # between fulfilment and the webhook, which says what was true at fulfilment
    webhook_shape: str | None = None
    copies: int = 1
    parallel: bool = False  # all copies at once, else one after the other
    again_after: float | None = None  # so many seconds after the first, the webhook is sent once more
    again_shape: str | None = None  # that time in this shape, so that its bytes differ; None: the same bytes
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
    iccid_form: str = ""  # how the ICCIDs are written: blanks, dashes, trailing-f, letters, 15, 24
    codes: str = ""  # the activation codes: late, never, parts (no QR code), no-prefix (no LPA:), changed
    codes_delay: float = 2.0  # seconds until late or changed codes are there
    codes_later_in: str = "everywhere"  # where they are then: "sims" is GET /v2/sims alone, the order list stays behind
    first_sims: int | None = None  # the answer, the webhook and the list have only the first so many eSIMs
    rest: str = "never"  # where the others come: webhook (a second one, and the list), list, sims (GET /v2/sims alone)
    rest_delay: float = 2.0  # after so many seconds
    rest_only: bool = False  # the second webhook has only the others, not all
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
                check_type(item.name, str(item.type), described[item.name])
        described["omit"] = tuple(described.get("omit", ()))
        for choice, allowed in CHOICES.items():
            if choice in described and described[choice] not in allowed:
                raise ValueError(f"{choice} must be one of {', '.join(name for name in allowed if name)}")
        described.setdefault("name", ",".join(sorted(key for key in do if key != "preset")))
        return cls(**described)

    @property
    def answers(self) -> bool:
        """Whether another answer than the true one is given."""
        return self.status is not None or self.code is not None


def check_type(name: str, wanted: str, value: Any) -> None:
    """Raise ValueError when a value cannot be meant: a fault that breaks the emulator tests nothing."""
    kinds: dict[str, tuple[type, ...]] = {
        "bool": (bool,),
        "int": (int,),
        "float": (int, float),
        "str": (str,),
        "tuple[str, ...]": (list, tuple),
        "dict[str, str]": (dict,),
        "dict[str, Any]": (dict,),
    }
    base = wanted.removesuffix(" | None")
    if base not in kinds or (value is None and base != wanted):
        return
    if not isinstance(value, kinds[base]) or (isinstance(value, bool) and base != "bool"):
        raise ValueError(f"{name} cannot be {value!r}")
