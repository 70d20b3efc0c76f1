"""Indicator scores of the SAIT semiconductor benchmark (Kim et al., NeurIPS 2023 datasets track, table D.8)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

SPLITS = ("ID", "OOD")
STATIC, DYNAMIC = ("V0", "B0"), ("RDF", "ADF")
INDICATORS = ("EF", "RDF", "ADF", "V0", "B0")
"""Energy and force error in meV/atom + meV/Å; distributions without unit; equilibrium volume and bulk modulus in %."""
BEST = {
    "HfO": {"EF": 33.0, "RDF": 0.028, "ADF": 0.021, "V0": 0.016, "B0": 0.19},
    "SiN": {"EF": 98.0, "RDF": 0.033, "ADF": 0.021, "V0": 0.025, "B0": 0.39},
}
"""The value of full score. Of HfO's B0 the table's own minimum is 0.29; 0.19 is as printed."""
WORST = {"EF": 850.0, "RDF": 0.45, "ADF": 0.45, "V0": 3.0, "B0": 50.0}
"""The value of no score."""


def indicator_scores(values: ArrayLike, indicator: str, dataset: str) -> Floats:
    """[n], 1 at the best published value, 0 at the threshold and beyond, straight between; a missing value scores 0.

    Args:
        values: [n], of the indicator; NaN where the simulation broke off.
        indicator: one of :data:`INDICATORS`.
        dataset: ``HfO`` or ``SiN``.
    """
    best, worst = BEST[dataset][indicator], WORST[indicator]
    scores = np.clip((worst - np.asarray(values, dtype=np.float64)) / (worst - best), 0.0, 1.0)
    return np.nan_to_num(scores, nan=0.0)


def indicator_sums(scores: Mapping[str, Floats]) -> dict[str, Floats]:
    """By name, [n_models]: ``EF_ID``, ``EF_OOD``, ``static``, ``dynamic`` and their ``total``.

    Args:
        scores: by ``INDICATOR_SPLIT``, [n_models].
    """
    sums = {
        name: np.sum([scores[f"{one}_{split}"] for one in members for split in SPLITS], axis=0)
        for name, members in (("static", STATIC), ("dynamic", DYNAMIC))
    }
    errors = {f"EF_{split}": np.asarray(scores[f"EF_{split}"], dtype=np.float64) for split in SPLITS}
    return {**errors, **sums, "total": sums["static"] + sums["dynamic"]}


def pearson_matrix(sums: Mapping[str, Floats]) -> Floats:
    """[n, n], correlation over the models of the quantities in their order."""
    matrix: Floats = np.corrcoef(np.stack(list(sums.values())))
    return matrix
