"""Ranks: 1 is the best, equals share the better place, what is missing comes last."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

Floats = NDArray[np.float64]


def ranks(distances: ArrayLike) -> NDArray[np.int64]:
    """[n_models], places by distance from the ideal value: 1 + how many are strictly better.

    Args:
        distances: [n_models], smaller is better; NaN where a model has no value, and these share the last place.
    """
    filled = np.asarray(distances, dtype=np.float64)
    # rankdata would pass NaN on; above +inf, so that a model with an infinite error still beats one without a value.
    order = rankdata(np.nan_to_num(filled, nan=np.inf, posinf=np.finfo(np.float64).max), method="min")
    return np.asarray(order, dtype=np.int64)


def rank_sums(rows: ArrayLike) -> NDArray[np.int64]:
    """[n_models], the sum of places over the metrics; smaller is better.

    Args:
        rows: [n_metrics, n_models], places as :func:`ranks` gives them.
    """
    sums: NDArray[np.int64] = np.asarray(rows, dtype=np.int64).sum(axis=0)
    return sums


def rank_intervals(better: ArrayLike) -> NDArray[np.int64]:
    """[n_models, 2], best and worst place that the decided pairs leave open to each model.

    With pairs decided at a family-wise level the intervals hold all true places at that level together (Mogstad,
    Romano, Shaikh and Wilhelm 2024, doi:10.1093/restud/rdad006).

    Args:
        better: [n_models, n_models], whether the row's model is better than the column's beyond doubt.
    """
    decided = np.asarray(better, dtype=bool)
    best, worst = 1 + decided.sum(axis=0), len(decided) - decided.sum(axis=1)
    return np.stack([best, worst], axis=1).astype(np.int64)


def tie_groups(distances: ArrayLike, better: ArrayLike) -> NDArray[np.int64]:
    """[n_models], the tie group of each, 1 the best: a model joins unless the group's first is better beyond doubt.

    Args:
        distances: [n_models], smaller is better; NaN last.
        better: [n_models, n_models], as for :func:`rank_intervals`.
    """
    decided = np.asarray(better, dtype=bool)
    groups = np.zeros(len(decided), dtype=np.int64)
    first, group = -1, 0
    for model in np.argsort(np.asarray(distances, dtype=np.float64), kind="stable").tolist():
        if first < 0 or decided[first, model]:
            first, group = model, group + 1
        groups[model] = group
    return groups


def shares_of_best(draws: ArrayLike) -> Floats:
    """[n_models], how often each is the best; equals share a draw.

    Args:
        draws: [n_draws, n_models], distances, smaller is better; NaN is never best.
    """
    filled = np.nan_to_num(np.asarray(draws, dtype=np.float64), nan=np.inf)
    is_best = (filled == filled.min(axis=1, keepdims=True)) & np.isfinite(filled)
    shared: Floats = is_best / np.maximum(is_best.sum(axis=1, keepdims=True), 1)
    mean: Floats = shared.mean(axis=0)
    return mean
