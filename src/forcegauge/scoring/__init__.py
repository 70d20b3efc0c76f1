"""From stored records to metrics and ranks: pure functions, no model and no rerun."""

from forcegauge.scoring.analyse import BenchmarkResult, FailureRow, RecordSource, analyse
from forcegauge.scoring.arena import ArenaRow, arena_ranks
from forcegauge.scoring.compare import Comparison, compare
from forcegauge.scoring.rank import BenchmarkRanks, Place, Ranking, rank

__all__ = [
    "ArenaRow",
    "BenchmarkRanks",
    "BenchmarkResult",
    "Comparison",
    "FailureRow",
    "Place",
    "Ranking",
    "RecordSource",
    "analyse",
    "arena_ranks",
    "compare",
    "rank",
]
