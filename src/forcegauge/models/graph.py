"""What message-passing models share: neighbour pairs, batches capped by the size of the graph, one gradient for all.

Forces and stress both follow from the energy's gradient with respect to the vectors between neighbours, so one
backward pass serves both, and an energy alone needs none.
"""

from __future__ import annotations

import os
import warnings
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import torch

from forcegauge.models.base import split_predictions
from forcegauge.models.neighbours import Pairs, neighbour_pairs
from forcegauge.potential import Capabilities, Prediction
from forcegauge.structures import Floats, Integers, Structures


class GraphModel(ABC):
    """A torch model over neighbour vectors; a family says how energies come from them.

    Args:
        identity: SHA-256 of the weights.
        capabilities: as declared to the worker; the cut-off rules the graph.
        edge_cap: directed pairs plus angles that one pass may hold.
    """

    def __init__(self, identity: str, capabilities: Capabilities, edge_cap: float) -> None:
        self.identity = identity
        self.capabilities = capabilities
        self.edge_cap = edge_cap

    @abstractmethod
    def atomic(
        self, structures: Structures, pairs: Pairs, vectors: torch.Tensor, properties: frozenset[str]
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Energy of each atom, [n_atoms], eV, differentiable by ``vectors``, and magnetic moments where asked."""

    def reference(self, numbers: Integers) -> Floats:
        """[n_atoms], eV, the constant part of each atom's energy, kept out of single precision.

        Zero for a network that adds the energies of the free atoms itself.
        """
        return np.zeros(len(numbers))

    def evaluate(self, structures: Structures, properties: frozenset[str]) -> list[Prediction]:
        """Predictions of all structures, in passes below the cap; which structures share one depends on order alone."""
        cutoff, bend = self.capabilities.cutoff_angstrom or 0.0, self.capabilities.angle_cutoff_angstrom
        pairs = neighbour_pairs(structures, cutoff)
        cost = pairs.count + (pairs.count_angles(bend) if bend else 0) + structures.n_atoms
        answers: list[Prediction] = []
        for start, stop in pairs.chunks(cost, self.edge_cap):
            answers += self._pass(structures.take(start, stop), pairs.take(start, stop), properties)
        return answers

    def _pass(self, structures: Structures, pairs: Pairs, properties: frozenset[str]) -> list[Prediction]:
        differentiate = bool(properties & {"forces", "stress"})
        vectors = torch.tensor(
            pairs.vector, dtype=getattr(torch, self.capabilities.dtype), device=self.capabilities.device
        )
        with torch.set_grad_enabled(differentiate):
            vectors.requires_grad_(differentiate)
            energies, magmoms = self.atomic(structures, pairs, vectors, properties)
            gradient = _gradient(energies, vectors) if differentiate else None
        per_atom = energies.detach().double().cpu().numpy().reshape(-1) + self.reference(structures.numbers)
        forces = stress = None
        if gradient is not None and "forces" in properties:
            forces = pairs.forces(gradient)
        if gradient is not None and "stress" in properties:
            stress = pairs.stress(gradient, np.abs(np.linalg.det(structures.cells)))
        return split_predictions(
            structures,
            properties,
            np.bincount(structures.owner, per_atom, len(structures)).astype(np.float64),
            forces,
            stress,
            None if magmoms is None else magmoms.detach().double().cpu().numpy(),
        )


def _gradient(energies: torch.Tensor, vectors: torch.Tensor) -> Floats:
    if not len(vectors) or not energies.requires_grad:  # atoms alone feel nothing
        return np.zeros(vectors.shape)
    (found,) = torch.autograd.grad(energies.sum(), vectors)
    gradient: Floats = found.double().cpu().numpy()
    return gradient


def settle(device: str, threads: int | None) -> None:
    """Make torch answer the same to the same question: deterministic algorithms, a fixed number of threads, no chatter.

    On an accelerator an operation without a deterministic form is allowed.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    warnings.filterwarnings("ignore")
    torch.use_deterministic_algorithms(True, warn_only=not device.startswith("cpu"))
    if threads:
        torch.set_num_threads(threads)


def indices(values: Any, device: str) -> torch.Tensor:
    """Whole numbers as a tensor on the model's device."""
    return torch.as_tensor(np.ascontiguousarray(values), dtype=torch.int64, device=device)
