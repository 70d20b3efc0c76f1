"""Numbers that others have published without the cases behind them, for tables beside our own."""

from __future__ import annotations

from pathlib import Path

from forcegauge.records import PublishedMetric
from forcegauge.results.store import Store


def rows(store: Store | str | Path) -> list[PublishedMetric]:
    """Every published number of an open store or of the folder of one, sorted by benchmark, model and metric.

    Nothing is computed: they have no cases to be drawn anew, so they take no part in ranks.
    """
    if isinstance(store, str | Path):
        with Store.open(Path(store)) as opened:
            return rows(opened)
    return store.published()
