"""Released networks by name."""

import pytest

from keras_nas import spaces

NAMES = {
    "FBNetV2_F1": "fbnet_v2_released_f",
    "FBNetV2_F2": "fbnet_v2_released_f",
    "FBNetV2_F3": "fbnet_v2_released_f",
    "FBNetV2_L1": "fbnet_v2_released_l",
    "AtomNAS-A": "atom_nas_a",
    "AtomNAS-B": "atom_nas_b",
    "AtomNAS-C": "atom_nas_c",
    "BigNASModel-S": "big_nas",
    "BigNASModel-M": "big_nas",
    "BigNASModel-660M": "big_nas",
    "BigNASModel-L": "big_nas",
}


@pytest.mark.parametrize("name, space", NAMES.items())
def test_released_networks_are_of_their_spaces(name, space):
    architecture = spaces.released_architecture(name)
    assert architecture.name == space
    spaces.find_space(space).check(architecture)


@pytest.mark.parametrize("name", ["FBNetV2_F4", "AtomNAS-A+", "A", None, []])
def test_other_names_are_refused(name):
    message = "argument `name`.*'FBNetV2_F1'.*'AtomNAS-C'"
    with pytest.raises(ValueError, match=message):
        spaces.released_architecture(name)
