"""The photographs of the embedded data set, with their sources and licences.

All of them are files of the scikit-image wheel; nothing is downloaded.
"""

import dataclasses
import importlib.resources

import numpy as np
import skimage
from skimage import color
from skimage import io
from skimage import transform
from skimage import util


@dataclasses.dataclass(frozen=True)
class Photograph:
    """One photograph of the scikit-image wheel.

    Args:
        name: Name of the class that its patches get.
        file: File name in the folder `skimage/data`.
        source: Where scikit-image took it from.
        licence: The licence that scikit-image states for it.
        shrink: Whole factor by which it is reduced before it is cut.
    """

    name: str
    file: str
    source: str
    licence: str
    shrink: int = 1


PHOTOGRAPHS = (
    Photograph(
        name="astronaut",
        file="astronaut.png",
        source="Eileen Collins, NASA Great Images, https://flic.kr/p/r9qvLn",
        licence="public domain",
    ),
    Photograph(
        name="brick",
        file="brick.png",
        source="https://cc0textures.com/view.php?tex=Bricks25",
        licence="CC0",
    ),
    Photograph(
        name="camera",
        file="camera.png",
        source="Lav Varshney",
        licence="CC0",
    ),
    Photograph(
        name="chelsea",
        file="chelsea.png",
        source="Chelsea the cat, Stefan van der Walt",
        licence="CC0",
    ),
    Photograph(
        name="coffee",
        file="coffee.png",
        source="Rachel Michetti, courtesy of Pikolo Espresso Bar",
        licence="CC0",
    ),
    Photograph(
        name="grass",
        file="grass.png",
        source=(
            "linolafett, "
            "https://www.deviantart.com/linolafett/art/Grass-01-434853879"
        ),
        licence="CC0",
    ),
    Photograph(
        name="gravel",
        file="gravel.png",
        source="https://cc0textures.com/view.php?tex=Gravel04",
        licence="CC0",
    ),
    Photograph(
        name="hubble",
        file="hubble_deep_field.jpg",
        source=(
            "NASA, "
            "http://hubblesite.org/newscenter/archive/releases/2012/37/image/a/"
        ),
        licence="public domain",
    ),
    Photograph(
        name="retina",
        file="retina.jpg",
        source=(
            "Mikael Haggstrom, https://commons.wikimedia.org/wiki/"
            "File:Fundus_photograph_of_normal_left_eye.jpg"
        ),
        licence="CC0",
        shrink=2,
    ),
    Photograph(
        name="rocket",
        file="rocket.jpg",
        source=(
            "SpaceX, https://www.flickr.com/photos/spacexphotos/16511594820/"
        ),
        licence="public domain",
    ),
)


def read_photograph(photograph):
    """Reads one photograph from the installed scikit-image.

    Args:
        photograph: A `Photograph`.

    Returns:
        Array of shape `(height, width, 3)`, float32 in [0, 1].

    Raises:
        RuntimeError: If the installed scikit-image lacks the file.
    """
    path = importlib.resources.files("skimage") / "data" / photograph.file
    if not path.is_file():
        raise RuntimeError(
            f"The installed scikit-image {skimage.__version__} has no file "
            f"`skimage/data/{photograph.file}`. Install scikit-image from "
            "PyPI (`pip install 'scikit-image>=0.25'`), whose wheel has it."
        )
    pixels = util.img_as_float32(io.imread(str(path)))
    if pixels.ndim == 2:
        pixels = color.gray2rgb(pixels)
    shrink = photograph.shrink
    if shrink > 1:
        height, width = (side // shrink * shrink for side in pixels.shape[:2])
        pixels = transform.downscale_local_mean(
            pixels[:height, :width], (shrink, shrink, 1)
        )
    return np.asarray(pixels, "float32")
