"""The published verdict of the SAIT benchmark, from imported indicator tables: scores, their sums and correlations."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from forcegauge.errors import BadInput
from forcegauge.metrics.indicators import (
    BEST,
    INDICATORS,
    SPLITS,
    indicator_scores,
    indicator_sums,
    pearson_matrix,
)
from forcegauge.metrics.ranking import ranks
from forcegauge.records import PublishedMetric
from forcegauge.results.store import Store
from forcegauge.scoring import published

_BENCHMARK = "sait-indicators-"
_NAMES = tuple(f"{indicator}_{split}" for indicator in INDICATORS for split in SPLITS)


@dataclass(frozen=True, eq=False)
class IndicatorBoard:
    """One published table: a data set and a loss, ten models.

    Args:
        dataset: ``HfO`` or ``SiN``.
        loss: that the models were trained with, ``mae`` or ``mse``.
        models: in alphabetical order.
        scores: by ``INDICATOR_SPLIT``, [n_models], 0 to 1.
        sums: ``EF_ID``, ``EF_OOD``, ``static``, ``dynamic`` and ``total``, [n_models].
    """

    dataset: str
    loss: str
    models: tuple[str, ...]
    scores: Mapping[str, NDArray[np.float64]]
    sums: Mapping[str, NDArray[np.float64]]

    @property
    def correlations(self) -> NDArray[np.float64]:
        """[n_sums, n_sums], Pearson's, over the models."""
        return pearson_matrix(self.sums)

    def rows(self) -> list[dict[str, float | int | str]]:
        """One row per model, the best first."""
        places = ranks(-self.sums["total"])
        return [
            {
                "dataset": self.dataset,
                "loss": self.loss,
                "rank": int(places[at]),
                "model": self.models[at],
                **{name: float(values[at]) for name, values in self.scores.items()},
                **{name: float(self.sums[name][at]) for name in ("static", "dynamic", "total")},
            }
            for at in np.argsort(places, kind="stable").tolist()  # the models are in alphabetical order
        ]

    def correlation_rows(self) -> list[dict[str, float | str]]:
        """The correlations as a table."""
        return [
            {
                "dataset": self.dataset,
                "loss": self.loss,
                "quantity": name,
                **dict(zip(self.sums, line.tolist(), strict=True)),
            }
            for name, line in zip(self.sums, self.correlations, strict=True)
        ]


def indicator_boards(store: Store | str | Path) -> list[IndicatorBoard]:
    """Every indicator table that was imported, by data set and loss.

    Raises:
        BadInput: none was.
    """
    boards = boards_of(published.rows(store))
    if not boards:
        raise BadInput("no indicator table in these results: 'forcegauge import --format sait-indicators' comes first")
    return boards


def boards_of(numbers: Iterable[PublishedMetric]) -> list[IndicatorBoard]:
    """The indicator tables among published numbers, by data set and loss."""
    found: dict[tuple[str, str], dict[str, dict[str, float]]] = {}
    for one in numbers:
        dataset = _dataset(one)
        if dataset and one.metric in _NAMES:
            loss = one.model.rpartition("-")[2]
            found.setdefault((dataset, loss), {}).setdefault(one.model, {})[one.metric] = one.value
    return [_board(*names, table) for names, table in sorted(found.items())]


def _dataset(one: PublishedMetric) -> str:
    known = {f"{_BENCHMARK}{name.lower()}": name for name in BEST}
    return known.get(one.benchmark, "")


def _board(dataset: str, loss: str, table: Mapping[str, Mapping[str, float]]) -> IndicatorBoard:
    models: Sequence[str] = sorted(table)
    scores = {
        name: indicator_scores([table[model].get(name, math.nan) for model in models], name.split("_")[0], dataset)
        for name in _NAMES
    }
    return IndicatorBoard(dataset, loss, tuple(models), scores, indicator_sums(scores))
