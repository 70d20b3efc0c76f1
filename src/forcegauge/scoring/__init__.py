"""From stored records to metrics and ranks: pure functions, no model and no rerun."""

from forcegauge.scoring.analyse import BenchmarkResult, FailureRow, RecordSource, analyse
from forcegauge.scoring.rank import BenchmarkRanks, Place, Ranking, rank

__all__ = [
    "BenchmarkRanks",
    "BenchmarkResult",
    "FailureRow",
    "Place",
    "Ranking",
    "RecordSource",
    "analyse",
    "rank",
]
