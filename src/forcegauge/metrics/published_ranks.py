"""Ranks as MLIP Arena publishes them (arXiv 2509.20630): places summed over metrics, and the sum ranked again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from forcegauge.metrics.ranking import ranks

Floats = NDArray[np.float64]
Variant = Literal["ranks", "argsort"]
"""``ranks``: true places, equals share the better one. ``argsort``: what the published table of diatomics holds."""


def rank_sums(columns: Mapping[str, tuple[ArrayLike, ArrayLike]], variant: Variant = "ranks") -> NDArray[np.int64]:
    """[n_models], the sum of places over the metrics; smaller is better.

    Args:
        columns: by metric, its values [n_models] and their distances from the ideal [n_models], smaller is better; NaN
            where a model has none.
        variant: the published table of diatomics sorts the models by a metric's value and takes the positions that
            ``argsort`` gives of its distances: a place only where both orders agree, and equals get places in the order
            of the table. Its places count from 0, and 1 is added to the sum.
    """
    parts = [_positions(*column) if variant == "argsort" else ranks(column[1]) for column in columns.values()]
    total: NDArray[np.int64] = np.sum(parts, axis=0, dtype=np.int64)
    return total + 1 if variant == "argsort" else total


def _positions(values: ArrayLike, distances: ArrayLike) -> NDArray[np.int64]:
    by_value = np.argsort(np.asarray(values, dtype=np.float64), kind="stable")
    positions = np.empty(len(by_value), dtype=np.int64)
    positions[by_value] = np.argsort(np.asarray(distances, dtype=np.float64)[by_value], kind="stable")
    return positions


def overall_ranks(of_tasks: Sequence[ArrayLike]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Sum of the places in the tasks [n_models], and the rank of that sum.

    Args:
        of_tasks: per task the rank of each model, NaN where it took no part: it is placed after the last there.
    """
    sums: NDArray[np.int64] = np.sum([ranks(task) for task in of_tasks], axis=0, dtype=np.int64)
    return sums, ranks(sums)
