"""The first path of a band: ends kept, the short way round, no atom through another."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from forcegauge.errors import BadInput
from forcegauge.simulate.path_interpolation import interpolated


def test_ends_stay_and_atoms_go_the_short_way():
    start = bulk("Cu", cubic=True) * 2
    del start[0]
    end = start.copy()
    end.positions += 0.3
    end.positions[4] += start.cell[0]  # the same atom, one cell farther
    images = interpolated(start, end, 5)
    assert len(images) == 5
    np.testing.assert_array_equal(images[0].positions, start.positions)
    np.testing.assert_array_equal(images[4].positions, end.positions)
    np.testing.assert_allclose(images[2].positions, start.positions + 0.15, atol=1e-6)


def test_atoms_pass_round_each_other():
    """On the straight line the second atom would go right through the third."""
    start = Atoms("H3", [[0, 0, 0], [1, 0.1, 0], [2, 0, 0]], cell=[9, 9, 9], pbc=True)
    end = Atoms("H3", [[0, 0, 0], [3, 0.1, 0], [2, 0, 0]], cell=[9, 9, 9], pbc=True)
    nearest = [image.get_all_distances(mic=True)[1, 2] for image in interpolated(start, end, 5)]
    assert min(nearest) > 0.5


def test_what_makes_no_path_is_refused():
    copper = bulk("Cu")
    for start, end, n_images in ((copper, bulk("Al", a=3.61), 5), (copper, bulk("Cu", a=4.0), 5), (copper, copper, 2)):
        with pytest.raises(BadInput, match="no path of"):
            interpolated(start, end, n_images)
