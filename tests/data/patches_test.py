import itertools

import numpy as np
import pytest

from keras_nas.data.patches import CROP_SIZES
from keras_nas.data.patches import MIN_CONTRAST
from keras_nas.data.patches import PATCHES_PER_CLASS
from keras_nas.data.patches import TILE_SIZE
from keras_nas.data.patches import allot_tiles
from keras_nas.data.patches import draw_boxes
from keras_nas.data.patches import draw_patches
from keras_nas.data.photographs import PHOTOGRAPHS
from keras_nas.data.photographs import read_photograph

SPLITS = list(PATCHES_PER_CLASS)


def _paint(boxes, shape):
    canvas = np.zeros(shape, bool)
    for box in boxes:
        box.cut(canvas)[:] = True
    return canvas


def _boxes(pixels, label, split):
    # The generator that `draw_patches` makes its patches with.
    random = np.random.default_rng((20260, label, SPLITS.index(split)))
    return list(draw_boxes(pixels, label, split, random))


@pytest.mark.parametrize("label", range(10))
def test_tiles_share_no_pixel_and_leave_none_out(label):
    height, width = read_photograph(PHOTOGRAPHS[label]).shape[:2]
    tiles = allot_tiles(height, width, label)
    count = np.zeros((height, width), int)
    for box in itertools.chain(*tiles.values()):
        assert box.cut(count).shape == (TILE_SIZE, TILE_SIZE)
        box.cut(count)[:] += 1
    inside = count[
        : height // TILE_SIZE * TILE_SIZE, : width // TILE_SIZE * TILE_SIZE
    ]
    assert np.all(inside == 1)
    assert count.sum() == inside.sum()
    assert all(len(tiles[split]) > 0 for split in SPLITS)


@pytest.mark.parametrize("label", range(10))
def test_patches_of_two_splits_share_no_pixel(label):
    pixels = read_photograph(PHOTOGRAPHS[label])
    shape = pixels.shape[:2]
    canvases = {}
    for split in SPLITS:
        boxes = _boxes(pixels, label, split)
        assert len(boxes) == PATCHES_PER_CLASS[split]
        assert {box.size for box in boxes} == set(CROP_SIZES)
        canvases[split] = _paint(boxes, shape)
        tiles = _paint(allot_tiles(*shape, label)[split], shape)
        assert not np.any(canvases[split] & ~tiles)
    for one, other in itertools.combinations(SPLITS, 2):
        assert not np.any(canvases[one] & canvases[other])


def test_boxes_have_contrast():
    pixels = read_photograph(PHOTOGRAPHS[0])
    grey = pixels @ np.array([0.2125, 0.7154, 0.0721])
    for box in _boxes(pixels, 0, "validation"):
        assert box.cut(grey).std() > 0.99 * MIN_CONTRAST


def test_patches_are_cut_from_their_boxes():
    # Light is varied by less than 40 %, so correlation tells the place.
    pixels = read_photograph(PHOTOGRAPHS[3])
    patches = draw_patches(pixels, 3, "validation")
    for patch, box in zip(
        patches, _boxes(pixels, 3, "validation"), strict=True
    ):
        if box.size == patch.shape[0]:
            cut = box.cut(pixels)[..., 1].ravel()
            match = np.corrcoef(cut, patch[..., 1].ravel())[0, 1]
            assert match > 0.95


def test_drawing_twice_gives_the_same_patches():
    pixels = read_photograph(PHOTOGRAPHS[5])
    first = draw_patches(pixels, 5, "validation")
    assert first.dtype == np.uint8
    assert first.shape == (100, 32, 32, 3)
    np.testing.assert_array_equal(first, draw_patches(pixels, 5, "validation"))


def test_allotment_depends_on_the_photograph():
    assert allot_tiles(512, 512, 0) != allot_tiles(512, 512, 1)
    assert allot_tiles(512, 512, 0) == allot_tiles(512, 512, 0)
