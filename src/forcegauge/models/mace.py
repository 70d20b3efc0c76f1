"""MACE (Batatia et al. 2022, arXiv:2206.07697): equivariant messages of many bodies.

The package's whole network runs on a batch whose atoms all sit at the origin and whose shifts carry the vectors between
neighbours, so that ForceGauge takes the one gradient that it needs, and none for an energy.
"""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import numpy as np
import torch

from forcegauge.errors import ModelUnavailable
from forcegauge.models.graph import GraphModel, indices, settle
from forcegauge.models.neighbours import Pairs
from forcegauge.models.weights import no_such_head
from forcegauge.potential import Capabilities
from forcegauge.structures import Structures

ADAPTER_VERSION = 1
PACKAGES = ("mace-torch", "e3nn", "torch", "numpy", "scipy", "ase")

_EDGE_CAP = 10_000
_TAKEN = ("MACE", "ScaleShiftMACE")


class MaceModel(GraphModel):
    """MACE behind the face of a model.

    Args:
        network: a ``mace.modules.MACE`` or ``ScaleShiftMACE``, on its device, in evaluation mode.
        identity: SHA-256 of its file.
        device: of the network.
        head: index of the level of theory that answers, where the network has several.
    """

    def __init__(self, network: torch.nn.Module, identity: str, device: str, head: int) -> None:
        self.network = network
        self.head = head
        self._numbers = network.atomic_numbers.cpu().numpy()
        self._dtype = next(network.parameters()).dtype
        capabilities = Capabilities(
            elements=tuple(sorted(self._numbers.tolist())),
            properties=("energy", "forces", "stress"),
            cutoff_angstrom=float(network.r_max),
            is_conservative=True,
            dtype=str(self._dtype).removeprefix("torch."),
            device=device,
            batch_cost=_EDGE_CAP,
        )
        super().__init__(identity, capabilities, _EDGE_CAP)

    def atomic(
        self, structures: Structures, pairs: Pairs, vectors: torch.Tensor, properties: frozenset[str]
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Energies of the atoms; there are no moments."""
        device, n_structures = self.capabilities.device, len(pairs.n_atoms)
        order = np.argsort(self._numbers)
        kinds = order[np.searchsorted(self._numbers, structures.numbers, sorter=order)]
        data = {
            "node_attrs": torch.eye(len(self._numbers), dtype=self._dtype, device=device)[indices(kinds, device)],
            "positions": torch.zeros((len(structures.numbers), 3), dtype=self._dtype, device=device),
            "edge_index": indices(np.stack([pairs.first, pairs.second]), device),
            "shifts": vectors,
            "unit_shifts": torch.zeros_like(vectors),  # read with "cell" for a stress of the package's own only
            "cell": torch.zeros((3 * n_structures, 3), dtype=self._dtype, device=device),
            "batch": indices(pairs.owner, device),
            "ptr": indices(np.cumsum([0, *pairs.n_atoms]), device),
            "head": torch.full((n_structures,), self.head, device=device),
        }
        return self.network(data, compute_force=False)["node_energy"], None


def load(
    path: Path,
    identity: str,
    *,
    device: str = "cpu",
    threads: int | None = None,
    dtype: str | None = None,
    head: str | None = None,
) -> MaceModel:
    """MACE from a file that its package saved: a pickle of the whole network, which runs what it holds.

    Args:
        path: of the file.
        identity: its SHA-256.
        device: where it runs.
        threads: of the CPU, None for torch's own choice.
        dtype: ``float32`` or ``float64``, None for that of the file.
        head: level of theory by name, where the network has several.
    """
    settle(device, threads)
    with contextlib.redirect_stdout(io.StringIO()):
        import mace.modules  # noqa: F401 - the pickle refers to its classes

        network = torch.load(path, map_location=device, weights_only=False)
    kind = type(network).__name__
    if kind not in _TAKEN or hasattr(network, "joint_embedding"):
        raise ModelUnavailable(f"{path} holds a {kind} of other inputs or outputs; {' and '.join(_TAKEN)} are taken")
    if dtype:
        network = network.to(getattr(torch, dtype))
    network.requires_grad_(False)
    return MaceModel(network.to(device).eval(), identity, device, _head(network, head))


def _head(network: torch.nn.Module, name: str | None) -> int:
    heads = list(getattr(network, "heads", None) or ["Default"])
    usual = next((head for head in heads if head.lower() == "default"), heads[0] if len(heads) == 1 else None)
    chosen = name or usual
    if chosen not in heads:
        raise ModelUnavailable(no_such_head("mace", chosen, heads))
    return heads.index(chosen)
