"""The mask of a block that an elastic network can do without."""

import keras
import numpy as np
from keras import ops

from keras_nas.layers.elastic.elastic_mask import ElasticMask


@keras.saving.register_keras_serializable(package="keras_nas")
class ElasticDepth(ElasticMask):
    """Keeps a block if an `ElasticChoice` of depths says so, else zeros.

    Use it on what a block adds to its shortcut. Where zeros are added the
    block is gone.

    Args:
        position: Integer, how many blocks of the stage come before it: the
            block is there if the depth is more than that.
        decided_by: The `ElasticChoice`, of numbers of blocks.
        execution: `"sliced"` or `"masked"`; it makes no difference to this
            layer, but layers that hold it, such as `ElasticMBConv`, ask it
            first whether there is anything to compute.
        **kwargs: Base layer keyword arguments, such as `name`.

    Call arguments:
        inputs: Float tensor.
        training: Boolean; an option is drawn in training.

    Raises:
        ValueError: If the options are no depths, the position is not an
            integer >= 0, or the block would never be there.

    Reference:
        BigNAS: Scaling Up Neural Architecture Search with Big Single-Stage
        Models, Section 3.1 and Appendix B.

    Example:

    >>> import keras, keras_nas, numpy as np
    >>> from keras_nas.layers import ElasticChoice, ElasticDepth
    >>> depth = ElasticChoice([1, 2, 3], name="depth")
    >>> second = ElasticDepth(1, depth)
    >>> depth.choose(1)
    >>> keras.ops.convert_to_numpy(second(np.ones((1, 2), "float32"))).tolist()
    [[0.0, 0.0]]
    """

    is_exclusive = True
    # What the rule of a choice among candidates asks.
    options = ("left out", "there")
    zero = "left out"
    input_options = (1,)

    def __init__(self, position, decided_by, execution="sliced", **kwargs):
        super().__init__(decided_by=decided_by, execution=execution, **kwargs)
        (depths,) = (choice.options for choice in self.decided_by)
        if type(depths[0]) is not int:
            raise ValueError(
                "Invalid value received for argument `decided_by`. Expected "
                "an `ElasticChoice` of numbers of blocks. Received: "
                f"{self.decided_by[0].name} with the options {depths}"
            )
        if type(position) is not int or not 0 <= position < max(depths):
            raise ValueError(
                "Invalid value received for argument `position`. Expected an "
                f"integer below the largest of the depths {depths}. Received: "
                f"position={position!r}"
            )
        self.position = position
        is_there = np.array([depth > position for depth in depths])
        self.set_switches(np.stack([~is_there, is_there], axis=1))
        self.supports_masking = True

    def build(self, input_shape):
        self.built = True

    def is_there(self, training=False):
        """Returns whether the block is there, a Boolean if that is known."""
        switches = self.switches(training)
        if isinstance(switches, np.ndarray):
            return bool(switches[1])
        return switches[1] > 0

    def call(self, inputs, training=False):
        is_there = self.is_there(training)
        if isinstance(is_there, bool):
            return inputs if is_there else ops.zeros_like(inputs)
        return inputs * ops.cast(is_there, inputs.dtype)

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)

    def get_config(self):
        return {**super().get_config(), "position": self.position}
