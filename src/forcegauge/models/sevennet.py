"""SevenNet (Park et al. 2024, doi:10.1021/acs.jctc.4c00190): an equivariant network after NequIP.

The package's own modules run in their own order, all but the last one, which takes the gradient whether it is wanted
or not; ForceGauge takes it itself where it is.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from forcegauge.errors import BadInput, UnknownName
from forcegauge.models.base import weights_sha256
from forcegauge.models.graph import GraphModel, indices, settle
from forcegauge.models.neighbours import Pairs
from forcegauge.potential import Capabilities
from forcegauge.structures import Structures

ADAPTER_VERSION = 1
PACKAGES = ("sevenn", "e3nn", "torch", "torch-geometric", "numpy", "scipy", "ase")

# Directed pairs in one pass; the first is 1.3 GB of memory in all with a gradient, more gains nothing on a CPU.
_EDGE_CAPS = {"7net-0": 6_000, "7net-mf-0": 6_000, "7net-l3i5": 3_000}


class SevennetModel(GraphModel):
    """SevenNet behind the face of a model.

    Args:
        network: a ``sevenn.nn.sequential.AtomGraphSequential``, on its device, in evaluation mode.
        identity: SHA-256 of its weights.
        device: of the network.
        edge_cap: directed pairs that one pass may hold.
        is_mirror_symmetric: whether its features know even from odd; else it only turns with a structure.
        modal: which of the levels of theory it was trained on, by the network's own numbering; None where there is one.
    """

    def __init__(
        self,
        network: torch.nn.Module,
        identity: str,
        device: str,
        edge_cap: float,
        is_mirror_symmetric: bool,
        modal: int | None = None,
    ) -> None:
        network.set_is_batch_data(True)
        self.network = network
        self._modal = modal
        self._modules = [
            module for name, module in network.named_children() if name not in ("reduce_total_enegy", "force_output")
        ]
        capabilities = Capabilities(
            elements=tuple(sorted(network.type_map)),
            properties=("energy", "forces", "stress"),
            cutoff_angstrom=float(network.cutoff),
            is_conservative=True,
            is_mirror_symmetric=is_mirror_symmetric,
            dtype="float32",
            device=device,
            batch_cost=edge_cap,
        )
        super().__init__(identity, capabilities, edge_cap)

    def atomic(
        self, structures: Structures, pairs: Pairs, vectors: torch.Tensor, properties: frozenset[str]
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Energies of the atoms; there are no moments."""
        import sevenn._keys as key
        from sevenn.atom_graph_data import AtomGraphData

        device = self.capabilities.device
        data = AtomGraphData(
            x=self.network._atomic_numbers_to_onehot(indices(structures.numbers, device)),
            edge_index=indices(np.stack([pairs.first, pairs.second]), device),
        )
        data[key.ATOMIC_NUMBERS] = indices(structures.numbers, device)
        data[key.EDGE_VEC] = vectors
        data[key.BATCH] = indices(pairs.owner, device)
        data[key.NUM_ATOMS] = indices(pairs.n_atoms, device)
        if self._modal is not None:
            data[key.MODAL_TYPE] = indices(np.full(len(pairs.n_atoms), self._modal), device)
        for module in self._modules:
            data = module(data)
        return data[key.ATOMIC_ENERGY].reshape(-1), None


def load(
    checkpoint: str = "7net-0", modal: str | None = None, *, device: str = "cpu", threads: int | None = None
) -> SevennetModel:
    """SevenNet with the weights that its package ships, which are a pickle of the package's own records.

    Args:
        checkpoint: by the package's name for it.
        modal: the level of theory to answer at, for a checkpoint that was trained on several.
        device: where it computes.
        threads: of the CPU.
    """
    if checkpoint not in _EDGE_CAPS:
        raise UnknownName("SevenNet checkpoint", checkpoint, _EDGE_CAPS)
    settle(device, threads)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        from sevenn.checkpoint import SevenNetCheckpoint
        from sevenn.util import pretrained_name_to_path

        path = Path(pretrained_name_to_path(checkpoint))
        kept = SevenNetCheckpoint(path)
        network = kept.build_model()
    network.requires_grad_(False)
    number = _modal(checkpoint, modal, network.modal_map or {})
    mirrors = bool(kept.config["is_parity"])
    network = network.to(device).eval()
    return SevennetModel(network, weights_sha256(path), device, _EDGE_CAPS[checkpoint], mirrors, number)


def _modal(checkpoint: str, asked: str | None, known: Mapping[str, int]) -> int | None:
    if asked is not None and not known:
        raise BadInput(f"SevenNet checkpoint {checkpoint} has one level of theory: leave the option modal out")
    if asked is None and known:
        raise BadInput(f"SevenNet checkpoint {checkpoint} needs the option modal: one of {', '.join(sorted(known))}")
    if asked is not None and asked not in known:
        raise UnknownName("modal", asked, known)
    return None if asked is None else known[asked]
