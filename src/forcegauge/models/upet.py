"""PET-MAD, PET-OAM and kin (Mazitov et al. 2025, doi:10.1038/s41467-025-65662-7): transformers over neighbours.

The package's own batched call answers lists of structures, with one gradient for forces and stress or with none.
"""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import numpy as np

from forcegauge.errors import Failure, ModelUnavailable
from forcegauge.models.base import split_predictions
from forcegauge.models.graph import settle
from forcegauge.models.neighbours import neighbour_pairs
from forcegauge.potential import Capabilities, Prediction
from forcegauge.structures import Structures

ADAPTER_VERSION = 1
PACKAGES = ("upet", "metatrain", "metatomic-torch", "metatensor-torch", "torch", "numpy", "scipy", "ase")

_EDGE_CAP = 4_000


class UpetModel:
    """A network of the PET family behind the face of a model.

    Args:
        network: a ``metatomic.torch.AtomisticModel``.
        identity: SHA-256 of its file.
        device: where it runs.
    """

    def __init__(self, network: Any, identity: str, device: str) -> None:
        from metatomic_ase import MetatomicCalculator

        facts = network.capabilities()
        self.identity = identity
        # Without a skin: every structure comes once, and a longer list would only be longer.
        self._calculator = MetatomicCalculator(network, device=device, uncertainty_threshold=None, neighbor_skin=0.0)
        self.capabilities = Capabilities(
            elements=tuple(sorted(facts.atomic_types)),
            properties=("energy", "forces", "stress"),
            cutoff_angstrom=max(options.cutoff for options in network.requested_neighbor_lists()),
            is_conservative=True,
            dtype=facts.dtype,
            device=device,
            batch_cost=_EDGE_CAP,
        )

    def evaluate(self, structures: Structures, properties: frozenset[str]) -> list[Prediction]:
        """Predictions of all structures, in batches below the cap."""
        pairs = neighbour_pairs(structures, self.capabilities.cutoff_angstrom or 0.0)
        answers: list[Prediction] = []
        for start, stop in pairs.chunks(pairs.count + structures.n_atoms, _EDGE_CAP):
            answers += self._pass(structures.take(start, stop), properties)
        return answers

    def _pass(self, structures: Structures, properties: frozenset[str]) -> list[Prediction]:
        differentiate = bool(properties & {"forces", "stress"})
        if "stress" in properties and not structures.pbc.all():
            raise Failure("not_implemented", "stress needs a structure periodic in all three directions")
        answer = self._calculator.compute_energy(list(structures), compute_forces_and_stresses=differentiate)
        forces = stress = None
        if differentiate:
            forces = np.concatenate(answer["forces"]).astype(np.float64)
        if "stress" in properties:
            full = np.array(answer["stress"], dtype=np.float64)
            stress = (full + full.transpose(0, 2, 1)) / 2  # the network is not exactly blind to rotation
        return split_predictions(structures, properties, np.ravel(answer["energy"]).astype(np.float64), forces, stress)


def load(path: Path, identity: str, *, device: str = "cpu", threads: int | None = None) -> UpetModel:
    """A PET network from a checkpoint of metatrain, which is a pickle and may run what it holds.

    Args:
        path: of the file.
        identity: its SHA-256.
        device: where it runs.
        threads: of the CPU, None for torch's own choice.
    """
    settle(device, threads)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        from upet import get_upet

        network = get_upet(checkpoint_path=path)
    if "energy" not in network.capabilities().outputs:
        raise ModelUnavailable(f"{path} gives {', '.join(network.capabilities().outputs)}, but no energy")
    return UpetModel(network, identity, device)
