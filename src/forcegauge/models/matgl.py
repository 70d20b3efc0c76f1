"""MatGL (Ko et al. 2025, doi:10.1038/s41524-025-01742-y): M3GNet, TensorNet and kin behind one ``Potential``.

The package's batch record is filled with ForceGauge's neighbour pairs for all structures at once. Its potential takes
one gradient for forces and stress; it is told to take none where an energy is enough, and no stress unasked.
"""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase.data import atomic_numbers
from ase.geometry import complete_cell

from forcegauge.errors import ModelUnavailable
from forcegauge.models.base import split_predictions
from forcegauge.models.graph import indices, settle
from forcegauge.models.neighbours import Pairs, neighbour_pairs
from forcegauge.models.weights import read_tensors
from forcegauge.potential import Capabilities, Prediction
from forcegauge.structures import Floats, Structures

ADAPTER_VERSION = 1
PACKAGES = ("matgl", "torch", "torch-geometric", "pymatgen-core", "numpy", "scipy", "ase")

_EDGE_CAP = 8_000


class MatglModel:
    """A potential of MatGL behind the face of a model.

    Args:
        potential: a ``matgl.apps.pes.Potential``, on its device, in evaluation mode.
        identity: SHA-256 of its files.
        device: of the potential.
    """

    def __init__(self, potential: torch.nn.Module, identity: str, device: str) -> None:
        network = potential.model
        self.potential = potential
        self.identity = identity
        self._numbers = np.array([atomic_numbers[name] for name in network.element_types])
        self._dtype = potential.data_mean.dtype
        self.capabilities = Capabilities(
            elements=tuple(sorted(self._numbers.tolist())),
            properties=("energy", "forces", "stress"),
            cutoff_angstrom=float(network.cutoff),
            angle_cutoff_angstrom=getattr(network, "threebody_cutoff", None),
            is_conservative=True,
            dtype=str(self._dtype).removeprefix("torch."),
            device=device,
            batch_cost=_EDGE_CAP,
        )

    def evaluate(self, structures: Structures, properties: frozenset[str]) -> list[Prediction]:
        """Predictions of all structures, in batches below the cap."""
        bend = self.capabilities.angle_cutoff_angstrom
        pairs = neighbour_pairs(structures, self.capabilities.cutoff_angstrom or 0.0)
        cost = pairs.count + (pairs.count_angles(bend) if bend else 0) + structures.n_atoms
        answers: list[Prediction] = []
        for start, stop in pairs.chunks(cost, _EDGE_CAP):
            answers += self._pass(structures.take(start, stop), pairs.take(start, stop), properties)
        return answers

    def _pass(self, structures: Structures, pairs: Pairs, properties: frozenset[str]) -> list[Prediction]:
        from matgl.utils.constants import EV_PER_ANG3_TO_GPA

        differentiate = bool(properties & {"forces", "stress"}) and len(pairs.first) > 0
        self.potential.calc_forces = differentiate
        self.potential.calc_stresses = differentiate and "stress" in properties
        cells = _cells(structures)
        state = torch.zeros((len(structures), 2), dtype=self._dtype, device=self.capabilities.device)
        answer = self.potential(self._graph(structures, pairs, cells), self._floats(cells), state)
        energies, forces, stress = (one.detach().double().cpu().numpy() for one in answer[:3])
        if not differentiate:  # atoms alone feel nothing
            forces, stress = np.zeros(structures.positions.shape), np.zeros(structures.cells.shape)
        if "stress" in properties:
            stress = stress.reshape(-1, 3, 3) / EV_PER_ANG3_TO_GPA
        return split_predictions(structures, properties, energies.reshape(-1), forces, stress)

    def _graph(self, structures: Structures, pairs: Pairs, cells: Floats) -> Any:
        from torch_geometric.data import Batch

        device, order = self.capabilities.device, np.argsort(self._numbers)
        kinds = order[np.searchsorted(self._numbers, structures.numbers, sorter=order)]
        inverse = np.linalg.inv(cells)[structures.owner]
        return Batch(
            batch=indices(structures.owner, device),
            ptr=indices(structures.offsets, device),
            num_nodes=len(structures.numbers),
            edge_index=indices(np.stack([pairs.first, pairs.second]), device),
            pbc_offset=self._floats(pairs.shift),
            node_type=indices(kinds, device),
            frac_coords=self._floats(np.einsum("ni,nij->nj", structures.positions, inverse)),
        )

    def _floats(self, values: Any) -> torch.Tensor:
        return torch.as_tensor(np.ascontiguousarray(values), dtype=self._dtype, device=self.capabilities.device)


def _cells(structures: Structures) -> Floats:
    """[n_structures, 3, 3], Å: a molecule's is one Å wide, which nothing but its coordinates depends on."""
    cells = np.array([complete_cell(cell) for cell in structures.cells])
    cells[~structures.pbc.any(axis=1)] = np.eye(3)
    return cells


def load(
    path: Path, identity: str, *, device: str = "cpu", threads: int | None = None, dtype: str | None = None
) -> MatglModel:
    """A potential from the folder that MatGL saves: two files of plain tensors and one of text.

    Args:
        path: the folder, with ``model.json``, ``model.pt`` and ``state.pt``.
        identity: SHA-256 over its files.
        device: where it runs.
        threads: of the CPU, None for torch's own choice.
        dtype: ``float32`` or ``float64``, None for that of the files.
    """
    settle(device, threads)
    missing = [name for name in ("model.json", "model.pt", "state.pt") if not (path / name).is_file()]
    if missing:
        raise ModelUnavailable(f"{path} lacks {', '.join(missing)}: give the folder that MatGL saved")
    with contextlib.redirect_stdout(io.StringIO()):
        from matgl.apps.pes import Potential

        read_tensors(path / "state.pt")
        potential = Potential.load(path)
    kind = type(potential.model).__name__
    if getattr(potential, "calc_charge", False):
        raise ModelUnavailable(f"{path} holds a {kind} that wants charges; M3GNet, TensorNet and CHGNet are taken")
    if dtype:
        potential = potential.to(getattr(torch, dtype))
    potential.requires_grad_(False)
    return MatglModel(potential.to(device).eval(), identity, device)
