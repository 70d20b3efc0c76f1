"""DIEP: a message-passing network whose bond and triplet features are integrals over a plane of electron densities.

The package's network is asked for atomic energies of graphs that ForceGauge writes down; ForceGauge takes the gradient
and adds the energies of the free atoms in double precision.
"""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase.data import atomic_numbers

from forcegauge.models.base import weights_sha256
from forcegauge.models.graph import GraphModel, indices, settle
from forcegauge.models.neighbours import Pairs
from forcegauge.potential import Capabilities
from forcegauge.structures import Floats, Integers, Structures

ADAPTER_VERSION = 1
PACKAGES = ("diep", "torch", "torch-geometric", "numpy", "scipy", "ase")

_EDGE_CAP = 12_000  # pairs and triplets, each integrated over a grid of a hundred points
_NUMBERS = 128


class DiepModel(GraphModel):
    """DIEP behind the face of a model.

    Args:
        potential: a ``diep.apps.pes.Potential``, on its device, in evaluation mode.
        identity: SHA-256 of its weights.
        device: of the network.
    """

    def __init__(self, potential: Any, identity: str, device: str) -> None:
        self.network = potential.model
        self._scale = potential.data_std
        elements = [atomic_numbers[symbol] for symbol in self.network.element_types]
        self._kinds = np.zeros(_NUMBERS, np.int64)
        self._kinds[elements] = np.arange(len(elements))
        self._references = potential.element_refs.property_offset.double().cpu().numpy()
        capabilities = Capabilities(
            elements=tuple(sorted(elements)),
            properties=("energy", "forces", "stress"),
            cutoff_angstrom=float(self.network.cutoff),
            angle_cutoff_angstrom=float(self.network.threebody_cutoff),
            is_conservative=True,
            dtype="float32",
            device=device,
            batch_cost=_EDGE_CAP,
        )
        super().__init__(identity, capabilities, _EDGE_CAP)

    def reference(self, numbers: Integers) -> Floats:
        """[n_atoms], eV, the energy of each free atom."""
        return np.asarray(self._references[self._kinds[numbers]])

    def atomic(
        self, structures: Structures, pairs: Pairs, vectors: torch.Tensor, properties: frozenset[str]
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Energies of the atoms without the free atoms'; there are no moments."""
        from diep.graph.compute import DIEPData

        device = self.capabilities.device
        graph = DIEPData(
            node_type=indices(self._kinds[structures.numbers], device),
            pos=torch.zeros((len(structures.numbers), 3), device=device),
            edge_index=indices(np.stack([pairs.first, pairs.second]), device),
            pbc_offshift=vectors,
            batch=indices(pairs.owner, device),
        )
        self.network(graph, torch.zeros((len(pairs.n_atoms), 2), device=device))
        return self._scale * graph.atomic_properties.reshape(-1), None


def load(*, device: str = "cpu", threads: int | None = None) -> DiepModel:
    """DIEP with the weights that its package ships."""
    settle(device, threads)
    with contextlib.redirect_stdout(io.StringIO()):
        import diep
        from diep.pretrained import load_potential

        folder = Path(diep.__file__).parent / "pretrained_models" / "diep_fold1"
        potential = load_potential(folder, device=device)
    potential.requires_grad_(False)
    return DiepModel(potential, weights_sha256(folder / "state.pt"), device)
