"""Loading a model from its specification, the same way for every family; runs in the model's own environment."""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import inspect
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

from forcegauge.errors import BadInput, ForceGaugeError, ModelUnavailable
from forcegauge.models import dispersion
from forcegauge.potential import Capabilities, Model, Prediction
from forcegauge.structures import Floats, Structures


class Identified(Model, Protocol):
    """A model that can say which one it is."""

    identity: str
    """SHA-256 of the weights, or a text that names the formula; empty where nobody can tell."""


@dataclass(frozen=True, eq=False)
class Loaded:
    """A model ready to answer, with all that makes it this model and no other.

    Args:
        model: what answers.
        weights: SHA-256 of the weights file, or a calculator's own identity text; empty where it has none, and then
            its records count for this process only.
        options: the adapter's options, dtype included where it was chosen.
        adapter_version: of the adapter file, raised when its answers change.
        packages: version by name of the packages that decide the answers.
    """

    model: Model
    weights: str
    options: Mapping[str, Any]
    adapter_version: int
    packages: Mapping[str, str]

    @property
    def capabilities(self) -> Capabilities:
        """As the adapter declares them."""
        return self.model.capabilities

    def facts(self) -> dict[str, Any]:
        """Plain fields that suffice to compute a record's key without starting a worker."""
        return {
            "weights": self.weights,
            "options": dict(self.options),
            "adapter_version": self.adapter_version,
            "capabilities": self.capabilities.as_dict(),
            "packages": dict(self.packages),
        }


def load(spec: Mapping[str, Any]) -> Loaded:
    """The model of a specification.

    Args:
        spec: ``adapter`` (a module of this package) and ``options``, or ``factory`` (``package.module:function`` giving
            an ASE calculator) and ``path`` (folders to find it in); ``device``, ``threads`` and ``dtype``, None for the
            model's own; ``sha256``, what the weights must be.

    Raises:
        ModelUnavailable: it does not load, or is not what was asked for; one line.
    """
    name, options = _adapter(spec)
    # Read when torch's OpenMP starts. Threads that wait by spinning make a model a hundred times slower as soon as
    # anything else wants the cores; threads that sleep cost nothing measurable on an idle machine.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        given = _file(spec)
        module = importlib.import_module(f"forcegauge.models.{name}")
        if spec.get("dtype") and "dtype" in inspect.signature(module.load).parameters:
            options["dtype"] = spec["dtype"]
        place = {"device": spec.get("device") or "cpu", "threads": spec.get("threads")}
        functional = options.pop(dispersion.OPTION, None)
        model: Identified = module.load(**place, **given, **options)
        if functional:
            model = dispersion.DispersionCorrected(model, functional, spec.get("threads"))
            options[dispersion.OPTION] = functional
    except ForceGaugeError:
        raise
    except Exception as error:
        asked = spec.get("factory") or name
        raise ModelUnavailable(f"{asked} does not load: {type(error).__name__}: {_first_line(error)}") from error
    _check(spec, model)
    named = {key: value for key, value in options.items() if key != "path"}
    packages = (*module.PACKAGES, *(dispersion.PACKAGES if functional else ()))
    return Loaded(model, model.identity, named, module.ADAPTER_VERSION, versions(packages))


def _file(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Path and SHA-256 of the weights for a family that reads a file, checked before it is opened."""
    if not spec.get("file"):
        return {}
    path = Path(spec["file"])
    found = weights_sha256(path)
    if spec.get("sha256") and found != spec["sha256"]:
        raise ModelUnavailable(
            f"{path} has SHA-256 {found[:12]}… where {spec['sha256'][:12]}… belongs; it was not opened"
        )
    return {"path": path, "identity": found}


def _adapter(spec: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    if spec.get("factory"):
        place = {"factory": spec["factory"], "path": list(spec.get("path", ()))}
        return "ase_calculator", {**spec.get("options", {}), **place}
    name = str(spec.get("adapter"))
    if not re.fullmatch(r"[a-z_0-9]+", name):
        raise BadInput(f"'{name}' is no adapter: a specification names an adapter module or a calculator factory")
    return name, dict(spec.get("options", {}))


def _check(spec: Mapping[str, Any], model: Identified) -> None:
    found = model.capabilities
    if spec.get("dtype") and spec["dtype"] != found.dtype:
        raise BadInput(f"the model computes in {found.dtype}, not in {spec['dtype']}: leave --dtype out")
    if spec.get("device") and spec["device"].split(":")[0] != found.device.split(":")[0]:
        raise BadInput(f"the model runs on {found.device}, not on {spec['device']}: leave --device out")
    if spec.get("sha256") and spec["sha256"] != model.identity:
        raise ModelUnavailable(
            f"the weights are not the registered ones: SHA-256 {model.identity[:12]}… where {spec['sha256'][:12]}… "
            "belongs; install the model's environment anew"
        )


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or ["no message"])[0]


def versions(packages: Sequence[str]) -> dict[str, str]:
    """Installed version by name; packages that are absent are left out."""
    found = {}
    for name in packages:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def weights_sha256(path: Path) -> str:
    """SHA-256 of a weights file, 64 hexadecimal digits; of a folder, over the names and hashes of its files."""
    if path.is_dir():
        files = sorted(one for one in path.rglob("*") if one.is_file())
        listed = "".join(f"{weights_sha256(one)}  {one.relative_to(path)}\n" for one in files)
        return hashlib.sha256(listed.encode()).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def split_predictions(
    structures: Structures,
    properties: frozenset[str],
    energies: Floats | None,
    forces: Floats | None = None,
    stress: Floats | None = None,
    magmoms: Floats | None = None,
) -> list[Prediction]:
    """One prediction per structure from arrays over the whole batch, with what was asked and nothing else.

    Args:
        structures: what was asked about.
        properties: what was asked for.
        energies: [n_structures], eV.
        forces: [n_atoms_total, 3], eV/Å.
        stress: [n_structures, 3, 3], eV/Å³.
        magmoms: [n_atoms_total], Bohr magnetons.
    """
    begins = structures.offsets.tolist()
    wanted = {name: name in properties for name in ("energy", "forces", "stress", "magmoms")}
    return [
        Prediction(
            energy=float(energies[row]) if wanted["energy"] and energies is not None else None,
            forces=forces[begin:end] if wanted["forces"] and forces is not None else None,
            stress=stress[row] if wanted["stress"] and stress is not None else None,
            magmoms=magmoms[begin:end] if wanted["magmoms"] and magmoms is not None else None,
        )
        for row, (begin, end) in enumerate(pairwise(begins))
    ]
