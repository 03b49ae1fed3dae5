"""What every mask layer shares: axis, draws, and the two readings."""

import math
import numbers
import weakref

import keras
from keras import ops

from keras_nas.layers.step_seed import StepSeedGenerator


class Mask(keras.layers.Layer):
    """Base class of the layers that switch channels on and off.

    A mask multiplies each channel of its input by one number. In training
    that number is a draw, the same for the whole batch and all positions; at
    inference it is a decision. The graph, the costs and the slicer know masks
    only through this class, so a new kind of mask is a subclass with four
    methods: `build`, `sample`, `probabilities` and `inference_scale`.

    Draws are a pure function of (seed, layer name, step), where a step is one
    training call of the outermost model: a mask that is applied at several
    places of a model draws once per step.

    Args:
        axis: Integer, the channel axis. Defaults to the channel axis of
            `data_format`.
        data_format: `"channels_last"` or `"channels_first"`; only read when
            `axis` is not given. Defaults to
            `keras.config.image_data_format()`.
        seed: Integer seed of the draws. Defaults to a random one, which
            `get_config` keeps.
        **kwargs: Base layer keyword arguments, such as `name`.
    """

    # Whether a decision is a list of channels, any of them.
    decides_each_channel = False

    def __init__(self, axis=None, data_format=None, seed=None, **kwargs):
        super().__init__(**kwargs)
        if axis is not None and (
            not isinstance(axis, int) or isinstance(axis, bool)
        ):
            raise ValueError(
                "Invalid value received for argument `axis`. Expected the "
                "integer index of the channel axis, such as -1. Received: "
                f"axis={axis!r}"
            )
        if data_format not in (None, "channels_last", "channels_first"):
            raise ValueError(
                "Invalid value received for argument `data_format`. Expected "
                "'channels_last' or 'channels_first'. Received: "
                f"data_format={data_format!r}"
            )
        self.axis = axis
        self.data_format = data_format or keras.config.image_data_format()
        self.seed_generator = StepSeedGenerator(seed, self.name)
        self.seed = self.seed_generator.seed
        self.supports_masking = True
        self._begun_steps = weakref.WeakSet()

    def channel_axis(self, rank):
        """Returns the channel axis, as an index from 0, of a rank-`rank` input.

        Raises:
            ValueError: If `axis` does not exist in such an input, or is the
                batch axis.
        """
        axis = self._signed_axis()
        if not -rank < axis < rank or axis == 0:
            raise ValueError(
                f"Invalid value received for argument `axis` of mask "
                f"'{self.name}'. Expected an axis of its rank-{rank} input "
                f"other than the batch axis 0. Received: axis={axis}. Pass "
                "axis=-1 for channels_last or axis=1 for channels_first "
                "features."
            )
        return axis % rank

    def _signed_axis(self):
        if self.axis is not None:
            return self.axis
        return 1 if self.data_format == "channels_first" else -1

    def num_channels(self, input_shape):
        """Returns the static number of channels of `input_shape`."""
        axis = self.channel_axis(len(input_shape))
        if input_shape[axis] is None:
            raise ValueError(
                f"Mask '{self.name}' needs a known number of channels. "
                f"Received: input_shape={tuple(input_shape)}, whose axis "
                f"{axis} is unknown. Give the model a static channel "
                "dimension, or pass the `axis` that holds the channels."
            )
        return input_shape[axis]

    def build(self, input_shape):
        channels = self.num_channels(input_shape)
        axes = {self._signed_axis(): channels}
        self.input_spec = keras.layers.InputSpec(axes=axes)
        self.built = True

    def call(self, inputs, training=False):
        if training:
            self._begin_step()
        scale = self.sample() if training else self.inference_scale()
        shape = [1] * len(inputs.shape)
        shape[self.channel_axis(len(shape))] = -1
        return inputs * ops.cast(ops.reshape(scale, shape), inputs.dtype)

    def add_temperature(self):
        """Returns a weight that holds `initial_temperature`.

        A variable, so that a callback can anneal it without a retrace.
        """
        return self.add_weight(
            name="temperature",
            shape=(),
            initializer=keras.initializers.Constant(self.initial_temperature),
            dtype="float32",
            autocast=False,
            trainable=False,
        )

    def _begin_step(self):
        """Advances the draws, once for each call of the outermost model."""
        context = self._get_call_context()
        # A set, since the replicas of a strategy may take turns in mid-call.
        if context not in self._begun_steps:
            self.seed_generator.advance()
            self._begun_steps.add(context)

    def sample(self):
        """Returns this step's multipliers, float32 of shape `(channels,)`.

        They must depend on nothing random but `self.seed_generator`, which
        `call` advances. Outside of a call it is the last step's draw.
        """
        raise NotImplementedError

    def probabilities(self):
        """Returns P(channel kept), float32 of shape `(channels,)`."""
        raise NotImplementedError

    def inference_scale(self):
        """Returns the multipliers at inference, shape `(channels,)`."""
        raise NotImplementedError

    def decision(self):
        """Returns what is decided now, as plain data for an `Architecture`."""
        raise NotImplementedError

    def scale_of(self, decision):
        """Returns the inference multipliers that `decision` stands for.

        Args:
            decision: What `decision()` returned, perhaps read from a file.

        Returns:
            NumPy float32 array of shape `(channels,)`, zero where a channel
            is dropped.

        Raises:
            ValueError: If `decision` does not fit this mask.
        """
        raise NotImplementedError

    def save_own_variables(self, store):
        super().save_own_variables(store)
        state = self.seed_generator.state
        store["seed_state"] = ops.convert_to_numpy(state)

    def load_own_variables(self, store):
        if "seed_state" in store.keys():
            self.seed_generator.state.assign(store["seed_state"])
        names = [name for name in store.keys() if name != "seed_state"]
        super().load_own_variables({name: store[name] for name in names})

    def compute_output_shape(self, input_shape):
        self.num_channels(input_shape)
        return tuple(input_shape)

    def get_config(self):
        config = {
            "axis": self.axis,
            "data_format": self.data_format,
            "seed": self.seed,
        }
        return {**super().get_config(), **config}


def check_temperature(temperature):
    """Returns a temperature as a float.

    Raises:
        ValueError: If it is not a positive, finite number.
    """
    is_number = isinstance(temperature, numbers.Real)
    if is_number and type(temperature) is not bool:
        if 0 < temperature < math.inf:
            return float(temperature)
    raise ValueError(
        "Invalid value received for argument `temperature`. Expected a "
        f"positive float. Received: temperature={temperature!r}"
    )
