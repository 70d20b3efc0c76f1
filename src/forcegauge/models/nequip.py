"""NequIP and Allegro (Batzner et al. 2022, doi:10.1038/s41467-022-29939-5; Tan et al. 2025, arXiv:2504.16068).

The package's own batch record is filled with ForceGauge's neighbour pairs. Its last module takes one gradient for
forces and stress together; it is told to take none where an energy is enough.
"""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import numpy as np
import torch
from ase.data import atomic_numbers

from forcegauge.errors import ModelUnavailable
from forcegauge.models.base import split_predictions
from forcegauge.models.graph import indices, settle
from forcegauge.models.neighbours import Pairs, neighbour_pairs
from forcegauge.potential import Capabilities, Prediction
from forcegauge.structures import Floats, Integers, Structures

ADAPTER_VERSION = 1
PACKAGES = ("nequip", "nequip-allegro", "e3nn", "torch", "numpy", "scipy", "ase")

_EDGE_CAP = 8_000


class NequipModel:
    """A network of the NequIP framework behind the face of a model.

    Args:
        network: a ``nequip.nn.graph_model.GraphModel``, on its device, in evaluation mode.
        identity: SHA-256 of its file.
        device: of the network.
    """

    def __init__(self, network: torch.nn.Module, identity: str, device: str) -> None:
        metadata = network.metadata
        names = metadata["type_names"].split()
        foreign = [name for name in names if name not in atomic_numbers]
        if foreign:
            raise ModelUnavailable(
                f"atom types {', '.join(foreign)} are no elements: this network is not for all atoms"
            )
        self.network = network
        self.identity = identity
        self._numbers = np.array([atomic_numbers[name] for name in names])
        self._cutoffs = _cutoffs(metadata.get("per_edge_type_cutoff"), names)
        self._derivatives = [module for module in network.modules() if hasattr(module, "do_derivatives")]
        self.capabilities = Capabilities(
            elements=tuple(sorted(self._numbers.tolist())),
            properties=("energy", "forces", "stress") if self._derivatives else ("energy",),
            cutoff_angstrom=float(metadata["r_max"]),
            is_conservative=True,
            dtype=metadata["model_dtype"],
            device=device,
            batch_cost=_EDGE_CAP,
        )

    def evaluate(self, structures: Structures, properties: frozenset[str]) -> list[Prediction]:
        """Predictions of all structures, in batches below the cap."""
        order = np.argsort(self._numbers)
        kinds = order[np.searchsorted(self._numbers, structures.numbers, sorter=order)]
        pairs = neighbour_pairs(structures, self.capabilities.cutoff_angstrom or 0.0)
        if self._cutoffs is not None:
            pairs = pairs.closer_than(self._cutoffs[kinds[pairs.first], kinds[pairs.second]])
        answers: list[Prediction] = []
        for start, stop in pairs.chunks(pairs.count + structures.n_atoms, _EDGE_CAP):
            atoms = slice(*structures.offsets[[start, stop]].tolist())
            answers += self._pass(structures.take(start, stop), kinds[atoms], pairs.take(start, stop), properties)
        return answers

    def _pass(
        self, structures: Structures, kinds: Integers, pairs: Pairs, properties: frozenset[str]
    ) -> list[Prediction]:
        device, differentiate = self.capabilities.device, bool(properties & {"forces", "stress"})
        for module in self._derivatives:
            module.do_derivatives = differentiate
        data = {
            "pos": _doubles(structures.positions, device),
            "cell": _doubles(structures.cells, device),
            "edge_index": indices(np.stack([pairs.first, pairs.second]), device),
            "edge_cell_shift": _doubles(pairs.shift, device),
            "atom_types": indices(kinds, device),
            "batch": indices(pairs.owner, device),
            "num_atoms": indices(structures.n_atoms, device),
        }
        with torch.set_grad_enabled(differentiate):
            answer = self.network(data)
        given = {
            name: answer[name].detach().double().cpu().numpy().reshape(shape)
            for name, shape in (("total_energy", (-1,)), ("forces", (-1, 3)), ("stress", (-1, 3, 3)))
            if name in answer
        }
        return split_predictions(
            structures, properties, given["total_energy"], given.get("forces"), given.get("stress")
        )


def _doubles(values: Floats | Integers, device: str) -> torch.Tensor:
    return torch.as_tensor(np.ascontiguousarray(values), dtype=torch.float64, device=device)


def _cutoffs(text: str | None, names: list[str]) -> Floats | None:
    """[n_types, n_types], Å, from centre to neighbour, where pairs of types have cut-offs of their own."""
    return np.array(text.split(), dtype=float).reshape(len(names), len(names)) if text else None


def load(path: Path, identity: str, *, device: str = "cpu", threads: int | None = None) -> NequipModel:
    """A package (``.nequip.zip``) or a training checkpoint (``.ckpt``): both bring code that is run.

    Args:
        path: of the file.
        identity: its SHA-256.
        device: where it runs.
        threads: of the CPU, None for torch's own choice.
    """
    settle(device, threads)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        from nequip.model.saved_models.load_utils import load_saved_model
        from nequip.utils.global_state import set_global_state

        set_global_state(allow_tf32=False)
        network = load_saved_model(str(path))
    network.requires_grad_(False)
    return NequipModel(network.to(device).eval(), identity, device)
