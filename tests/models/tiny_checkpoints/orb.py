"""An Orb of random weights, as orb-models stores its own: ``python orb.py FILE ARCHITECTURE``."""

import sys

import torch
from orb_models.forcefield import pretrained

torch.manual_seed(7)
drawn = {}


def random_weights(model, *arguments, **options):
    """In the place of the package's download: the network as it is made, its last layers awake."""
    for head in model.heads.values():
        for parameter in head.parameters():
            if parameter.requires_grad and parameter.ndim > 1:
                torch.nn.init.normal_(parameter, std=0.2)
    drawn.update(model.state_dict())
    return model


pretrained.load_model = random_weights
pretrained.ORB_PRETRAINED_MODELS[sys.argv[2]](compile=False, device="cpu")
torch.save(drawn, sys.argv[1])
