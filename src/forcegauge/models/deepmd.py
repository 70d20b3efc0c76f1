"""DeePMD-kit (Zeng et al. 2025, doi:10.1021/acs.jctc.5c00340): Deep Potential and the DPA family, in PyTorch.

Structures with as many atoms share a call of the package. An energy alone is had from its atomic model, without the
gradient that its own interface always takes.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase.data import atomic_numbers

from forcegauge.errors import ModelUnavailable
from forcegauge.models.base import split_predictions
from forcegauge.models.graph import settle
from forcegauge.models.weights import no_such_head, read_tensors
from forcegauge.potential import Capabilities, Prediction
from forcegauge.structures import Floats, Structures

ADAPTER_VERSION = 1
PACKAGES = ("deepmd-kit", "torch", "numpy", "scipy", "ase")

_ATOM_CAP = 256  # of one call: the package's lists of neighbours are as long as the model allows, 100 and more


class DeepmdModel:
    """A Deep Potential behind the face of a model.

    Args:
        potential: a ``deepmd.infer.DeepPot``.
        identity: SHA-256 of its file.
        device: where it runs.
    """

    def __init__(self, potential: Any, identity: str, device: str) -> None:
        names = potential.get_type_map()
        self.identity = identity
        self._potential = potential
        self._network = potential.deep_eval.dp.model["Default"]
        self._kind = {atomic_numbers[name]: index for index, name in enumerate(names) if name in atomic_numbers}
        self.capabilities = Capabilities(
            elements=tuple(sorted(self._kind)),
            properties=("energy", "forces", "stress"),
            cutoff_angstrom=float(potential.get_rcut()),
            is_conservative=True,
            device=device,
            batch_cost=30_000,
        )

    def evaluate(self, structures: Structures, properties: frozenset[str]) -> list[Prediction]:
        """Predictions of all structures; those of one size, with a cell or without, are asked together."""
        answers: list[Prediction] = [Prediction()] * len(structures)
        for rows in _alike(structures):
            batch = Structures.concatenate([structures.take(row, row + 1) for row in rows])
            for row, answer in zip(rows, self._pass(batch, properties), strict=True):
                answers[row] = answer
        return answers

    def _pass(self, structures: Structures, properties: frozenset[str]) -> list[Prediction]:
        n = len(structures)
        kinds = np.array([self._kind[number] for number in structures.numbers.tolist()]).reshape(n, -1)
        coords = structures.positions.reshape(n, -1)
        boxes = structures.cells.reshape(n, 9) if structures.pbc[0].any() else None
        if properties == {"energy"}:
            return split_predictions(structures, properties, self._energies(coords, boxes, kinds))
        energies, forces, virial = self._potential.eval(coords, boxes, kinds, mixed_type=True)[:3]
        stress = None
        if "stress" in properties:
            full = -virial.reshape(n, 3, 3) / np.abs(np.linalg.det(structures.cells))[:, None, None]
            stress = (full + full.transpose(0, 2, 1)) / 2
        return split_predictions(structures, properties, energies.ravel(), forces.reshape(-1, 3), stress)

    def _energies(self, coords: Floats, boxes: Floats | None, kinds: np.ndarray) -> Floats:
        from deepmd.pt.utils.nlist import extend_input_and_build_neighbor_list

        device, network = self.capabilities.device, self._network
        where = torch.as_tensor(coords, dtype=torch.float64, device=device)
        box = None if boxes is None else torch.as_tensor(boxes, dtype=torch.float64, device=device)
        with torch.no_grad():
            where, box, *_ = network._input_type_cast(where, box=box)
            types = torch.as_tensor(kinds, device=device)
            extended, extended_types, mapping, near = extend_input_and_build_neighbor_list(
                where, types, network.get_rcut(), network.get_sel(), mixed_types=True, box=box
            )
            extended = extended.view(len(kinds), -1, 3)
            near = network.format_nlist(extended, extended_types, near)
            answer = network.atomic_model.forward_common_atomic(extended, extended_types, near, mapping=mapping)
        energies: Floats = answer["energy"].double().sum(dim=(1, 2)).cpu().numpy()
        return energies


def _alike(structures: Structures) -> Iterator[list[int]]:
    """Rows of structures with as many atoms, all with a cell or all without, in batches below the cap."""
    key = np.stack([structures.n_atoms, structures.pbc.any(axis=1)], axis=1)
    _, kind = np.unique(key, axis=0, return_inverse=True)
    for number in range(int(kind.max()) + 1 if len(kind) else 0):
        rows = np.flatnonzero(kind.ravel() == number).tolist()
        step = max(1, _ATOM_CAP // int(structures.n_atoms[rows[0]]))
        yield from (rows[begin : begin + step] for begin in range(0, len(rows), step))


def _check_head(path: Path, head: str | None) -> None:
    """Raise ModelUnavailable unless the file has that head, or has one alone and none was asked for."""
    heads: list[str] = []
    if path.suffix == ".pt":  # a program has lost the others when it was frozen
        state = read_tensors(path)
        parameters = state.get("model", state)["_extra_state"]["model_params"]
        heads = list(parameters.get("model_dict", {}))
        heads += [alias for one in heads for alias in parameters["model_dict"][one].get("model_branch_alias", [])]
    if head not in heads if head else heads and "Default" not in heads:
        raise ModelUnavailable(no_such_head("deepmd", head, heads))


def load(
    path: Path, identity: str, *, device: str = "cpu", threads: int | None = None, head: str | None = None
) -> DeepmdModel:
    """A Deep Potential from a checkpoint (``.pt``, plain tensors) or a frozen program (``.pth``, TorchScript).

    Args:
        path: of the file.
        identity: its SHA-256.
        device: where it runs.
        threads: of the CPU, None for torch's own choice.
        head: branch of a network with several, by its name or an alias.
    """
    settle(device, threads)
    if path.suffix not in (".pt", ".pth"):
        raise ModelUnavailable(f"{path}: give a .pt or .pth file of the PyTorch back end")
    if device == "cpu":
        os.environ["DEVICE"] = "cpu"  # else the package takes any accelerator that it sees
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        from deepmd.infer import DeepPot
        from deepmd.pt.utils.env import DEVICE

        _check_head(path, head)
        potential = DeepPot(str(path), head=head, no_jit=True)
    return DeepmdModel(potential, identity, str(DEVICE))
