"""A potential of random weights, saved as MatGL saves its own: ``python matgl.py FOLDER M3GNet|TensorNet|CHGNet``."""

import sys
from pathlib import Path

sys.path.remove(str(Path(__file__).parent))  # this file is called as the package is

import matgl.models
import torch
from matgl.apps.pes import Potential

torch.manual_seed(7)
elements = ("O", "Si", "Cu", "H", "Al")
sizes = {
    "M3GNet": {"units": 16, "dim_node_embedding": 16, "dim_edge_embedding": 16, "nblocks": 2, "threebody_cutoff": 3.5},
    "TensorNet": {"units": 16, "nblocks": 1, "num_rbf": 8},
    "CHGNet": {"dim_atom_embedding": 16, "dim_bond_embedding": 16, "dim_angle_embedding": 16, "threebody_cutoff": 3.0},
}[sys.argv[2]]
if sys.argv[2] != "CHGNet":
    sizes["is_intensive"] = False
network = getattr(matgl.models, sys.argv[2])(element_types=elements, cutoff=4.5, **sizes)
shifts = [-430.0, -290.0, -1640.0, -13.6, -242.0]
Potential(network, data_mean=0.0, data_std=1000.0, element_refs=shifts, calc_repuls=False).save(sys.argv[1])
