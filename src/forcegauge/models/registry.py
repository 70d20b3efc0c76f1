"""Which models there are: cards from ``registry.toml`` and from other packages, read without importing any model."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from forcegauge.errors import BadInput, UnknownName
from forcegauge.models.dispersion import CUTOFF_ANGSTROM, OPTION

ENTRY_POINTS = "forcegauge.models"
_D3 = "+d3"
_HEADED = ("mace", "deepmd")  # families whose networks may have several heads, one for each level of theory


@dataclass(frozen=True)
class Entry:
    """A model's card, and how it is loaded.

    Args:
        name: as on the command line.
        title: for people.
        environment: a name in ``environments.toml``.
        adapter: module of this package that loads it; empty for a calculator factory, and where there is none yet.
        factory: ``package.module:function`` that gives an ASE calculator; empty otherwise.
        options: what the adapter is given; part of every record's key.
        weights: where they come from.
        url: address of the weights file, or ``sdist:PACKAGE==VERSION#PATH`` for one in a source archive of the package
            index; empty where the package brings them or nobody may fetch them unasked.
        files: their names under that address, where the weights are a folder of several.
        format: how they are stored where they are a file of their own: ``text`` (a table of numbers), ``tensors`` (read
            without running anything in it), ``program`` (TorchScript) or ``pickle`` (runs what it holds: only from a
            source that you trust).
        file: where they are on this machine, given by the user or put in by ``weights.provided``.
        own: a user's checkpoint of a known family; whatever stands in the file, its hash is its identity.
        sha256: of the weights file, empty where there is none.
        licence_code: of the package.
        licence_weights: of the weights.
        training_data: what it was trained on.
        theory: functional of the training data.
        d3: functional whose D3(BJ) parameters may be added by ``NAME+d3``; ``included`` where the training data has
            dispersion already; empty where the functional is unknown or the library has no parameters.
        energy_reference: ``raw DFT``, ``MP2020-corrected`` or other; energies of different kinds are never compared.
        elements: which answer, in words.
        trained_elements: which have training data, where that differs.
        conservative: forces are the gradient of the energy, None where unknown.
        mirror_symmetric: a structure and its mirror image have the same energy.
        known: by check of ``models verify``, the cause of what the model is known not to meet: a fact of the card then,
            no failure of it.
        properties: what it gives.
        needs_cell: fails without a periodic cell.
        dtype: of its arithmetic.
        cutoff_angstrom: how far an atom sees directly.
        parameters: trainable numbers in it.
        paper: DOI.
        hidden: for tests of ForceGauge; not listed unless asked.
    """

    name: str
    title: str
    environment: str
    adapter: str = ""
    factory: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    weights: str = ""
    url: str = ""
    files: tuple[str, ...] = ()
    format: str = ""
    file: str = ""
    own: bool = False
    sha256: str = ""
    licence_code: str = ""
    licence_weights: str = ""
    training_data: str = ""
    theory: str = ""
    d3: str = ""
    energy_reference: str = ""
    elements: str = ""
    trained_elements: str = ""
    conservative: bool | None = None
    mirror_symmetric: bool = True
    known: Mapping[str, str] = field(default_factory=dict)
    properties: tuple[str, ...] = ("energy", "forces", "stress")
    needs_cell: bool = False
    dtype: str = "float64"
    cutoff_angstrom: float | None = None
    parameters: int = 0
    paper: str = ""
    hidden: bool = False

    def spec(
        self,
        *,
        device: str | None = None,
        threads: int | None = None,
        dtype: str | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """What ``models.base.load`` takes, in plain values; ``options`` come over those of the card."""
        source: dict[str, Any] = {"factory": self.factory} if self.factory else {"adapter": self.adapter}
        chosen = {**self.options, **(options or {})}
        place = {"device": device, "threads": threads, "dtype": dtype, "sha256": self.sha256}
        return {**source, "options": chosen, **place, **({"file": self.file} if self.file else {})}

    def as_dict(self) -> dict[str, Any]:
        """Plain fields, for tables and the report's model card."""
        return asdict(self)


