"""What the metrics would have been on other cases: all models of a benchmark resampled together."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from forcegauge.errors import Failure
from forcegauge.metrics.uncertainty import MIN_CASES, weighted_medians
from forcegauge.records import Metric
from forcegauge.scoring.analyse import COVERAGE, BenchmarkResult

Floats = NDArray[np.float64]

N_DRAWS = 2000


class Table:
    """Per-case scores of all models in one benchmark, and draws of whole chemical systems.

    Args:
        result: of :func:`forcegauge.scoring.analyse`, with an analysis.
        models: in the order of the rows.
    """

    def __init__(self, result: BenchmarkResult, models: Sequence[str]) -> None:
        assert result.analysis is not None  # what cannot be analysed has no scores
        self._analysis = result.analysis
        self.models = tuple(models)
        self.cases = tuple(sorted({case for records in result.records.values() for case in records}))
        self.systems = np.array([result.systems.get(case) or case for case in self.cases])
        groups = np.unique(self.systems, return_inverse=True)[1].reshape(-1)
        n_groups = int(groups.max()) + 1
        self.is_small = n_groups < MIN_CASES
        # One seed per benchmark: a model's own draws do not change when others join.
        rng = np.random.default_rng(zlib.crc32(result.benchmark.name.encode()))
        if self.is_small:  # too few to tell what others would have said: they stand for themselves
            counts = np.ones((N_DRAWS, n_groups), dtype=np.int64)
        else:
            counts = rng.multinomial(n_groups, np.full(n_groups, 1 / n_groups), size=N_DRAWS)
        self._weights = counts[:, groups]

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
        weights = np.concatenate([np.ones((1, len(self.cases)), dtype=np.int64), self._weights])
        there = ~np.isnan(scores)
        if is_median:
            return np.stack([_medians(row[own], weights[:, own]) for row, own in zip(scores, there, strict=True)])
        with np.errstate(invalid="ignore", divide="ignore"):
            sums = np.where(there, scores, 0.0) @ weights.T.astype(np.float64)
            means: Floats = sums / (there.astype(np.float64) @ weights.T.astype(np.float64))
        return means


def _medians(values: Floats, weights: NDArray[np.int64]) -> Floats:
    if not len(values):
        return np.full(len(weights), np.nan)
    order = np.argsort(values, kind="stable")
    return weighted_medians(values[order], weights[:, order])
