"""Which of a store's records belong on one page: one set of settings per benchmark, one identity per model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from forcegauge.benchmarks.base import Benchmark, Mode
from forcegauge.errors import BadInput
from forcegauge.records import ModelIdentity, Protocol, Record


@dataclass(frozen=True, eq=False)
class Group:
    """Records of one benchmark that may be compared with each other.

    Args:
        settings: those the cases were run with, rebuilt from the store.
        settings_digest: their hash, as the records carry it.
        records: by case id, by model; one each.
        notes: what was left out and why, one sentence each.
        collection: the set that the cases belong to; empty where the benchmark has one set only.
    """

    settings: Any
    settings_digest: str
    records: Mapping[str, Mapping[str, Record]]
    notes: tuple[str, ...]
    collection: str = ""


def choose_group(
    benchmark: Benchmark, mode: Mode, records: Sequence[Record], protocols: Iterable[Protocol], planned: frozenset[str]
) -> Group:
    """The largest group of records whose settings are those of the mode; the others are named in a note.

    Of equally large groups the newest wins. Settings that are a preset's of another mode only yield to any others.
    Raises BadInput, which says what to do, where no group fits.

    Args:
        benchmark: that the records are of.
        mode: that they are to be analysed in.
        records: of this benchmark, all settings, models and identities.
        protocols: of the store.
        planned: models that a run has set out to ask.
    """
    if mode not in benchmark.modes:
        raise BadInput(f"benchmark {benchmark.name} has no mode '{mode}': it has {', '.join(benchmark.modes)}")
    by_settings: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        if record.run_version == benchmark.run_version:
            by_settings[record.settings].append(record)
    n_old = len(records) - sum(map(len, by_settings.values()))
    if not by_settings:
        raise BadInput(f"all {n_old} records of {benchmark.name} are of an older version of its run part: run it again")
    fitting = _fitting(benchmark, mode, [one for one in protocols if one.settings in by_settings])
    if not fitting:
        raise BadInput(
            f"the {sum(map(len, by_settings.values()))} records of {benchmark.name} were not run with settings of mode "
            f"'{mode}': run it again with --mode {mode}"
        )
    foreign = _presets_of_other_modes(benchmark, mode)
    best = max(fitting, key=lambda name: (name not in foreign, len(by_settings[name]), _newest(by_settings[name])))
    notes = [
        f"{len(others)} records with other settings ({name[:8]}) are left out."
        for name, others in by_settings.items()
        if name != best
    ]
    if n_old:
        notes.append(f"{n_old} records of an older version of the run part are left out: run again to renew them.")
    collection, members, set_notes = _one_collection(benchmark, by_settings[best])
    chosen, identity_notes = _one_identity_each(members)
    notes += set_notes + identity_notes + _unequal_cases(chosen)
    absent = ({record.model for record in records} | planned) - set(chosen)
    of_set = f" of {collection}" if collection else ""
    notes += [f"{model} has no record{of_set} with these settings." for model in sorted(absent)]
    return Group(fitting[best], best, chosen, tuple(notes), collection)


def _one_collection(benchmark: Benchmark, records: Sequence[Record]) -> tuple[str, Sequence[Record], list[str]]:
    """The records of the set of cases with most of one's own, its name, and what was left out.

    Cases of no set (an empty name) are measured by metrics of their own, so they go with any set.
    """
    by_name: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        by_name[benchmark.collection(record.case_id)].append(record)
    of_no_set = by_name.pop("", [])
    if not by_name:
        return "", of_no_set, []
    # An import must not take one's own models off the page: their set wins over larger ones that others published.
    own = {name: sum(not one.provenance.model.is_published for one in members) for name, members in by_name.items()}
    best = max(by_name, key=lambda name: (own[name], len(by_name[name]), name))
    notes = [
        f"{len(others)} records of crystals or molecules of {name} are left out: the metrics are those of {best}."
        for name, others in sorted(by_name.items())
        if name != best
    ]
    return best, [*by_name[best], *of_no_set], notes


def _fitting(benchmark: Benchmark, mode: Mode, protocols: Iterable[Protocol]) -> dict[str, Any]:
    """By their hash, the typed settings that the mode would leave as they are."""
    rebuilt = {one.settings: _rebuild(benchmark, one) for one in protocols if one.benchmark == benchmark.name}
    return {
        name: settings
        for name, settings in rebuilt.items()
        if settings is not None and benchmark.modes[mode](settings).digest() == name
    }


def _rebuild(benchmark: Benchmark, protocol: Protocol) -> Any:
    """The typed settings, or None where the stored fields are not those of today's settings."""
    template = benchmark.presets["quick"]
    if set(protocol.fields) != set(template.protocol()):
        return None
    return type(template)(**{name: _tuples(value) for name, value in protocol.fields.items()})


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _presets_of_other_modes(benchmark: Benchmark, mode: Mode) -> set[str]:
    digests = {
        name: {benchmark.settings(preset, name).digest() for preset in benchmark.presets} for name in benchmark.modes
    }
    return set().union(*digests.values()) - digests[mode]


def _newest(records: Iterable[Record]) -> float:
    return max(record.finished_at for record in records)


def _one_identity_each(records: Iterable[Record]) -> tuple[dict[str, dict[str, Record]], list[str]]:
    """The newest identity of each model name, the newest record of each of its cases, and what was left out."""
    by_model: dict[str, dict[str, list[Record]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        by_model[record.model][record.provenance.model.digest()].append(record)
    chosen, notes = {}, []
    for model, identities in sorted(by_model.items()):
        newest = max(identities.values(), key=_newest)
        chosen[model] = {record.case_id: record for record in sorted(newest, key=lambda record: record.finished_at)}
        n_other = sum(map(len, identities.values())) - len(newest)
        if n_other:
            notes.append(
                f"{model} stands for {len(identities)} sets of weights, options or environments; shown is the newest "
                f"({_known_by(newest[0].provenance.model)}), {n_other} records of others are left out."
            )
        n_renewed = len(newest) - len(chosen[model])
        if n_renewed:
            notes.append(f"{n_renewed} cases of {model} were asked in more than one form; shown is the newest of each.")
    return chosen, notes


def _known_by(identity: ModelIdentity) -> str:
    if identity.is_published:
        return ", ".join(f"{name} {str(value)[:12]}" for name, value in identity.options.items())
    return f"weights {identity.weights[:12]}, environment {identity.environment[:12]}"


def _unequal_cases(chosen: Mapping[str, Mapping[str, Record]]) -> list[str]:
    if len({frozenset(cases) for cases in chosen.values()}) <= 1:
        return []
    counts = ", ".join(f"{model} {len(cases)}" for model, cases in chosen.items())
    return [
        f"The models were not asked the same cases ({counts}), so their values are not strictly comparable; "
        "places are over common cases."
    ]
