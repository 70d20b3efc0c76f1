"""SO3LR (Kabylda et al. 2025, doi:10.1021/jacs.5c09558): So3krates with repulsion, charges and dispersion.

The package's network is asked for atomic energies of graphs that ForceGauge writes down; ForceGauge takes the gradient.
The energies of free atoms, hundreds of eV each, are added in double precision: the package adds them in single, which
leaves 0.1 meV of noise on ten atoms.
"""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import numpy as np
import torch

from forcegauge.models.base import weights_sha256
from forcegauge.models.graph import GraphModel, indices, settle
from forcegauge.models.neighbours import Pairs
from forcegauge.potential import Capabilities
from forcegauge.structures import Floats, Integers, Structures

ADAPTER_VERSION = 2  # 1 took every structure for a neutral singlet
PACKAGES = ("so3krates-torch", "torch", "numpy", "scipy", "ase")

_ELEMENTS = (1, 6, 7, 8, 9, 15, 16, 17)  # of the training data; the network answers for all others, with nonsense
_LONG_CUTOFF = 12.0  # Å, what the package's own calculator takes
_DAMPING = 2.0  # Å, over which its dispersion is switched off before that
_EDGE_CAP = 60_000  # of which a tenth are short; more gains nothing on a CPU


class So3lrModel(GraphModel):
    """SO3LR behind the face of a model.

    Args:
        network: a ``so3krates_torch.modules.models.SO3LR``, on its device, in evaluation mode.
        identity: SHA-256 of its weights.
        device: of the network.
    """

    def __init__(self, network: torch.nn.Module, identity: str, device: str) -> None:
        self.network = network
        self._shifts = network.atomic_energy_output_block.energy_shifts.detach().double().cpu().numpy()
        torch.nn.init.zeros_(network.atomic_energy_output_block.energy_shifts)
        self._short_cutoff = float(network.r_max)
        capabilities = Capabilities(
            elements=_ELEMENTS,
            properties=("energy", "forces", "stress"),
            cutoff_angstrom=_LONG_CUTOFF,
            is_conservative=True,
            dtype="float32",
            device=device,
            knows_charge=True,
            knows_spin=True,
            batch_cost=_EDGE_CAP,
        )
        super().__init__(identity, capabilities, _EDGE_CAP)

    def reference(self, numbers: Integers) -> Floats:
        """[n_atoms], eV, the energy of each free atom."""
        return np.asarray(self._shifts[numbers - 1])

    def atomic(
        self, structures: Structures, pairs: Pairs, vectors: torch.Tensor, properties: frozenset[str]
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Energies of the atoms without the free atoms'; there are no moments."""
        device, n_structures = self.capabilities.device, len(pairs.n_atoms)
        short = np.flatnonzero(pairs.distance <= self._short_cutoff)
        edges = np.stack([pairs.first, pairs.second])
        kinds = torch.nn.functional.one_hot(indices(structures.numbers - 1, device), self.network.num_elements)
        # The package's total spin is S; its default is a neutral singlet too.
        spin = (structures.multiplicity - 1) / 2
        data = {
            "node_attrs": kinds.float(),
            "atomic_numbers": indices(structures.numbers, device),
            "positions": torch.zeros((len(structures.numbers), 3), device=device),
            "edge_index": indices(edges[:, short], device),
            "shifts": vectors[indices(short, device)],
            "edge_index_lr": indices(edges, device),
            "shifts_lr": vectors,
            "cell": torch.zeros((n_structures, 3, 3), device=device),  # read for a stress of the package's own only
            "batch": indices(pairs.owner, device),
            "ptr": indices(np.cumsum([0, *pairs.n_atoms]), device),
            "head": indices(np.zeros(n_structures), device),
            "total_charge": torch.tensor(structures.net_charge, dtype=torch.float32, device=device),
            "total_spin": torch.tensor(spin, dtype=torch.float32, device=device),
        }
        return self.network(data, compute_force=False)["node_energy"].reshape(-1), None


def load(*, device: str = "cpu", threads: int | None = None) -> So3lrModel:
    """SO3LR with the weights that its package ships, a pickle of the package's own network."""
    settle(device, threads)
    with contextlib.redirect_stdout(io.StringIO()):
        import so3krates_torch

        path = Path(so3krates_torch.__file__).parent / "pretrained" / "so3lr" / "so3lr.model"
        network = torch.load(path, map_location=device, weights_only=False)
    network.requires_grad_(False)
    network.r_max_lr = _LONG_CUTOFF
    network.dispersion_energy_cutoff_lr_damping = _DAMPING
    return So3lrModel(network.to(device).eval(), weights_sha256(path), device)
