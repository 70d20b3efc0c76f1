"""A NequIP or Allegro after one step of training, packaged: ``python nequip.py FILE nequip|allegro``."""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import ase.io
import numpy as np
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator

ELEMENTS = ["O", "Si", "Cu", "H", "Al"]
CUTOFF = 4.5
COMMON = {
    "seed": 7,
    "model_dtype": "float64",
    "type_names": ELEMENTS,
    "r_max": CUTOFF,
    "l_max": 1,
    "avg_num_neighbors": 20.0,
    "per_type_energy_scales": 30.0,
    "per_type_energy_shifts": {"O": -430.0, "Si": -290.0, "Cu": -1640.0, "H": -13.6, "Al": -242.0},
    "per_edge_type_cutoff": {"H": {"H": 2.0, "Si": 4.0}},
}
NEQUIP = {"_target_": "nequip.model.NequIPGNNModel", "num_layers": 2, "num_features": 8, "radial_mlp_width": 16}
ALLEGRO = {
    "_target_": "allegro.model.AllegroModel",
    "num_layers": 1,
    "num_scalar_features": 8,
    "num_tensor_features": 4,
    "allegro_mlp_hidden_layers_width": 16,
    "readout_mlp_hidden_layers_width": 8,
    "radial_chemical_embed": {"_target_": "allegro.nn.TwoBodyBesselScalarEmbed", "num_bessels": 4},
}


def frames(path):
    listed = [bulk("Si", cubic=True), bulk("Al", cubic=True), bulk("Cu", cubic=True)]
    for atoms in listed:
        atoms.rattle(0.05)
        atoms.calc = SinglePointCalculator(atoms, energy=-1.0, forces=np.zeros((len(atoms), 3)))
    ase.io.write(path, listed)


def config(folder, model):
    mapper = {
        "_target_": "nequip.data.transforms.ChemicalSpeciesToAtomTypeMapper",
        "model_type_names": ELEMENTS,
        "chemical_species_to_atom_type_map": {name: name for name in ELEMENTS},
    }
    neighbours = {"_target_": "nequip.data.transforms.NeighborListTransform", "r_max": CUTOFF}
    loader = {"_target_": "torch.utils.data.DataLoader", "batch_size": 3}
    metric = {"_target_": "nequip.train.EnergyForceMetrics", "coeffs": {"total_energy_mae": 1.0, "forces_mae": 1.0}}
    return {
        "run": ["train"],
        "data": {
            "_target_": "nequip.data.datamodule.ASEDataModule",
            "seed": 7,
            "train_file_path": str(folder / "frames.xyz"),
            "val_file_path": str(folder / "frames.xyz"),
            "transforms": [mapper, neighbours],
            "train_dataloader": loader,
            "val_dataloader": loader,
        },
        "trainer": {
            "_target_": "lightning.Trainer",
            "accelerator": "cpu",
            "max_epochs": 1,
            "logger": False,
            "enable_progress_bar": False,
            "callbacks": [
                {
                    "_target_": "lightning.pytorch.callbacks.ModelCheckpoint",
                    "dirpath": str(folder),
                    "save_last": True,
                }
            ],
        },
        "training_module": {
            "_target_": "nequip.train.NequIPLightningModule",
            "loss": {"_target_": "nequip.train.EnergyForceLoss"},
            "val_metrics": metric,
            "optimizer": {"_target_": "torch.optim.Adam", "lr": 1e-3},
            "model": {**COMMON, **model},
        },
    }


def main():
    target, kind = Path(sys.argv[1]).resolve(), sys.argv[2]
    programs = Path(sys.executable).parent
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        frames(folder / "frames.xyz")
        # JSON is YAML
        (folder / "tiny.yaml").write_text(json.dumps(config(folder, NEQUIP if kind == "nequip" else ALLEGRO)))
        train = [programs / "nequip-train", "-cp", folder, "-cn", "tiny"]
        package = [programs / "nequip-package", "build", folder / "last.ckpt", folder / "tiny.nequip.zip"]
        for command in (train, package):
            subprocess.run([*map(str, command)], cwd=folder, check=True)
        shutil.move(folder / "tiny.nequip.zip", target)


if __name__ == "__main__":
    main()
