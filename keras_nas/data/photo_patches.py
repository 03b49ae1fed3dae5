"""The embedded data set: which photograph is this patch from?"""

import tensorflow as tf
import tensorflow_datasets as tfds

from keras_nas.data.patches import PATCH_SIZE
from keras_nas.data.patches import PATCHES_PER_CLASS
from keras_nas.data.patches import draw_patches
from keras_nas.data.photographs import PHOTOGRAPHS
from keras_nas.data.photographs import read_photograph

_DESCRIPTION = """\
Small colour patches of ten photographs; the label says which photograph a
patch is from. It is made on the spot from the photographs in the scikit-image
wheel, without a download, and exists to try out and to test architecture
search where no other data is at hand. It says nothing about recognising
objects.

Each photograph is a grid of tiles of 48 x 48 pixels, each tile belongs to one
split, and a patch lies inside one tile: no pixel is in two splits. A patch is
a random crop of 32 or 40 pixels, brought to 32 x 32, with its contrast,
brightness and colour balance varied a little (by at most 20 %, 5 % and 10 %);
crops without contrast are left out. Neighbouring tiles look alike, and the
test split shows the same ten photographs, so that accuracies are comparable
with each other only.

The photographs and their licences:

"""


class PhotoPatches(tfds.core.GeneratorBasedBuilder):
    """TFDS builder of `photo_patches`: which photograph is a patch from?

    The images are cut from ten photographs (public domain or CC0) that are
    part of the scikit-image wheel: astronaut, brick, camera, chelsea, coffee,
    grass, gravel, hubble, retina, rocket. `keras_nas.data.photographs` names
    the source and the licence of each, and so does `builder.info.description`.
    Splits are disjoint regions of the photographs: `search` and `train` with
    4,000 images each, `validation` with 1,000, `test` with 4,000.

    Args:
        data_dir: Folder of TFDS data sets, `~/tensorflow_datasets` by default.

    Example:

    >>> from keras_nas.data import load
    >>> load("photo_patches").cardinalities["test"]
    4000
    >>> PhotoPatches().info.features["label"].num_classes
    10
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "Initial release."}

    def _info(self):
        sources = "\n".join(
            f"- {photograph.name}: {photograph.source} ({photograph.licence})"
            for photograph in PHOTOGRAPHS
        )
        return self.dataset_info_from_configs(
            description=_DESCRIPTION + sources,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(
                        shape=(PATCH_SIZE, PATCH_SIZE, 3),
                        encoding_format="png",
                    ),
                    "label": tfds.features.ClassLabel(
                        names=[photograph.name for photograph in PHOTOGRAPHS]
                    ),
                }
            ),
            supervised_keys=("image", "label"),
            homepage="https://scikit-image.org/docs/stable/api/skimage.data.html",
        )

    def _split_generators(self, dl_manager):
        del dl_manager
        pictures = [read_photograph(photograph) for photograph in PHOTOGRAPHS]
        return {
            split: self._generate_examples(split, pictures)
            for split in PATCHES_PER_CLASS
        }

    def _generate_examples(self, split, pictures):
        for label, pixels in enumerate(pictures):
            name = PHOTOGRAPHS[label].name
            # All in one call: TFDS would encode them one by one.
            images = tf.io.encode_png(draw_patches(pixels, label, split))
            for i, image in enumerate(images.numpy()):
                yield f"{name}_{split}_{i}", {"image": image, "label": name}
