"""Every dataset by name. A new one is one file and one line here, or an entry point in another package."""

from __future__ import annotations

from forcegauge.datasets.base import Dataset
from forcegauge.entries import Entries

DATASETS: Entries[Dataset] = Entries(
    noun="dataset",
    kind=Dataset,
    own={
        "acwf": "forcegauge.datasets.acwf:DATASET",
        "mp-binary-elasticity": "forcegauge.datasets.matcalc:BINARY_ELASTICITY",
        "prototypes": "forcegauge.datasets.prototypes:DATASET",
        "wbm-1000": "forcegauge.datasets.wbm:DATASET",
    },
    group="forcegauge.datasets",
)

get = DATASETS.get
names = DATASETS.names
