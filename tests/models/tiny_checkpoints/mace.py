"""A MACE of random weights, saved as mace-torch saves its own: ``python mace.py FILE [HEAD...]``."""

import sys
from pathlib import Path

sys.path.remove(str(Path(__file__).parent))  # this file is called as the package is

import mace.modules
import numpy as np
import torch
from e3nn import o3

torch.manual_seed(7)
torch.set_default_dtype(torch.float64)
elements = [8, 14, 29, 1, 13]  # out of order on purpose
heads = sys.argv[2:] or ["Default"]
block = mace.modules.interaction_classes["RealAgnosticResidualInteractionBlock"]
network = mace.modules.ScaleShiftMACE(
    r_max=4.5,
    num_bessel=4,
    num_polynomial_cutoff=5,
    max_ell=2,
    interaction_cls=block,
    interaction_cls_first=block,
    num_interactions=2,
    num_elements=len(elements),
    hidden_irreps=o3.Irreps("8x0e + 8x1o"),
    MLP_irreps=o3.Irreps("4x0e"),
    atomic_energies=np.array([[-430.0, -290.0, -1640.0, -13.6, -242.0]]) * (1 + np.arange(len(heads))[:, None] / 10),
    avg_num_neighbors=20.0,
    atomic_numbers=elements,
    correlation=2,
    gate=torch.nn.functional.silu,
    atomic_inter_scale=40.0 if len(heads) == 1 else list(np.linspace(40.0, 60.0, len(heads))),
    atomic_inter_shift=0.2 if len(heads) == 1 else [0.2] * len(heads),
    heads=heads,
    pair_repulsion=True,
)
torch.save(network, sys.argv[1])