def get(name: str) -> Entry:
    """The card of a model; raises UnknownName with the nearest names.

    ``MODEL:PATH`` is a registered model with its weights in a file of yours. ``FAMILY:PATH`` is your own checkpoint of
    a known family, called ``FAMILY-`` and the file's name, or what you like as ``NAME=FAMILY:PATH``.
    ``NAME=MODEL:PATH`` is your own checkpoint in the shape, and with the options, of a registered model.
    ``FAMILY@HEAD:PATH`` and ``NAME=FAMILY@HEAD:PATH`` are one head of a network with several.
    ``MODEL+d3`` is a registered model with dispersion added.
    """
    entries = _entries()
    if name in entries:
        return entries[name]
    if name.endswith(_D3):
        return _with_dispersion(get(name.removesuffix(_D3)))
    if ":" in name:
        return _from_file(name)
    if name in families():
        raise BadInput(f"{name} is a family of models: give your checkpoint as {name}:/path/to/file, or a model's name")
    raise UnknownName("model", name, names(hidden=name.startswith("broken")), "(`forcegauge models list`)")


def _with_dispersion(card: Entry) -> Entry:
    """The card of a model with D3(BJ) added; raises BadInput where that would be wrong."""
    refused = f"{card.name}{_D3}: dispersion is not added"
    if card.d3 == "included":
        raise BadInput(f"{refused}, since {card.theory} has it already: ask for {card.name}")
    if not card.d3:
        theory = f"its theory is {card.theory}" if card.theory else "nothing is said of its theory"
        raise BadInput(f"{refused}: the card names no functional that D3(BJ) has parameters for; {theory}")
    return replace(
        card,
        name=f"{card.name}{_D3}",
        title=f"{card.title}, with D3(BJ) of {card.d3}",
        environment=f"{card.environment}{_D3}",
        options={**card.options, OPTION: card.d3},
        theory=f"{card.theory} with D3(BJ)",
        energy_reference=f"{card.energy_reference} with D3(BJ)",
        cutoff_angstrom=CUTOFF_ANGSTROM,
        d3="included",
    )


def families() -> dict[str, str]:
    """Environment by family, for those that read a checkpoint from a file."""
    found: dict[str, str] = {}
    for entry in _entries().values():
        if entry.format and entry.adapter:
            found.setdefault(entry.adapter, entry.environment)
    return found


def _from_file(text: str) -> Entry:
    head, _, path = text.partition(":")
    label, _, what = head.rpartition("=")
    what, _, branch = what.partition("@")
    if not path:
        raise BadInput(f"{text}: give a file after the colon, {what}:/path/to/file")
    file = Path(path).expanduser().absolute()
    cards, known = _entries(), families()
    if label in cards:
        raise BadInput(f"{text}: {label} is a registered model; give your checkpoint another name")
    card = cards.get(what)
    if card and card.adapter and card.format and not label and not branch:
        return replace(card, file=str(file))
    shape = card or next((one for one in cards.values() if one.adapter == what and one.format), None)
    if shape and branch and shape.adapter not in _HEADED:
        headed = " and ".join(_HEADED)
        raise BadInput(
            f"{text}: checkpoints of {shape.adapter} have no heads (of {headed} some do); leave @{branch} out"
        )
    if shape and shape.adapter and shape.format:
        return Entry(
            name=label or "-".join(part for part in (what, branch, file.stem) if part),
            title=f"own checkpoint {file.name}, read as {what}" + (f", head {branch}" if branch else ""),
            environment=shape.environment,
            adapter=shape.adapter,
            options={**(card.options if card else {}), **({"head": branch} if branch else {})},
            format=shape.format,
            file=str(file),
            own=True,
        )
    if what in cards:
        raise BadInput(f"{text}: {what} takes no file; families that do: {', '.join(known)}")
    takes = [*known, *(name for name, card in cards.items() if card.format and card.adapter)]
    raise UnknownName("model or family that reads a file", what, takes)


def names(hidden: bool = False) -> list[str]:
    """Every model's name, in the order of the registry; deliberately broken ones only where ``hidden``."""
    return [entry.name for entry in _entries().values() if hidden or not entry.hidden]


@cache
def _entries() -> dict[str, Entry]:
    cards = tomllib.loads((Path(__file__).parent / "registry.toml").read_text(encoding="utf-8"))
    entries = {name: _entry(name, card) for name, card in cards.items()}
    for point in entry_points(group=ENTRY_POINTS):
        # A name of another package never replaces one of ours: records of the two would look alike.
        entries.setdefault(
            point.name,
            Entry(point.name, f"calculator factory {point.value}", "core", factory=point.value, properties=()),
        )
    return entries


def _entry(name: str, card: Mapping[str, Any]) -> Entry:
    lists = {field: tuple(card[field]) for field in ("properties", "files") if field in card}
    return Entry(name=name, **{**card, **lists})
