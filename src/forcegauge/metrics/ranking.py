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
