"""What the layers share that run a network at a chosen resolution."""

import keras

from keras_nas.layers.mask import Mask
from keras_nas.layers.mask import check_data_format
from keras_nas.layers.subsampling import pair
from keras_nas.layers.subsampling import spatial_axes


class ResolutionWrapper(Mask):
    """Base class of the masks that wrap an operation F and choose its input.

    The walk of the graph looks inside of it, the costs weight the sizes that
    all maps have at each resolution by the probabilities, and the slicer
    gives the network an input of the chosen size.

    Args:
        resolutions: List of increasing integers, heights and widths, or of
            pairs (height, width).
        layer: F, a layer or model with one input and one output, images or
            vectors, that takes images of any size.
        may_repeat: Boolean, whether resolutions may be equal.
        data_format: `"channels_last"` or `"channels_first"`. Defaults to
            `keras.config.image_data_format()`.
        **kwargs: Keyword arguments of the other base classes.
    """

    def __init__(
        self, resolutions, layer, may_repeat=False, data_format=None, **kwargs
    ):
        super().__init__(**kwargs)
        if not isinstance(layer, keras.layers.Layer):
            raise ValueError(
                "Invalid value received for argument `layer`. Expected a "
                f"layer or model. Received: layer={layer!r}"
            )
        self.resolutions = _check_resolutions(resolutions, may_repeat)
        self.layer = layer
        self.data_format = check_data_format(data_format)
        self.spatial_axes = spatial_axes(self.data_format)

    def build_layer(self, input_shape):
        """Builds F, and finds out what it returns at each resolution."""
        if not self.layer.built:
            self.layer.build(self._shape_of_all(input_shape))
        self._output_shapes = [
            self._output_shape(input_shape, size) for size in self.resolutions
        ]

    def _shape_of_all(self, input_shape):
        """Returns the shape of F's inputs, `None` where resolutions differ."""
        shape = list(input_shape)
        sizes = zip(*(pair(size) for size in self.resolutions), strict=True)
        for axis, lengths in zip(self.spatial_axes, sizes, strict=True):
            shape[axis] = lengths[0] if len(set(lengths)) == 1 else None
        return tuple(shape)

    def _output_shape(self, input_shape, size):
        shape = list(input_shape)
        for axis, length in zip(self.spatial_axes, pair(size), strict=True):
            shape[axis] = length
        try:
            output = self.layer.compute_output_shape(tuple(shape))
        except ValueError as error:
            raise ValueError(
                f"The layer '{self.layer.name}' in '{self.name}' does not take "
                f"images of the shape {tuple(shape)}. Expected a layer that "
                "takes images of any size, such as a model that begins with "
                f"`keras.Input((None, None, 3))`. {error}"
            ) from error
        is_shape = isinstance(output, tuple) and len(output) in (2, 4)
        if not is_shape or isinstance(output[0], tuple):
            raise ValueError(
                f"The layer '{self.layer.name}' in '{self.name}' must return "
                "one tensor, a batch of images or of vectors. Received: a "
                f"result of the shape {output}"
            )
        return output

    @property
    def output_resolutions(self):
        """Sizes of what F returns, `(height, width)` for each resolution."""
        return [
            tuple(s[a] for a in self.spatial_axes) for s in self._output_shapes
        ]

    def compute_output_shape(self, input_shape):
        return tuple(self._output_shape(input_shape, self.resolutions[-1]))

    def get_config(self):
        config = {
            "resolutions": self.resolutions,
            "layer": keras.saving.serialize_keras_object(self.layer),
            "data_format": self.data_format,
        }
        return {**super().get_config(), **config}

    @classmethod
    def from_config(cls, config):
        layer = keras.saving.deserialize_keras_object(config["layer"])
        return super().from_config({**config, "layer": layer})


def _check_resolutions(resolutions, may_repeat):
    if isinstance(resolutions, (list, tuple)) and resolutions:
        sizes = [
            pair(r) if isinstance(r, (int, list, tuple)) else ()
            for r in resolutions
        ]
        step = 0 if may_repeat else 1
        valid = all(
            len(size) == 2 and all(type(s) is int and s > 0 for s in size)
            for size in sizes
        ) and all(
            all(y >= x for x, y in zip(a, b, strict=True))
            and sum(b) - sum(a) >= step
            for a, b in zip(sizes, sizes[1:], strict=False)
        )
        if valid:
            return [r if isinstance(r, int) else list(r) for r in resolutions]
    raise ValueError(
        "Invalid value received for argument `resolutions`. Expected a list "
        "of increasing sizes, such as [96, 112, 128], or of pairs of them. "
        f"Received: resolutions={resolutions!r}"
    )
