"""A PET of random weights, saved as metatrain saves its own: ``python upet.py FILE``."""

import sys
from pathlib import Path

sys.path.remove(str(Path(__file__).parent))  # this file is called as the package is

import torch
from metatrain.pet import PET
from metatrain.utils.architectures import get_default_hypers
from metatrain.utils.data import DatasetInfo
from metatrain.utils.data.target_info import get_energy_target_info

torch.manual_seed(7)
small = {"d_pet": 8, "d_head": 8, "d_node": 16, "d_feedforward": 16, "num_heads": 2, "num_gnn_layers": 1, "zbl": False}
hypers = {**get_default_hypers("pet")["model"], **small, "cutoff": 4.5}
energy = get_energy_target_info("energy", {"quantity": "energy", "unit": "eV"}, add_position_gradients=True)
network = PET(hypers, DatasetInfo(length_unit="angstrom", atomic_types=[1, 8, 13, 14, 29], targets={"energy": energy}))
torch.save(network.to(torch.float64).get_checkpoint(), sys.argv[1])
