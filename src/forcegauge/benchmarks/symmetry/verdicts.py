"""What the measured facts mean for a model's card: one line per check, ok, notable, or failing what the card claims."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from ase.data import atomic_numbers

from forcegauge.benchmarks.base import Outcomes, Scores
from forcegauge.benchmarks.symmetry.checks import SIZES
from forcegauge.benchmarks.symmetry.declared import METRICS
from forcegauge.benchmarks.symmetry.scores import largest_asked, nonsense
from forcegauge.errors import FAILURE_KINDS, Failure
from forcegauge.metrics.conformance import REFERENCE_KINDS
from forcegauge.metrics.uncertainty import estimate
from forcegauge.potential import PROPERTIES
from forcegauge.records import Metric, Raw

OK, NOTABLE, FAILS, UNDECIDED, UNTESTED = "ok", "notable", "fails", "undecided", "untested"
_IF_CONSERVATIVE = ("force-consistency", "stress-consistency", "net-force", "energy-jump", "force-jump")
_CASES = {
    "force-consistency": "forces",
    "net-force": "forces",
    "stress-consistency": "stress",
    "energy-jump": "cutoff-crossing",
    "force-jump": "cutoff-crossing",
    "sizes-answered": "sizes",
}
_IF_MIRRORED = ("inversion-energy", "inversion-force")
_EXTENTS = {
    "forces": "coordinates of a structure",
    "stress": "solids",
    "cutoff-crossing": "elements",
    "sizes": "atoms",
}
_FUNCTIONALS = {"r2scan": r"\br2SCAN\b", "pbe": r"\bPBE\b"}
_REFUSALS = ("unsupported_element", "not_implemented")
_STEP = 0.06  # Å; the scan's step, by which the reach may be off


@dataclass(frozen=True)
class Verdict:
    """One line of the table.

    Args:
        check: the metric's key, or the name of a fact.
        value: what was measured, NaN where nothing was.
        unit: of the value.
        verdict: ok, notable (outside the good anchor, or a fact that the card does not mention), fails (beyond the bad
            anchor, or against the card), undecided, untested.
        note: why, for people; may be empty.
    """

    check: str
    value: float
    unit: str
    verdict: str
    note: str = ""


def verdicts(outcomes: Outcomes, scores: Scores, claims: Mapping[str, Any]) -> list[Verdict]:
    """All lines of one model.

    Args:
        outcomes: of the benchmark ``conformance``.
        scores: of its analysis.
        claims: fields of the model's card: ``conservative``, ``mirror_symmetric``, ``properties``, ``theory``,
            ``energy_reference``, and ``known``: causes by check, of what the model is known not to meet.
    """
    lines = [_of_metric(metric, outcomes, scores, claims) for metric in METRICS]
    return [_explained(line, claims.get("known") or {}) for line in (*lines, *_facts(outcomes, scores, claims))]


def _explained(line: Verdict, known: Mapping[str, str]) -> Verdict:
    """The same with the card's cause; a card that tells of a defect is not failed by it."""
    if line.check not in known or line.verdict not in (NOTABLE, FAILS):
        return line
    return replace(line, verdict=NOTABLE, note="; ".join(filter(None, (line.note, f"card: {known[line.check]}"))))


def _of_metric(metric: Metric, outcomes: Outcomes, scores: Scores, claims: Mapping[str, Any]) -> Verdict:
    value = estimate([one.get(metric.score, np.nan) for one in scores.values()], metric.aggregate, n_resamples=1).value
    if np.isnan(value):
        return _without_value(metric, outcomes)
    off, good, bad = (metric.distance(number) for number in (value, metric.good, metric.bad))
    verdict = OK if off <= good else NOTABLE if off <= bad else FAILS
    note = _notes(metric, outcomes, scores)
    if metric.key in _IF_CONSERVATIVE and verdict == FAILS and claims.get("conservative") is not True:
        said = "says so" if claims.get("conservative") is False else "claims nothing"
        verdict, note = NOTABLE, f"no gradient of the energy; the card {said}"
    if metric.key in _IF_MIRRORED and verdict != OK and not _is_mirrored(outcomes, claims):
        verdict, note = NOTABLE, "as the card says: not made to be mirror-symmetric"
    fewer = _fewer(_case_of(metric), outcomes)
    return Verdict(metric.key, value, metric.unit, verdict, "; ".join(filter(None, (note, fewer))))


def _is_mirrored(outcomes: Outcomes, claims: Mapping[str, Any]) -> bool:
    """Whether card and checkpoint both promise one energy for mirror images."""
    raw = outcomes.get("inversion")
    return claims.get("mirror_symmetric", True) and not (isinstance(raw, Raw) and raw["limits"][2] == 0)


def _fewer(case: str, outcomes: Outcomes) -> str:
    """What was not asked because it would have taken too long; empty where all was."""
    raw = outcomes.get(case)
    if not isinstance(raw, Raw) or raw["extent"][0] >= raw["extent"][1]:
        return ""
    asked, wanted, seconds = raw["extent"].tolist()
    return f"{asked:.0f} {_EXTENTS.get(case, 'changes')} instead of {wanted:.0f}: {seconds:.1f} s each time"


def _without_value(metric: Metric, outcomes: Outcomes) -> Verdict:
    outcome = outcomes.get(_case_of(metric))
    if not isinstance(outcome, Failure):
        return Verdict(metric.key, np.nan, metric.unit, UNTESTED, _unanswered(outcome))
    verdict = UNTESTED if outcome.kind in _REFUSALS else FAILS
    return Verdict(metric.key, np.nan, metric.unit, verdict, str(outcome))


