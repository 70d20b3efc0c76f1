"""What the metrics would have been on other cases: all models of a benchmark resampled together."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from forcegauge.errors import Failure
from forcegauge.metrics.uncertainty import weighted_medians
from forcegauge.records import Metric
from forcegauge.scoring.analyse import COVERAGE, BenchmarkResult

Floats = NDArray[np.float64]

N_DRAWS = 2000
_BEYOND = 1e60
"""Stands for an infinite score: as large as a draw needs, and no draw of it without others is NaN."""


class Table:
    """Per-case scores of all models in one benchmark, and draws of whole chemical systems.

    A system is drawn as often as a Poisson number of its own says (Hanley and MacGibbon 2006,
    doi:10.1016/j.cmpb.2006.04.006), so a model's draws do not move when others bring further cases.

    Args:
        result: of :func:`forcegauge.scoring.analyse`, with an analysis.
        models: in the order of the rows.
        cases: ids that count; None for all.
    """

    def __init__(self, result: BenchmarkResult, models: Sequence[str], cases: frozenset[str] | None = None) -> None:
        assert result.analysis is not None  # what cannot be analysed has no scores
        self._analysis = result.analysis
        self.models = tuple(models)
        asked = {case for model in models for case in result.records.get(model, {})}
        self.cases = tuple(sorted(asked if cases is None else asked & cases))
        self.systems = np.array([result.systems.get(case) or case for case in self.cases])
        names, groups = np.unique(self.systems, return_inverse=True)
        self._groups = groups.reshape(-1)
        drawn = [
            np.random.default_rng(zlib.crc32(f"{result.benchmark.name}/{name}".encode())).poisson(1.0, N_DRAWS)
            for name in names.tolist()
        ]
        counts = np.stack(drawn, axis=1)[:, self._groups] if drawn else np.zeros((N_DRAWS, 0), dtype=np.int64)
        self._weights = np.concatenate([np.ones((1, len(self.cases)), dtype=np.int64), counts])
        self._by_case = self._weights.T.astype(np.float64)

    def n_systems(self, scores: Floats) -> NDArray[np.int64]:
        """[n_models], systems that each model has a score [n_models, n_cases] of."""
        return np.array([len(np.unique(self._groups[~np.isnan(row)])) for row in scores], dtype=np.int64)

    def scores(self, metric: Metric) -> Floats:
        """[n_models, n_cases], NaN where a case has none; for a proportion 1 or 0."""
        rows = np.full((len(self.models), len(self.cases)), np.nan)
        for row, model in enumerate(self.models):
            of_model: Mapping[str, Mapping[str, float]] = self._analysis.scores.get(model, {})
            if metric is COVERAGE:
                outcomes = self._analysis.outcomes.get(model, {})
                found = {case: float(not isinstance(one, Failure)) for case, one in outcomes.items()}
            else:
                found = {case: float(one.get(metric.score, np.nan)) for case, one in of_model.items()}
            rows[row] = [found.get(case, np.nan) for case in self.cases]
        if metric.aggregate == "proportion":
            rows = np.where(np.isnan(rows), np.nan, rows == 1)
        return rows

    def answered(self) -> Floats:
        """[n_models, n_cases], 1 where answered, 0 where failed, NaN where not asked or not made for the element."""
        rows = np.full((len(self.models), len(self.cases)), np.nan)
        for row, model in enumerate(self.models):
            outcomes = self._analysis.outcomes.get(model, {})
            for column, case in enumerate(self.cases):
                one = outcomes.get(case)
                if one is not None and not (isinstance(one, Failure) and one.kind == "unsupported_element"):
                    rows[row, column] = float(not isinstance(one, Failure))
        return rows

    def aggregates(self, metric: Metric) -> Floats:
        """[n_models, 1 + n_draws], the metric on the cases themselves, then on each draw."""
        return self.drawn(self.scores(metric), is_median=metric.aggregate == "median")

    def drawn(self, scores: Floats, *, is_median: bool = False) -> Floats:
        """[n_models, 1 + n_draws], mean or median of scores [n_models, n_cases] on the cases and on each draw."""
        scores = np.clip(scores, -_BEYOND, _BEYOND)
        there = ~np.isnan(scores)
        if is_median:
            return np.stack([_medians(row[own], self._weights[:, own]) for row, own in zip(scores, there, strict=True)])
        with np.errstate(invalid="ignore", divide="ignore"):
            counts = self._by_case.sum(axis=0) if there.all() else there.astype(np.float64) @ self._by_case
            means: Floats = np.where(there, scores, 0.0) @ self._by_case / counts
        return means


def _medians(values: Floats, weights: NDArray[np.int64]) -> Floats:
    if not len(values):
        return np.full(len(weights), np.nan)
    order = np.argsort(values, kind="stable")
    return weighted_medians(values[order], weights[:, order])
