"""CHGNet (Deng et al. 2023, doi:10.1038/s42256-023-00716-3): a graph of bonds and angles, energies and moments.

The package's own layers and its own batch record are used; the graph is written down by ForceGauge in one piece for the
whole batch, where the package converts and features one structure after another, and forces and stress come from one
gradient without a graph of its own, where the package takes two with one.
"""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import numpy as np
import torch

from forcegauge.errors import UnknownName
from forcegauge.models.base import weights_sha256
from forcegauge.models.graph import GraphModel, indices, settle
from forcegauge.models.neighbours import Pairs
from forcegauge.potential import Capabilities
from forcegauge.structures import Floats, Integers, Structures

ADAPTER_VERSION = 1
PACKAGES = ("chgnet", "torch", "numpy", "scipy", "ase")

_CHECKPOINTS = {
    "0.3.0": "0.3.0/chgnet_0.3.0_e29f68s314m37.pth.tar",
    "r2scan": "r2scan/chgnet_r2scan_transfer_learning_e15f36s161m23.pth.tar",
}
_EDGE_CAP = 20_000  # 0.7 GB of memory in all with a gradient; more gains nothing on a CPU


class ChgnetModel(GraphModel):
    """CHGNet behind the face of a model.

    Args:
        network: a ``chgnet.model.CHGNet``, on its device, in evaluation mode.
        identity: SHA-256 of its weights.
        device: of the network.
    """

    def __init__(self, network: torch.nn.Module, identity: str, device: str) -> None:
        self.network = network
        self._reference = network.composition_model.fc.weight.detach().double().cpu().numpy().ravel()
        converter = network.graph_converter
        capabilities = Capabilities(
            elements=tuple(range(1, network.atom_embedding.embedding.num_embeddings + 1)),
            properties=("energy", "forces", "stress", "magmoms"),
            needs_cell=True,
            cutoff_angstrom=float(converter.atom_graph_cutoff),
            angle_cutoff_angstrom=float(converter.bond_graph_cutoff),
            is_conservative=True,
            dtype="float32",
            device=device,
            batch_cost=_EDGE_CAP,
        )
        super().__init__(identity, capabilities, _EDGE_CAP)

    def reference(self, numbers: Integers) -> Floats:
        """[n_atoms], eV, the fitted energy of each element."""
        return np.asarray(self._reference[numbers - 1])

    def atomic(
        self, structures: Structures, pairs: Pairs, vectors: torch.Tensor, properties: frozenset[str]
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Energies of the atoms without the elements' reference, and magnetic moments."""
        moments = "magmoms" in properties
        answer = self.network._compute(
            self._graph(structures.numbers, pairs, vectors), compute_magmom=moments, return_site_energies=True
        )
        return torch.cat(answer["site_energies"]), torch.cat(answer["m"]) if moments else None

    def _graph(self, numbers: Integers, pairs: Pairs, vectors: torch.Tensor) -> object:
        """The batch record of the package: bonds are features of undirected pairs, angles of directed ones."""
        from chgnet.model.model import BatchedGraph

        device = self.capabilities.device
        bond_of, pair_of = pairs.undirected()
        left, right = pairs.angles(self.capabilities.angle_cutoff_angstrom or 0.0)
        lengths = torch.linalg.vector_norm(vectors, dim=1)
        directions = vectors / lengths[:, None]
        bond_lengths = lengths[indices(pair_of, device)]
        basis = self.network.bond_basis_expansion
        angles = torch.tensor([], device=device)
        if len(left):
            ends = (directions[indices(side, device)] for side in (left, right))
            angles = self.network.angle_basis_expansion(*ends)
        return BatchedGraph(
            atomic_numbers=indices(numbers, device),
            bond_bases_ag=basis.rbf_expansion_ag(bond_lengths),
            bond_bases_bg=basis.rbf_expansion_bg(bond_lengths),
            angle_bases=angles,
            batched_atom_graph=indices(np.column_stack([pairs.first, pairs.second]), device),
            batched_bond_graph=indices(np.column_stack([pairs.first[left], bond_of[left], bond_of[right]]), device),
            atom_owners=indices(pairs.owner, device).int(),
            directed2undirected=indices(bond_of, device),
            atom_positions=(),
            strains=(),
            volumes=(),
        )


def load(checkpoint: str = "0.3.0", *, device: str = "cpu", threads: int | None = None) -> ChgnetModel:
    """CHGNet with the weights that its package ships, read without executing anything in the file."""
    if checkpoint not in _CHECKPOINTS:
        raise UnknownName("CHGNet checkpoint", checkpoint, _CHECKPOINTS)
    settle(device, threads)
    with contextlib.redirect_stdout(io.StringIO()):
        import chgnet
        from chgnet.model import CHGNet

        path = Path(chgnet.__file__).parent / "pretrained" / _CHECKPOINTS[checkpoint]
        saved = torch.load(path, map_location="cpu", weights_only=True)
        network = CHGNet.from_dict(saved["model"], mlp_out_bias=False, version=checkpoint)
    network.requires_grad_(False)
    return ChgnetModel(network.to(device).eval(), weights_sha256(path), device)
