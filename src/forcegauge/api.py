"""The Python face of the verbs: same words, same defaults, usable in a script and in a notebook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ase import Atoms
from ase.calculators.calculator import BaseCalculator

from forcegauge.benchmarks.base import Mode
from forcegauge.runner import run as runs
from forcegauge.runner.prepare import Resources
from forcegauge.runner.progress import Silent, reporter
from forcegauge.runner.remote import load_model
from forcegauge.scoring import BenchmarkResult, Comparison, Ranking
from forcegauge.scoring import analyse as analyse_store
from forcegauge.scoring import compare as compare_results
from forcegauge.scoring import rank as rank_results

__all__ = ["analyse", "compare", "load_model", "rank", "run"]


def run(  # noqa: PLR0913 - the options of the command, by the same names
    models: str | Sequence[str] = (),
    *,
    results: str | Path,
    calculators: Mapping[str, BaseCalculator | str] | None = None,
    benchmarks: str | Sequence[str] = (),
    suite: str | None = None,
    preset: str | None = None,
    mode: Mode = "default",
    cases: str | Sequence[str] = (),
    structures: Sequence[Atoms] | Mapping[str, Atoms] | None = None,
    workers: int = 1,
    device: str = "cpu",
    dtype: str | None = None,
    threads: int | None = None,
    timeout_s: float = 600.0,
    retries: int = 1,
    budget_s: float | None = None,
    shard: tuple[int, int] | None = None,
    python: str | Path | None = None,
    max_memory_gb: float | None = None,
    progress: bool = True,
) -> runs.Summary:
    """Ask models the questions of benchmarks and keep every answer; what is finished is never computed again.

    Args:
        models: names of registered models.
        results: folder for the records.
        calculators: by a name of your own, an ASE calculator object, which runs in this process, or the text
            ``package.module:factory``, which runs in a worker. Give an object a text attribute ``identity`` so that
            its records can be found again by the next process.
        benchmarks: names; empty for those of the suite.
        suite: a named list of benchmarks with presets; ``quick`` where neither is given.
        preset: smoke, quick or full, for ``benchmarks`` (quick where not given); alone, the suite of that name.
        mode: default, arena or sait.
        cases: ids to run; empty for all.
        structures: your own structures as the cases, by name or in a list.
        workers: processes per model.
        device: cpu, cuda, cuda:1...
        dtype: float32 or float64, None for the model's own.
        threads: CPU threads per worker, None to share the cores out.
        timeout_s: worker seconds that one question may take.
        retries: how often a question that killed its worker is put again.
        budget_s: seconds for everything; a stratified part of the cases that fits is taken.
        shard: (i, n), part i of n of the cases, from 1.
        python: interpreter to run the models in, instead of their environments.
        max_memory_gb: resident size at which a worker is ended.
        progress: show it on standard error.

    Raises ForceGaugeError for anything that you can mend, before the first case is asked.
    """
    resources = Resources(workers, device, dtype, threads, Path(python) if python else None, max_memory_gb)
    options = runs.RunOptions(
        results=Path(results),
        models=[models] if isinstance(models, str) else models,
        calculators=calculators or {},
        benchmarks=[benchmarks] if isinstance(benchmarks, str) else benchmarks,
        suite=suite,
        preset=preset,
        mode=mode,
        cases=[cases] if isinstance(cases, str) else cases,
        structures=None if structures is None else runs.named_structures(structures),
        resources=resources,
        timeout_s=timeout_s,
        retries=retries,
        budget_s=budget_s,
        shard=shard,
    )
    shown = reporter() if progress else Silent()
    try:
        return runs.run(options, shown)
    finally:
        shown.close()


def analyse(results: str | Path, mode: Mode = "default") -> list[BenchmarkResult]:
    """Metrics with intervals for every benchmark of a results folder."""
    return analyse_store(Path(results), mode)


def rank(results: str | Path, mode: Mode = "default") -> Ranking:
    """Ranks of the models of a results folder."""
    return rank_results(Path(results), mode)


def compare(results: str | Path, *, baseline: str, candidate: str, mode: Mode = "default") -> list[Comparison]:
    """Is the candidate better or worse than the baseline? Metric by metric, over the cases that both were asked."""
    return compare_results(Path(results), baseline, candidate, mode)
