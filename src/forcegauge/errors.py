"""The exceptions of ForceGauge: what went wrong decides the class, the message says the remedy.

ForceGaugeError             a person can mend it: one line, exit code 2
├── BadInput                an option, a file or a value that cannot be used
│   └── UnknownName         no model, benchmark, case, suite... of that name; the nearest are offered
├── StoreError              the results folder cannot be used as asked
│   ├── StoreInUse          another run is writing to it
│   └── NewerSchema         it was written by a newer ForceGauge
├── DataUnavailable         a dataset is neither in the cache, nor in a mirror, nor on the network
│   └── ChecksumMismatch    bytes arrived, but not the right ones
└── ModelUnavailable        an environment does not build, or a model does not load in it
Failure                     a potential's final word on one case: recorded, never shown as a crash
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, Literal, get_args

FailureKind = Literal[
    "unsupported_element",
    "not_implemented",
    "non_finite",
    "exploded",
    "not_converged",
    "out_of_memory",
    "timeout",
    "crashed",
    "environment",
    "bug",
]
FAILURE_KINDS: tuple[FailureKind, ...] = get_args(FailureKind)
FINAL_KINDS: frozenset[FailureKind] = frozenset(
    {"unsupported_element", "not_implemented", "non_finite", "exploded", "not_converged"}
)
"""Kinds that are a property of the potential; all others are tried again by the next run."""


class ForceGaugeError(Exception):
    """Anything that the user can mend; the message is one clear line."""


class BadInput(ForceGaugeError):
    """An option, a file or a value that cannot be used."""


class UnknownName(BadInput):
    """A name that nothing answers to.

    Args:
        what: the noun of what was looked for, such as ``model``.
        name: what was asked.
        known: every allowed name; the nearest are offered.
        remedy: what to do instead, a half sentence.
    """

    def __init__(self, what: str, name: str, known: Iterable[str], remedy: str = "") -> None:
        known = list(known)
        folded = {candidate.lower(): candidate for candidate in known}
        near = [folded[match] for match in difflib.get_close_matches(name.lower(), folded, n=3, cutoff=0.5)]
        if near:
            hint = "did you mean " + " or ".join(f"'{candidate}'" for candidate in near) + "?"
        elif len(known) <= 12:
            hint = "there are: " + ", ".join(known) if known else "there are none"
        else:
            hint = f"there are {len(known)}, none like it"
        super().__init__(f"no {what} '{name}': {hint}" + (f" {remedy}" if remedy else ""))


class StoreError(ForceGaugeError):
    """The results folder cannot be used as asked."""


class StoreInUse(StoreError):
    """Another run holds the lock of the results folder."""


class NewerSchema(StoreError):
    """The store was written by a newer ForceGauge than this one."""


class DataUnavailable(ForceGaugeError):
    """A dataset is neither in the cache, nor in a mirror, nor on the network."""


class ChecksumMismatch(DataUnavailable):
    """Bytes arrived, but their SHA-256 is not the registered one."""


class ModelUnavailable(ForceGaugeError):
    """An environment does not build, or a model does not load in it."""


class Failure(Exception):
    """What a potential could not do for one structure or case; a record as well as an exception.

    Args:
        kind: one of :data:`FAILURE_KINDS`.
        message: one line for the table of failures.
        traceback: the details, for whoever mends it; may be empty.
    """

    def __init__(self, kind: FailureKind, message: str, traceback: str = "") -> None:
        if kind not in FAILURE_KINDS:
            raise ValueError(f"failure kind {kind!r} is none of {', '.join(FAILURE_KINDS)}")
        super().__init__(kind, message, traceback)
        self.kind: FailureKind = kind
        self.message = message
        self.traceback = traceback

    @property
    def is_final(self) -> bool:
        """Whether a rerun would only repeat this answer."""
        return self.kind in FINAL_KINDS

    def as_dict(self) -> dict[str, str]:
        """Plain text fields, for the wire and the store."""
        return {"kind": self.kind, "message": self.message, "traceback": self.traceback}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Failure:
        """The failure that :meth:`as_dict` described."""
        return cls(fields["kind"], fields["message"], fields.get("traceback", ""))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Failure) and self.as_dict() == other.as_dict()

    def __hash__(self) -> int:
        return hash(self.args)

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}"
