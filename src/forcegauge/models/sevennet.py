"""SevenNet (Park et al. 2024, doi:10.1021/acs.jctc.4c00190): an equivariant network after NequIP.

The package's own modules run in their own order, all but the last one, which takes the gradient whether it is wanted
or not; ForceGauge takes it itself where it is.
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
from forcegauge.structures import Floats, Integers

ADAPTER_VERSION = 1
PACKAGES = ("sevenn", "e3nn", "torch", "torch-geometric", "numpy", "scipy", "ase")

_CHECKPOINTS = ("7net-0",)
_EDGE_CAP = 6_000  # 1.3 GB of memory in all with a gradient; more gains nothing on a CPU


class SevennetModel(GraphModel):
    """SevenNet behind the face of a model.

    Args:
        network: a ``sevenn.nn.sequential.AtomGraphSequential``, on its device, in evaluation mode.
        identity: SHA-256 of its weights.
        device: of the network.
    """

    def __init__(self, network: torch.nn.Module, identity: str, device: str) -> None:
        network.set_is_batch_data(True)
        self.network = network
        self._modules = [
            module for name, module in network.named_children() if name not in ("reduce_total_enegy", "force_output")
        ]
        capabilities = Capabilities(
            elements=tuple(sorted(network.type_map)),
            properties=("energy", "forces", "stress"),
            cutoff_angstrom=float(network.cutoff),
            is_conservative=True,
            dtype="float32",
            device=device,
            batch_cost=_EDGE_CAP,
        )
        super().__init__(identity, capabilities, _EDGE_CAP)

    def reference(self, numbers: Integers) -> Floats:
        """[n_atoms], zero: the network adds the energy of the free atoms itself."""
        return np.zeros(len(numbers))

    def atomic(
        self, numbers: Integers, pairs: Pairs, vectors: torch.Tensor, properties: frozenset[str]
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Energies of the atoms; there are no moments."""
        import sevenn._keys as key
        from sevenn.atom_graph_data import AtomGraphData

        device = self.capabilities.device
        data = AtomGraphData(
            x=self.network._atomic_numbers_to_onehot(indices(numbers, device)),
            edge_index=indices(np.stack([pairs.first, pairs.second]), device),
        )
        data[key.ATOMIC_NUMBERS] = indices(numbers, device)
        data[key.EDGE_VEC] = vectors
        data[key.BATCH] = indices(pairs.owner, device)
        data[key.NUM_ATOMS] = indices(pairs.n_atoms, device)
        for module in self._modules:
            data = module(data)
        return data[key.ATOMIC_ENERGY].reshape(-1), None


def load(checkpoint: str = "7net-0", *, device: str = "cpu", threads: int | None = None) -> SevennetModel:
    """SevenNet with the weights that its package ships, which are a pickle of the package's own records."""
    if checkpoint not in _CHECKPOINTS:
        raise UnknownName("SevenNet checkpoint", checkpoint, _CHECKPOINTS)
    settle(device, threads)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        from sevenn.checkpoint import SevenNetCheckpoint
        from sevenn.util import pretrained_name_to_path

        path = Path(pretrained_name_to_path(checkpoint))
        network = SevenNetCheckpoint(path).build_model()
    network.requires_grad_(False)
    return SevennetModel(network.to(device).eval(), weights_sha256(path), device)
