"""A network whose input has one of several sizes."""

import keras
import numpy as np
from keras import ops

from keras_nas.compiling import switch
from keras_nas.layers import sharing
from keras_nas.layers.elastic.elastic_choice import begin_steps
from keras_nas.layers.elastic.elastic_mask import ElasticMask
from keras_nas.layers.elastic.resizing import resize_bicubic
from keras_nas.layers.resolution_wrapper import ResolutionWrapper
from keras_nas.layers.subsampling import pair


@keras.saving.register_keras_serializable(package="keras_nas")
class ElasticResolution(ResolutionWrapper, ElasticMask):
    """Resizes images to the size that an `ElasticChoice` says, and runs F.

    Use it around a whole network. Images are resized by bicubic
    interpolation, all children from the same patch (Section 3.1, "Inplace
    Distillation"). The network that `keras_nas.slice_model` cuts out takes
    images of the chosen size, resized by `keras.ops.image.resize` in the same
    way.

    Args:
        resolutions: List of increasing integers, heights and widths, or of
            pairs (height, width), one for each option of the choice.
        layer: F, a layer or model with one input and one output that takes
            images of any size.
        decided_by: The `ElasticChoice`.
        data_format: `"channels_last"` or `"channels_first"`. Defaults to
            `keras.config.image_data_format()`.
        execution: `"sliced"`, or `"masked"`, to resize by products with
            matrices, which XLA and TPUs can. Both give the same.
        **kwargs: Base layer keyword arguments, such as `name`.

    Call arguments:
        inputs: Float tensor, a batch of images of any size.
        training: Boolean; a resolution is drawn in training.

    Raises:
        ValueError: If the resolutions are not such sizes.

    Reference:
        BigNAS: Scaling Up Neural Architecture Search with Big Single-Stage
        Models, Section 3.1 and Appendix B.

    Example:

    >>> import keras, keras_nas, numpy as np
    >>> from keras_nas.layers import ElasticChoice, ElasticResolution
    >>> size = ElasticChoice([8, 12], name="size")
    >>> pool = keras.layers.GlobalAveragePooling2D()
    >>> ElasticResolution([8, 12], pool, size)(np.ones((1, 16, 16, 3))).shape
    TensorShape([1, 3])
    """

    def __init__(
        self, resolutions, layer, decided_by, data_format=None, **kwargs
    ):
        super().__init__(
            resolutions=resolutions,
            layer=layer,
            data_format=data_format,
            decided_by=decided_by,
            **kwargs,
        )
        expected = self.shape_of_options
        if len(expected) != 1 or expected[0] != len(self.resolutions):
            raise ValueError(
                "Invalid value received for argument `decided_by`. Expected "
                f"an `ElasticChoice` of {len(self.resolutions)} options, one "
                f"for each resolution. Received: {self.decided_by}"
            )
        self.set_switches(np.eye(len(self.resolutions)))

    def build(self, input_shape):
        self.build_layer(input_shape)
        self.built = True

    def call(self, inputs, training=False):
        index = self.index(training)
        if training:
            begin_steps(self.layer)
        if isinstance(index, int):
            return self._run(inputs, index, training)
        branches = [
            lambda i=i: self._run(inputs, i, training)
            for i in range(len(self.resolutions))
        ]
        return switch(index, branches)

    def _run(self, inputs, index, training):
        size = pair(self.resolutions[index])
        return self.layer(self._resize(inputs, size), training=training)

    def _resize(self, inputs, size):
        now = tuple(inputs.shape[a] for a in self.spatial_axes)
        if now == size:
            return inputs
        if self.execution == "masked" and None not in now:
            return resize_bicubic(inputs, size, self.spatial_axes)
        return ops.image.resize(
            inputs,
            size,
            interpolation="bicubic",
            data_format=self.data_format,
        )

    def get_config(self):
        with sharing.scope():  # Layers inside share choices.
            return super().get_config()

    @classmethod
    def from_config(cls, config):
        with sharing.scope():
            return super().from_config(config)
