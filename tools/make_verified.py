"""Write docs/verified-models.md from the records that `forcegauge models verify` has left in the cache.

    forcegauge models verify NAME...
    python tools/make_verified.py [FOLDER]

FOLDER holds a results folder for each model (default: ``verification`` in the cache). Models without a whole set of
records of this version of the benchmark are named and left out. Exit code 1 where no model is left.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from forcegauge.benchmarks.symmetry.conformance import BENCHMARK
from forcegauge.benchmarks.symmetry.verdicts import FAILS, NOTABLE, OK, Verdict, verdicts
from forcegauge.errors import ForceGaugeError
from forcegauge.folders import cache_folder
from forcegauge.models import registry
from forcegauge.records import Provenance
from forcegauge.scoring import analyse

PAGE = Path(__file__).resolve().parents[1] / "docs" / "verified-models.md"
SAME = ("rotation", "translation", "permutation", "extensivity", "batch", "repeat")


@dataclass(frozen=True)
class Sheet:
    """What is known of one model.

    Args:
        model: its name.
        lines: by check.
        seconds: of the worker, for all cases.
        provenance: of its last record.
        finished_at: of its last record, seconds since 1970.
    """

    model: str
    lines: dict[str, Verdict]
    seconds: float
    provenance: Provenance
    finished_at: float

    @property
    def verdict(self) -> str:
        """The worst of what the checks say against the card."""
        found = {line.verdict for line in self.lines.values()}
        return next((one for one in (FAILS, NOTABLE) if one in found), OK)

    def value(self, check: str) -> float:
        """Of one check, NaN where it was not measured."""
        return self.lines[check].value if check in self.lines else math.nan


def read(folder: Path) -> Sheet:
    """The sheet of the model in a results folder; raises ForceGaugeError where it is not whole."""
    result = next(one for one in analyse(folder) if one.benchmark.name == BENCHMARK.name)
    (model,) = result.models
    records = list(result.records[model].values())
    if result.analysis is None or len(records) < len(BENCHMARK.cases(BENCHMARK.presets["quick"])):
        raise ForceGaugeError(f"{len(records)} cases of this version of the benchmark")
    found = verdicts(result.analysis.outcomes[model], result.analysis.scores[model], registry.get(model).as_dict())
    last = max(records, key=lambda record: record.finished_at)
    seconds = sum(record.wall_s for record in records)
    return Sheet(model, {line.check: line for line in found}, seconds, last.provenance, last.finished_at)


def page(sheets: Sequence[Sheet]) -> str:
    """The whole page, in Markdown."""
    day = datetime.fromtimestamp(max(sheet.finished_at for sheet in sheets), UTC).strftime("%d %B %Y").lstrip("0")
    origin = sheets[0].provenance
    return f"""# Verified models

<!-- made by tools/make_verified.py; do not edit -->

What `forcegauge models verify NAME...` says of every model whose weights come with a package, and of the references:
the benchmark [`conformance`](benchmarks/conformance.md), preset `quick`, version {BENCHMARK.run_version}, held against
each model's card. Last record of {day}, ForceGauge {origin.forcegauge}, Python {origin.python}, CPU. After verifying
anew, `python tools/make_verified.py` makes this page again.

**ok**: as the card says, within the rounding of single precision. **notable**: outside of that, or a fact that the
card itself tells. **fails**: against the card.

{_table(_HEADER, (_row(sheet) for sheet in sheets))}

Force and stress: largest difference from the derivative of the energy, beyond the derivative's own doubt. Same answer:
largest change of the energy when turned, shifted, listed in another order, repeated as a supercell, asked in company
or again. Mirrored: in a mirror image. Jump: of the energy while an atom leaves past the cut-off. Elements: those that
answer, and of these without sense as two atoms alone. Oxides: how far their energies of formation are off
measurement, eV per oxygen; about 0.69 for raw PBE, 0 for MP2020-corrected PBE and for raw r2SCAN. s: seconds of one
worker with the processor shared. A dash: not measured.

## What surprises, and why

{_table(("model", "check", "verdict", "value", "what is seen, and the card's cause"), _surprises(sheets))}

## The zero of energy

{_zeros(sheets)}

## Versions

{_table(("model", "packages"), ((f"`{sheet.model}`", _packages(sheet.provenance)) for sheet in sheets))}
"""


_HEADER = (
    "model", "verdict", "force eV/Å", "stress GPa", "same answer eV/atom", "mirrored eV/atom", "jump eV", "elements",
    "oxides eV/O", "s",
)  # fmt: skip


def _row(sheet: Sheet) -> tuple[str, ...]:
    answered, share = sheet.value("elements-answered"), sheet.value("nonsense-elements")
    lost = round(share * answered) if answered else 0
    same = [sheet.value(f"{check}-energy") for check in SAME]
    return (
        f"`{sheet.model}`",
        sheet.verdict if sheet.verdict == OK else f"**{sheet.verdict}**",
        _number(sheet.value("force-consistency")),
        _number(sheet.value("stress-consistency")),
        _number(max((one for one in same if not math.isnan(one)), default=math.nan)),
        _number(sheet.value("inversion-energy")),
        _number(sheet.value("energy-jump")),
        f"{answered:.0f}" + (f", {lost} without" if lost else ""),
        _number(sheet.value("energy-reference"), "+.2f"),
        f"{sheet.seconds:.0f}",
    )


def _number(value: float, how: str = ".0e") -> str:
    """To one digit; what is below any rounding is zero."""
    return "–" if math.isnan(value) else "0" if how == ".0e" and abs(value) < 1e-12 else format(value, how)


def _surprises(sheets: Iterable[Sheet]) -> Iterable[tuple[str, ...]]:
    for sheet in sheets:
        for line in sheet.lines.values():
            if line.verdict in (NOTABLE, FAILS):
                value = f"{line.value:.2g} {line.unit}".strip()
                yield f"`{sheet.model}`", line.check, line.verdict, value, line.note


def _zeros(sheets: Iterable[Sheet]) -> str:
    """Models by what their oxides say, or by why they say nothing."""
    groups: dict[str, list[str]] = {}
    for sheet in sheets:
        line = sheet.lines["energy-reference"]
        reason = line.note.removeprefix("unsupported_element: ")
        said = line.note if line.verdict in (OK, FAILS) else f"{line.verdict}: {reason}"
        groups.setdefault(said, []).append(f"`{sheet.model}`")
    return "\n".join(f"- {said[0].upper()}{said[1:]}: {', '.join(models)}." for said, models in groups.items())


def _packages(provenance: Provenance) -> str:
    return ", ".join(f"{name} {version}" for name, version in provenance.packages.items())


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def main() -> int:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else cache_folder() / "verification"
    sheets = []
    for path in sorted(one for one in folder.iterdir() if (one / "records.sqlite").is_file()):
        try:
            sheets.append(read(path))
        except ForceGaugeError as error:
            print(f"left out {path.name}: {error}")
    order = registry.names()
    sheets.sort(key=lambda sheet: (order.index(sheet.model.partition("+")[0]), sheet.model))
    if sheets:
        PAGE.write_text(page(sheets), encoding="utf-8")
        print(f"{len(sheets)} models in {PAGE}")
    return 0 if sheets else 1


if __name__ == "__main__":
    sys.exit(main())
