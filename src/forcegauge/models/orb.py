"""Orb (Neumann et al. 2024, arXiv:2410.22570; Rhodes et al. 2025, arXiv:2504.06231): fast graph networks.

Graphs and batches are the package's own, because which neighbours it keeps is part of the model. Of its heads only
those run that answer what is asked; an energy is had without a gradient.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase.stress import voigt_6_to_full_3x3_stress

from forcegauge.errors import Failure, ModelUnavailable, UnknownName
from forcegauge.models.base import split_predictions
from forcegauge.models.graph import settle
from forcegauge.models.weights import read_tensors
from forcegauge.potential import Capabilities, Prediction
from forcegauge.structures import Floats, Structures

ADAPTER_VERSION = 1
PACKAGES = ("orb-models", "torch", "numpy", "scipy", "ase")

_EDGE_CAP = 6_000
_ELEMENTS = tuple(number for number in range(1, 95) if number not in (84, 85, 86, 87, 88))


class OrbModel:
    """Orb behind the face of a model.

    Args:
        network: a conservative or direct regressor of ``orb_models``, on its device, in evaluation mode.
        identity: SHA-256 of its file.
        dtype: of its arithmetic.
        device: of the network.
    """

    def __init__(self, network: torch.nn.Module, identity: str, dtype: str, device: str) -> None:
        self.network = network
        self.identity = identity
        self.capabilities = Capabilities(
            elements=_ELEMENTS,
            properties=("energy", "forces", "stress") if network.has_stress else ("energy", "forces"),
            cutoff_angstrom=float(network.system_config.radius),
            is_conservative=hasattr(network, "grad_forces_name"),
            dtype=dtype,
            device=device,
            batch_cost=_EDGE_CAP,
        )

    def evaluate(self, structures: Structures, properties: frozenset[str]) -> list[Prediction | Failure]:
        """Predictions in batches below the cap; a structure periodic in one or two directions only is refused."""
        partly = structures.pbc.any(axis=1) & ~structures.pbc.all(axis=1)
        refusal = Failure("not_implemented", "Orb takes structures periodic in all three directions or in none")
        answers: list[Prediction | Failure] = [refusal] * len(structures)
        rows = np.flatnonzero(~partly).tolist()
        for run in self._batches(structures, rows):
            batch = Structures.concatenate([structures.take(row, row + 1) for row, _ in run])
            given = self._predict([graph for _, graph in run], properties)
            for (row, _), answer in zip(run, split_predictions(batch, properties, **given), strict=True):
                answers[row] = answer
        return answers

    def _batches(self, structures: Structures, rows: list[int]) -> Iterator[list[tuple[int, Any]]]:
        from orb_models.forcefield.atomic_system import ase_atoms_to_atom_graphs

        device = torch.device(self.capabilities.device)
        run: list[tuple[int, Any]] = []
        total = 0
        for row in rows:
            atoms = structures[row]
            atoms.info.clear()  # charge and spin are for models that were trained with them
            graph = ase_atoms_to_atom_graphs(atoms, self.network.system_config, wrap=True, device=device)
            n_edges = int(graph.n_edge) + len(atoms)
            if run and total + n_edges > _EDGE_CAP:
                yield run
                run, total = [], 0
            run.append((row, graph))
            total += n_edges
        if run:
            yield run

    def _predict(self, graphs: list[Any], properties: frozenset[str]) -> dict[str, Floats | None]:
        from orb_models.forcefield.base import batch_graphs

        batch, network = batch_graphs(graphs), self.network
        if self.capabilities.is_conservative and properties != {"energy"}:
            answer = network.predict(batch)
            given = {
                "energy": answer[network.energy_name],
                "forces": answer[network.grad_forces_name],
                "stress": answer[network.grad_stress_name] if network.has_stress else None,
            }
        else:
            with torch.no_grad():
                given = self._heads(batch, properties)
        energies, forces, stress = (_numbers(given.get(name)) for name in ("energy", "forces", "stress"))
        return {
            "energies": energies,
            "forces": forces,
            "stress": None if stress is None else voigt_6_to_full_3x3_stress(stress.reshape(-1, 6)),
        }

    def _heads(self, batch: Any, properties: frozenset[str]) -> dict[str, torch.Tensor]:
        network = self.network
        features = network.model(batch)["node_features"]
        given = {name: network.heads[name].predict(features, batch) for name in properties}
        if network.pair_repulsion:
            repulsion = network.pair_repulsion_fn(batch)
            given = {name: value + repulsion[name] for name, value in given.items()}
        return given


def _numbers(values: torch.Tensor | None) -> Floats | None:
    return None if values is None else values.detach().double().cpu().numpy()


def load(
    path: Path,
    identity: str,
    *,
    architecture: str = "",
    device: str = "cpu",
    threads: int | None = None,
    dtype: str = "float32",
) -> OrbModel:
    """Orb from a file of plain tensors, read without running anything in it.

    Args:
        path: of the file.
        identity: its SHA-256.
        architecture: the published model whose shape it has, such as ``orb-v3-conservative-inf-omat``.
        device: where it runs.
        threads: of the CPU, None for torch's own choice.
        dtype: ``float32`` (never rounded further, as the package would on an accelerator) or ``float64``.
    """
    settle(device, threads)
    from orb_models.forcefield.pretrained import ORB_PRETRAINED_MODELS

    if not architecture:
        raise ModelUnavailable(
            f"{path}: an Orb file does not say its architecture: give it as NAME=MODEL:{path}, MODEL a registered Orb"
        )
    if architecture not in ORB_PRETRAINED_MODELS:
        raise UnknownName("Orb architecture", architecture, ORB_PRETRAINED_MODELS)
    read_tensors(path)  # the package would say of a pickle only that it cannot read it
    precision = "float64" if dtype == "float64" else "float32-highest"
    network = ORB_PRETRAINED_MODELS[architecture](
        weights_path=str(path), device=device, precision=precision, compile=False
    )
    return OrbModel(network.eval(), identity, dtype, device)
