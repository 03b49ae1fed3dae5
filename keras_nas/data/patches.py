"""Cuts photographs into patches, so that no two splits share a pixel.

A photograph is a grid of square tiles. Each tile belongs to one split, and
a patch lies wholly inside one tile: that is all that keeps splits disjoint.
"""

import dataclasses

import numpy as np
import tensorflow as tf
from skimage import color

PATCHES_PER_CLASS = {
    "search": 400,
    "train": 400,
    "validation": 100,
    "test": 400,
}
PATCH_SIZE = 32
TILE_SIZE = 48
CROP_SIZES = (32, 40)
MIN_CONTRAST = 0.02
CONTRAST_JITTER = 0.2
COLOUR_JITTER = 0.1
BRIGHTNESS_JITTER = 0.05
SEED = 20260


@dataclasses.dataclass(frozen=True)
class Box:
    """A square of a photograph: its upper left corner and its side."""

    top: int
    left: int
    size: int

    def cut(self, pixels):
        """Returns the pixels of a photograph inside this box."""
        return pixels[
            self.top : self.top + self.size, self.left : self.left + self.size
        ]


def allot_tiles(height, width, label):
    """Allots the tiles of a photograph to the splits.

    Args:
        height: Height of the photograph in pixels.
        width: Width of the photograph in pixels.
        label: Number of the photograph; it decides the allotment.

    Returns:
        Dictionary from the name of a split to its tiles, a list of `Box`.
        Every tile is in exactly one split, and the splits get tiles in
        proportion to their patches.

    Example:

    >>> tiles = allot_tiles(height=480, width=480, label=0)
    >>> {split: len(boxes) for split, boxes in tiles.items()}
    {'search': 31, 'train': 31, 'validation': 7, 'test': 31}
    """
    tiles = [
        Box(top, left, TILE_SIZE)
        for top in range(0, height - TILE_SIZE + 1, TILE_SIZE)
        for left in range(0, width - TILE_SIZE + 1, TILE_SIZE)
    ]
    order = np.random.default_rng((SEED, label)).permutation(len(tiles))
    shares = np.cumsum(list(PATCHES_PER_CLASS.values()))
    bounds = np.rint(shares / shares[-1] * len(tiles)).astype(int)
    return {
        split: [tiles[i] for i in part]
        for split, part in zip(
            PATCHES_PER_CLASS, np.split(order, bounds[:-1]), strict=True
        )
    }


def draw_boxes(pixels, label, split, random):
    """Draws the boxes of the patches of one photograph and split.

    Crops without contrast (a piece of a black sky) belong to no photograph
    recognisably and are passed over.

    Args:
        pixels: Photograph, shape `(height, width, 3)`, values in [0, 1].
        label: Number of the photograph.
        split: Name of the split.
        random: `numpy.random.Generator` that is drawn from.

    Yields:
        `Box` objects, as many as the split has patches per class.
    """
    tiles = allot_tiles(*pixels.shape[:2], label)[split]
    grey = color.rgb2gray(pixels)
    missing = PATCHES_PER_CLASS[split]
    while missing:
        tile = tiles[random.integers(len(tiles))]
        size = int(random.choice(CROP_SIZES))
        down, right = random.integers(tile.size - size + 1, size=2)
        box = Box(tile.top + int(down), tile.left + int(right), size)
        if box.cut(grey).std() >= MIN_CONTRAST:
            missing -= 1
            yield box


def render_patches(pixels, boxes, random):
    """Cuts patches, brings them to one size and varies their light.

    Args:
        pixels: Photograph, shape `(height, width, 3)`, values in [0, 1].
        boxes: List of `Box` to cut.
        random: `numpy.random.Generator` that is drawn from.

    Returns:
        Array of shape `(len(boxes), 32, 32, 3)`, uint8.
    """
    patches = np.empty((len(boxes), PATCH_SIZE, PATCH_SIZE, 3), "float32")
    for size in CROP_SIZES:
        places = [i for i, box in enumerate(boxes) if box.size == size]
        if places:
            patches[places] = tf.image.resize(
                np.stack([boxes[i].cut(pixels) for i in places]),
                (PATCH_SIZE, PATCH_SIZE),
                antialias=True,
            )
    patches = _vary_light(patches, random)
    return np.rint(np.clip(patches, 0, 1) * 255).astype("uint8")


def draw_patches(pixels, label, split):
    """Draws all patches of one photograph and split, always the same ones.

    Args:
        pixels: Photograph, shape `(height, width, 3)`, values in [0, 1].
        label: Number of the photograph.
        split: Name of the split.

    Returns:
        Array of shape `(patches, 32, 32, 3)`, uint8.
    """
    number = list(PATCHES_PER_CLASS).index(split)
    random = np.random.default_rng((SEED, label, number))
    boxes = list(draw_boxes(pixels, label, split, random))
    return render_patches(pixels, boxes, random)


def _vary_light(patches, random):
    def draw(spread, channels):
        return random.uniform(
            -spread, spread, size=(len(patches), 1, 1, channels)
        )

    mean = patches.mean(axis=(1, 2, 3), keepdims=True)
    contrast = 1 + draw(CONTRAST_JITTER, 1)
    brightness = draw(BRIGHTNESS_JITTER, 1)
    colour = 1 + draw(COLOUR_JITTER, 3)
    return ((patches - mean) * contrast + mean + brightness) * colour
