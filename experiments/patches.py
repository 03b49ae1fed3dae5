"""Images of several sizes, all resized from patches of one size.

That is how BigNAS' supernet sees its images (Appendix B): the data are loaded
at the patches' size, and resized by bicubic interpolation from there.
"""

import dataclasses

import tensorflow as tf
from keras import ops

from experiments import pipeline

_TRAINED = ("search", "train")


@dataclasses.dataclass
class PatchContext(pipeline.Context):
    """A `Context` whose images of other sizes are resized patches.

    Attributes:
        patches: `keras_nas.data.Datasets` of the patches' size; by default
            the data that the context begins with.
    """

    patches: object = None

    def __post_init__(self):
        self.patches = self.patches or self.data

    def at(self, image_size, **kwargs):
        """Returns the same context with other images, from the same patches.

        Args:
            image_size: Integer, the size that patches are resized to.
            **kwargs: Of `keras_nas.data.load`, for other patches.
        """
        if image_size == self.data.input_shape[0] and not kwargs:
            return self
        patches = self.patches
        if kwargs:
            patches = self.load(image_size=patches.input_shape[0], **kwargs)
        data = resized(patches, image_size)
        return dataclasses.replace(self, data=data, patches=patches)


def resized(data, image_size):
    """Returns data sets with images of another size.

    Args:
        data: `keras_nas.data.Datasets`.
        image_size: Integer, the new height and width.

    Returns:
        `keras_nas.data.Datasets`.
    """
    if image_size == data.input_shape[0]:
        return data

    def resize(images, labels):
        size = (image_size, image_size)
        images = ops.image.resize(images, size, interpolation="bicubic")
        return images, labels

    def convert(dataset):
        dataset = dataset.map(resize, num_parallel_calls=tf.data.AUTOTUNE)
        return dataset.prefetch(tf.data.AUTOTUNE)

    roles = [*_TRAINED, "validation", "test"]
    return dataclasses.replace(
        data,
        **{role: convert(getattr(data, role)) for role in roles},
        input_shape=(image_size, image_size, data.input_shape[2]),
        streams={
            role: lambda epoch, input_context=None, role=role: convert(
                data.stream(role, epoch, input_context)
            )
            for role in _TRAINED
        },
    )
