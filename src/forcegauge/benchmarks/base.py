"""What a benchmark file must bring: the contract between an author and the runner, the analysis and the report."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from ase import Atoms

from forcegauge.encoding import digest
from forcegauge.errors import BadInput, UnknownName
from forcegauge.potential import Potential
from forcegauge.records import Case, Failure, Metric, Raw

if TYPE_CHECKING:
    import plotly.graph_objects as go

Mode = Literal["default", "arena", "sait"]
MODES: tuple[Mode, ...] = ("default", "arena", "sait")
PRESETS = ("smoke", "quick", "full")

Outcomes = Mapping[str, Raw | Failure]
"""Outcome by case id, of one model."""
Scores = Mapping[str, Mapping[str, float]]
"""Scores by name, by case id; NaN where a case has no such score (a curve without a well, say)."""
References = Mapping[str, Mapping[str, Any]]
"""Reference values by case id; empty for tests of physics alone."""


def selection(default: Any) -> Any:
    """A settings field that chooses cases and has no part in the key of a record, so presets share their records."""
    return dataclasses.field(default=default, metadata={"selection": True})


@dataclass(frozen=True)
class Settings:
    """The base of every benchmark's settings: frozen, units in the names, cases chosen by ``selection`` fields."""

    def protocol(self) -> dict[str, Any]:
        """The fields that decide what is computed for a case."""
        chosen = {field.name for field in dataclasses.fields(self) if field.metadata.get("selection")}
        return {name: value for name, value in dataclasses.asdict(self).items() if name not in chosen}

    def digest(self) -> str:
        """The settings' part of a record's key."""
        return digest(self.protocol())


@dataclass(frozen=True, eq=False)
class Curve:
    """One line of the per-case explorer.

    Args:
        name: which quantity, the same for all cases and models, such as ``energy``.
        x: [n_points].
        y: [n_points].
        view: lowest and highest y worth showing first, None for all; a wall of 100 keV would hide the well.
    """

    name: str
    x: np.ndarray
    y: np.ndarray
    view: tuple[float, float] | None = None


@dataclass(frozen=True)
class Explorer:
    """How the report shows single cases: one panel per quantity, a chosen case, all chosen models.

    Args:
        choose: the noun of a case, such as ``element`` or ``crystal``.
        x_title: title of the horizontal axis, unit included.
        panels: title of the vertical axis by curve name, in the order of the panels.
        curves: the curves of one case from its raw arrays.
        periodic_table: the score that colours a periodic table; the case id must be an element symbol. Empty: no table.
    """

    choose: str
    x_title: str
    panels: Mapping[str, str]
    curves: Callable[[Raw], Sequence[Curve]]
    periodic_table: str = ""


@dataclass(frozen=True, eq=False)
class Analysis:
    """All that the figure and the report of one benchmark may use.

    Args:
        scores: per-case scores, by model.
        outcomes: outcome by case id, by model.
        mode: the mode it was analysed in.
        settings: the settings that the cases were run with.
    """

    scores: Mapping[str, Scores]
    outcomes: Mapping[str, Outcomes]
    mode: Mode
    settings: Any


@dataclass(frozen=True, eq=False)
class Benchmark:
    """One benchmark, bound from the parts of its file.

    Args:
        name: as on the command line.
        theme: asymptotics, symmetry, dynamics, properties, accuracy or speed.
        title: for people.
        question: the question asked, one sentence.
        protocol: what is done, for the report; a few sentences.
        doc: the module's docstring, the source of the benchmark's page.
        presets: settings by preset name (smoke, quick, full).
        modes: protocol changes by mode: a function from settings to settings for each mode that the benchmark knows.
        needs: properties that a model must have.
        cases: the cases of given settings; they may read a dataset.
        structure_cases: cases from a user's own structures, None where the benchmark takes none.
        run: the conversation about one case.
        analyse: per-case scores from outcomes; failed cases are left out here and counted by the caller.
        metrics: the declared metrics, by mode.
        schema: shape and unit by array name of the raw record.
        figure: an overview of the analysis.
        explorer: how single cases are shown.
        run_version: raised when a rerun is needed; part of every record's key.
        analysis_version: raised when stored raws must be analysed again.
        references: reference values by case id.
        collection: the name of the set that a case id belongs to; metrics are of one set, never of a mixture. Cases of
            no set (an empty name) go with any: they must have metrics of their own.
    """

    name: str
    theme: str
    title: str
    question: str
    protocol: str
    doc: str
    presets: Mapping[str, Settings]
    modes: Mapping[Mode, Callable[[Any], Any]]
    needs: tuple[str, ...]
    cases: Callable[[Any], Sequence[Case]]
    structure_cases: Callable[[Sequence[tuple[str, Atoms]], Any], Sequence[Case]] | None
    run: Callable[[Potential, Case, Any, np.random.Generator], Awaitable[Raw]]
    analyse: Callable[[Outcomes, References, Any, Mode], Scores]
    metrics: Mapping[Mode, tuple[Metric, ...]]
    schema: Mapping[str, str]
    figure: Callable[[Analysis], go.Figure]
    explorer: Explorer | None
    run_version: int
    analysis_version: int
    references: Callable[[Any], References] = lambda settings: {}
    collection: Callable[[str], str] = lambda case_id: ""

    def settings(self, preset: str, mode: Mode = "default") -> Settings:
        """The settings of a preset in a mode; raises BadInput where the benchmark has no such preset or mode."""
        if preset not in self.presets:
            raise UnknownName(f"preset of benchmark {self.name}", preset, self.presets)
        if mode not in self.modes:
            raise BadInput(f"benchmark {self.name} has no mode '{mode}': it has {', '.join(self.modes)}")
        changed: Settings = self.modes[mode](self.presets[preset])
        return changed
