"""From a published file to a store: read, check against the benchmark's own cases, write."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from forcegauge.benchmarks import registry
from forcegauge.encoding import digest
from forcegauge.errors import BadInput, UnknownName
from forcegauge.records import (
    PUBLISHED,
    Case,
    ModelIdentity,
    Protocol,
    Provenance,
    PublishedMetric,
    Record,
)
from forcegauge.results.connect import DATABASE
from forcegauge.results.merge import Merged, absorb, add_published
from forcegauge.results.store import Store
from forcegauge.scoring.imports.arena import read_diatomics, read_energy_volume, read_equation_of_state
from forcegauge.scoring.imports.content import Curves, File, cases_of, model_name
from forcegauge.scoring.imports.tables import read_matbench, read_sait
from forcegauge.version import __version__

FORMATS: Mapping[str, Callable[[File], Curves | list[PublishedMetric]]] = {
    "arena-ev": read_energy_volume,
    "arena-eos": read_equation_of_state,
    "arena-diatomics": read_diatomics,
    "matbench": read_matbench,
    "sait-indicators": read_sait,
}
"""What reads a file of each format."""


def import_published(source: Path, form: str, results: Path, model: str = "") -> Merged:
    """Bring what others have published into a results folder, new or not.

    Doing it twice changes nothing. Numbers that the source has published anew in another file replace the earlier ones.

    Args:
        source: the file.
        form: one of :data:`FORMATS`.
        results: the folder to write to.
        model: of curves, the name that they get; of a table, the one model to take, all where empty.

    Raises:
        UnknownName: no such format, or no such model in the table.
        BadInput: the file does not fit, or ``model`` is missing or taken; nothing has been written.
        StoreError: ``results`` cannot be used.
    """
    if form not in FORMATS:
        raise UnknownName("import format", form, FORMATS)
    file = File.read(source)
    found = FORMATS[form](file)
    if isinstance(found, Curves):
        return _write_curves(file, found, results, model)
    return _write_metrics(file, found, results, model)


def _write_curves(file: File, curves: Curves, results: Path, model: str) -> Merged:
    if not model:
        raise BadInput(
            f"which model is {curves.published_name} of {file.path}? Give --model, a name that no model of your own "
            f"has, such as {model_name(curves.published_name)}-published"
        )
    cases = cases_of(file, curves.benchmark, curves.outcomes)
    records = _records(file, curves, cases, model)
    _refuse_taken(results, curves, model)
    bound, merged = registry.get(curves.benchmark), Merged()
    settings = bound.settings("full", "arena")
    by_digest = {case.digest(): case for case in cases.values()}
    with Store.writer(results) as store:
        store.add_protocol(Protocol(bound.name, settings.digest(), settings.protocol(), bound.run_version))
        absorb(store, records, by_digest.__getitem__, merged)
    return merged


def _records(file: File, curves: Curves, cases: Mapping[str, Case], model: str) -> list[tuple[Record, str]]:
    """A record per case, each with its case's digest."""
    bound = registry.get(curves.benchmark)
    settings = bound.settings("full", "arena").digest()
    provenance = _provenance(file, curves, model)
    shared = ["published", model, provenance.model.digest(), settings, bound.run_version]
    records = []
    for name, outcome in curves.outcomes.items():
        case_digest = cases[name].digest()
        record = Record(
            key=digest([*shared, case_digest]),  # a local key hashes four things, never these
            model=model,
            benchmark=bound.name,
            case_id=name,
            settings=settings,
            outcome=outcome,
            provenance=provenance,
            seed=0,
            run_version=bound.run_version,
            wall_s=math.nan,
            peak_memory_bytes=0,
            finished_at=time.time(),
        )
        records.append((record, case_digest))
    return records


def _provenance(file: File, curves: Curves, model: str) -> Provenance:
    """Who computed it is known, on what and how fast is not."""
    options = {"published_name": curves.published_name, "file_sha256": file.sha256}
    identity = ModelIdentity(model, f"{PUBLISHED}{curves.source}", options, 1, "")
    return Provenance(
        model=identity,
        packages={},
        python="",
        platform="",
        device="",
        calibration_gflops=0.0,
        dtype="",
        threads=0,
        forcegauge=__version__,
    )


def _refuse_taken(results: Path, curves: Curves, model: str) -> None:
    """Raise BadInput where another model has this name already; the newer of the two would hide the other."""
    if not (results / DATABASE).exists():
        return
    with Store.open(results) as store:
        known = {
            (one.is_published, str(one.options.get("published_name", "")))
            for one in (record.provenance.model for record in store.records(benchmark=curves.benchmark, model=model))
        }
    for is_published, name in sorted(known):
        if not is_published or name != curves.published_name:
            owner = f"are those of the published {name}" if is_published else "were run here"
            other = model_name(curves.published_name) if is_published else model
            raise BadInput(
                f"the records of {model} for {curves.benchmark} in {results} {owner}, not of {curves.published_name}: "
                f"give another --model, such as {other}-published"
            )


def _write_metrics(file: File, metrics: Sequence[PublishedMetric], results: Path, model: str) -> Merged:
    names = {one.model for one in metrics}
    if model and model_name(model) not in names:
        raise UnknownName(f"model of {file.path}", model, sorted(names))
    chosen = [one for one in metrics if not model or one.model == model_name(model)]
    if len({(one.model, one.benchmark, one.metric) for one in chosen}) < len(chosen):
        raise file.refused("two of its rows are of the same model")
    merged = Merged()
    with Store.writer(results) as store:
        add_published(store, chosen, merged, replace=True)
    return merged
