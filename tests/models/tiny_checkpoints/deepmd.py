"""A DPA-1 of random weights, saved as DeePMD-kit saves its own: ``python deepmd.py FILE [HEAD...]``."""

import sys
from pathlib import Path

sys.path.remove(str(Path(__file__).parent))  # this file is called as the package is

import torch
from deepmd.pt.model.model import get_model
from deepmd.pt.train.wrapper import ModelWrapper

torch.manual_seed(7)
settings = {
    "type_map": ["O", "Si", "Cu", "H", "Al"],
    "descriptor": {
        "type": "se_atten",
        "rcut": 4.5,
        "rcut_smth": 3.0,
        "sel": 120,
        "neuron": [8, 16],
        "axis_neuron": 4,
        "attn": 16,
        "attn_layer": 1,
        "seed": 1,
    },
    "fitting_net": {"neuron": [16, 16], "seed": 1},
}
heads = sys.argv[2:]
networks = {head: get_model(settings) for head in heads or ["Default"]}
for network in networks.values():
    for name, parameter in network.named_parameters():
        if "fitting" in name and parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=1.0)
if heads:
    branches = {head: {**settings, "model_branch_alias": [f"{head}-alias"]} for head in heads}
    wrapper = ModelWrapper(networks, model_params={"model_dict": branches})
else:
    wrapper = ModelWrapper(networks["Default"], model_params=settings)
torch.save({"model": wrapper.state_dict()}, sys.argv[1])
