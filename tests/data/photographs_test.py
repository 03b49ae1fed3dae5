import dataclasses

import numpy as np
import pytest

from keras_nas.data.photographs import PHOTOGRAPHS
from keras_nas.data.photographs import read_photograph


@pytest.mark.parametrize("photograph", PHOTOGRAPHS, ids=lambda p: p.name)
def test_photograph_is_in_the_wheel_and_free(photograph):
    pixels = read_photograph(photograph)
    assert pixels.ndim == 3 and pixels.shape[2] == 3
    assert pixels.dtype == np.float32
    assert 0 <= pixels.min() < pixels.max() <= 1
    assert photograph.licence in ("CC0", "public domain")
    assert photograph.source


def test_names_are_unique():
    assert len({photograph.name for photograph in PHOTOGRAPHS}) == 10


def test_shrinking_halves_the_sides():
    retina = next(photo for photo in PHOTOGRAPHS if photo.name == "retina")
    full = read_photograph(dataclasses.replace(retina, shrink=1))
    assert full.shape == (1411, 1411, 3)
    assert read_photograph(retina).shape == (705, 705, 3)


def test_missing_file_says_what_to_install():
    missing = dataclasses.replace(PHOTOGRAPHS[0], file="nobody.png")
    with pytest.raises(RuntimeError, match="pip install 'scikit-image"):
        read_photograph(missing)