def _case_of(metric: Metric) -> str:
    """The id of the case that a metric is made of; the elements' metric has many."""
    return _CASES.get(metric.key, metric.key.rpartition("-")[0])


def _unanswered(outcome: Raw | Failure | None) -> str:
    """How many structures of a check have no answer, and why."""
    codes = outcome["failure"] if isinstance(outcome, Raw) else np.zeros(0, dtype=np.int64)
    kinds = ", ".join(FAILURE_KINDS[code - 1] for code in np.unique(codes[codes > 0]).tolist())
    return f"{np.count_nonzero(codes)} of {len(codes)} structures not answered: {kinds}" if kinds else ""


def _notes(metric: Metric, outcomes: Outcomes, scores: Scores) -> str:
    if metric.key == "nonsense-elements":
        return _by_kind(scores)
    raw = outcomes.get("sizes")
    if metric.key == "sizes-answered" and isinstance(raw, Raw):
        codes = raw["failure"][largest_asked(raw)].tolist()
        failed = [(name, FAILURE_KINDS[code - 1]) for name, code in zip(SIZES, codes, strict=True) if code]
        return ", ".join(f"{name}: {kind}" for name, kind in failed)
    return _unanswered(outcomes.get(_case_of(metric)))


def _by_kind(scores: Scores) -> str:
    """The elements without sense, by what is wrong with them."""
    kinds: dict[str, list[str]] = {}
    for case in sorted(scores, key=_number):
        found = scores[case]
        if found.get("nonsense") == 1.0:
            kinds.setdefault(nonsense(found["nonsense_kind"]), []).append(case.removeprefix("element-"))
    return "; ".join(f"{kind}: {' '.join(symbols)}" for kind, symbols in kinds.items())


def _number(case: str) -> int:
    """The atomic number of an element's case, 0 for others."""
    return int(atomic_numbers.get(case.removeprefix("element-"), 0))


def _facts(outcomes: Outcomes, scores: Scores, claims: Mapping[str, Any]) -> Iterator[Verdict]:
    yield _elements(outcomes)
    yield from _properties(scores, claims)
    yield from _reach(outcomes, scores)
    yield _reference(outcomes, scores, claims)


def _elements(outcomes: Outcomes) -> Verdict:
    asked = {case.removeprefix("element-"): outcomes[case] for case in sorted(outcomes, key=_number) if _number(case)}
    failed = {name: found.kind for name, found in asked.items() if isinstance(found, Failure)}
    broken = [name for name, kind in failed.items() if kind != "unsupported_element"]
    answered, refused = len(asked) - len(failed), len(failed) - len(broken)
    notes = [f"{refused} refused"] if refused else []
    notes += [f"failing: {' '.join(broken)}"] if broken else []
    verdict = FAILS if not answered else NOTABLE if broken else OK
    return Verdict("elements-answered", float(answered), "", verdict, "; ".join(notes))


def _properties(scores: Scores, claims: Mapping[str, Any]) -> Iterator[Verdict]:
    found = scores.get("properties")
    if found is None:
        return
    claimed = tuple(claims.get("properties", ()))
    for name in PROPERTIES:
        gives = found[f"gives_{name}"] == 1.0
        if gives or name in claimed:
            wrong = name in claimed and not gives
            extra = bool(claimed) and name not in claimed
            note = "the card promises it, no answer has it" if wrong else "not on the card" if extra else ""
            yield Verdict(f"gives-{name}", float(gives), "", FAILS if wrong else NOTABLE if extra else OK, note)


def _reach(outcomes: Outcomes, scores: Scores) -> Iterator[Verdict]:
    raw = outcomes.get("cutoff-crossing")
    if not isinstance(raw, Raw):
        return
    reach, declared = scores["cutoff-crossing"]["reach"], float(raw["limits"][0])
    beyond = reach > declared + _STEP
    note = "declared: none" if np.isnan(declared) else f"declared: {declared:g} Å"
    yield Verdict("reach", reach, "Å", NOTABLE if beyond else OK, f"{note}{'; it sees farther' if beyond else ''}")


def _reference(outcomes: Outcomes, scores: Scores, claims: Mapping[str, Any]) -> Verdict:
    """The zero of energy, against the card's where both can be told."""
    found = scores.get("energy-reference")
    if found is None:
        outcome = outcomes.get("energy-reference")
        return Verdict("energy-reference", np.nan, "eV/O", UNTESTED, str(outcome) if outcome else "")
    claimed, offset = str(claims.get("energy_reference", "")), found["oxide_offset"]
    functional = next(
        (name for name, sign in _FUNCTIONALS.items() if re.search(sign, str(claims.get("theory", "")))), ""
    )
    kind = REFERENCE_KINDS[int(found[f"reference_kind_{functional}"])] if functional else REFERENCE_KINDS[0]
    lost = _unanswered(outcomes.get("energy-reference"))
    reasons = {
        "the card names no zero of energy": not claimed,
        lost: bool(lost) and np.isnan(offset),
        "dispersion was added, which deepens oxides": "D3" in claimed,
        "oxides tell it for PBE and r2SCAN only": not functional,
        "oxides are off, or disagree": kind == REFERENCE_KINDS[0],
    }
    if any(reasons.values()):
        return Verdict(
            "energy-reference", offset, "eV/O", UNDECIDED, next(why for why, holds in reasons.items() if holds)
        )
    if claimed in REFERENCE_KINDS and claimed != kind:
        return Verdict("energy-reference", offset, "eV/O", FAILS, f"oxides say {kind}, the card says {claimed}")
    return Verdict("energy-reference", offset, "eV/O", OK, f"oxides say {kind}")
