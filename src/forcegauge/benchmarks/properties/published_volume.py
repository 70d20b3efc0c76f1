"""The five metrics that MLIP Arena publishes of curves of energy against volume, for its table of each protocol."""

from __future__ import annotations

from collections.abc import Mapping

from forcegauge.records import Direction, Metric

_FORMULAS: Mapping[str, tuple[str, Direction, str]] = {
    "energy-diff-flip-times": ("Derivative flips", "target", "Sign changes of the energy steps."),
    "tortuosity": (
        "Tortuosity",
        "lower",
        "Total variation of the energy over the least that its ends and its middle point need.",
    ),
    "spearman-compression-energy": (
        "Spearman E: compression",
        "lower",
        "Rank correlation of energy and volume below the middle point.",
    ),
    "spearman-compression-derivative": (
        "Spearman dE/dV: compression",
        "higher",
        "Rank correlation of energy steps and volume below the middle point.",
    ),
    "spearman-tension-energy": (
        "Spearman E: tension",
        "higher",
        "Rank correlation of energy and volume above the middle point, that point included.",
    ),
}


def published_volume_metrics(anchors: Mapping[str, tuple[float, float, float]], reason: str) -> tuple[Metric, ...]:
    """Plain means over the crystals that have the value.

    Args:
        anchors: ideal, good and bad value by published score.
        reason: for the anchors.
    """
    return tuple(
        Metric(
            key=f"arena-{score}",
            title=f"{_FORMULAS[score][0]} (Arena)",
            unit="",
            direction=_FORMULAS[score][1],
            ideal=ideal,
            good=good,
            bad=bad,
            reason=reason,
            score=score,
            aggregate="mean",
            description=f"{_FORMULAS[score][2]} The middle point of the scan stands for the minimum. Plain mean, as "
            "published.",
        )
        for score, (ideal, good, bad) in anchors.items()
    )
