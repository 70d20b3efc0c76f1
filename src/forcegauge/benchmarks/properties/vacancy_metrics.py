"""The metrics of the benchmark ``vacancy``."""

from __future__ import annotations

from forcegauge.records import Metric

_SOUND = "Hops without a sound barrier, and crystals without an answer, have none: sound hops and coverage count them."

METRICS = (
    Metric(
        key="vacancy-formation-error",
        title="Formation energy: error",
        unit="eV",
        direction="lower",
        ideal=0.0,
        good=0.1,
        bad=0.5,
        reason="Functionals differ by 0.1 to 0.2 eV; 0.5 eV is a factor of 300 in the number of vacancies at 1000 K.",
        score="formation_error",
        aggregate="mean",
        description="Mean absolute difference from the table. Coverage counts the crystals without an answer.",
        theory="PBE",
    ),
    Metric(
        key="vacancy-formation-bias",
        title="Formation energy: bias",
        unit="eV",
        direction="target",
        ideal=0.0,
        good=0.05,
        bad=0.4,
        reason="Half the good error, and most of the bad one: a systematic part that no averaging over metals removes.",
        score="formation_bias",
        aggregate="mean",
        description="Mean signed difference from the table; negative where vacancies are too cheap, as in a softened "
        "potential.",
        theory="PBE",
    ),
    Metric(
        key="vacancy-barrier-error",
        title="Barrier: error",
        unit="eV",
        direction="lower",
        ideal=0.0,
        good=0.05,
        bad=0.3,
        reason="0.05 eV is a factor of two in the rate at 800 K, 0.3 eV one of 80.",
        score="barrier_error",
        aggregate="mean",
        description=f"Mean absolute difference from the table over a crystal's hops, then over crystals. {_SOUND}",
        theory="PBE",
    ),
    Metric(
        key="vacancy-barrier-bias",
        title="Barrier: bias",
        unit="eV",
        direction="target",
        ideal=0.0,
        good=0.03,
        bad=0.25,
        reason="Half the good error and most of the bad one, as for the formation energy.",
        score="barrier_bias",
        aggregate="mean",
        description=f"Mean signed difference from the table; negative where hops are too easy. {_SOUND}",
        theory="PBE",
    ),
    Metric(
        key="vacancy-path-asymmetry",
        title="Path asymmetry",
        unit="",
        direction="lower",
        ideal=0.0,
        good=0.01,
        bad=0.1,
        reason="A smooth potential's band at rest stays below 0.01; a ramp to an end as high as the barrier has 0.5.",
        score="path_asymmetry",
        aggregate="mean",
        description="2 ∫ |ε(½ - x) - ε(½ + x)| dx over half the path, ε the energy in units of the model's own "
        "barrier. Mean over all hops whose band converged.",
    ),
    Metric(
        key="vacancy-barrier-asymmetry",
        title="Barrier asymmetry",
        unit="",
        direction="lower",
        ideal=0.0,
        good=0.005,
        bad=0.05,
        reason="The tolerance of the ends leaves 0.001 to 0.005; at 0.05 a vacancy prefers one of two equal sites.",
        score="barrier_asymmetry",
        aggregate="mean",
        description="Difference of the ends' energies, equal by symmetry, over the barrier. Mean over all hops whose "
        "band converged.",
    ),
    Metric(
        key="vacancy-work-mismatch",
        title="Work of the forces against the energy",
        unit="",
        direction="lower",
        ideal=0.0,
        good=0.03,
        bad=0.2,
        reason="The points leave 0.001 to 0.03 to a potential whose forces are its gradient; with 0.2 the band stops "
        "where no saddle is.",
        score="work_mismatch",
        aggregate="mean",
        description="Largest difference along the path of the energy and of the work done against the forces, over the "
        "span of the energy. Mean over all hops whose band converged.",
    ),
    Metric(
        key="vacancy-sound-hops",
        title="Sound hops",
        unit="",
        direction="higher",
        ideal=1.0,
        good=0.99,
        bad=0.8,
        reason="Every hop of the table has a saddle in PBE; without one in five hops the errors are those of the "
        "easy ones.",
        score="sound_hops",
        aggregate="mean",
        description="Share of the hops with a converged band, an image above both ends, ends that differ by less than "
        "a fifth of the barrier, and nothing deeper between them by a tenth of it. Crystals without an answer "
        "are in the coverage.",
    ),
)


def _published(lattice: str, score: str, title: str, good: float, bad: float, formula: str) -> Metric:
    hop = "the hop out of the plane" if lattice == "hcp" else "the one hop"
    return Metric(
        key=f"arena-{lattice}-{score}",
        title=f"{title}, {lattice} (Arena)",
        unit="",
        direction="lower",
        ideal=0.0,
        good=good,
        bad=bad,
        reason="No numbers are published, only a figure; about a tenth and a half of a barrier.",
        score=f"{lattice}_{score}",
        aggregate="mean",
        description=f"{formula} Of {lattice} crystals, {hop}; elements with rows with and without spin count for both.",
    )


ARENA_METRICS = tuple(
    _published(lattice, score, title, good, bad, formula)
    for lattice in ("fcc", "hcp")
    for score, title, good, bad, formula in (
        (
            "mape",
            "Barrier, relative error",
            0.1,
            0.5,
            "Mean of |highest point of the fitted path / published barrier - 1|.",
        ),
        (
            "asymmetry",
            "Path asymmetry",
            0.02,
            0.2,
            "2 ∫ |ε(½ - x) - ε(½ + x)| dx, ε in units of the published barrier.",
        ),
        ("missing", "Missing", 0.02, 0.2, "Share without a band, or with one higher than ten published barriers."),
    )
)
