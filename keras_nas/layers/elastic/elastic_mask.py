"""What the masks share that follow decisions of an elastic network."""

import keras
import numpy as np
from keras import ops

from keras_nas.layers import sharing
from keras_nas.layers.elastic.child import index_in_child
from keras_nas.layers.elastic.elastic_choice import ElasticChoice
from keras_nas.layers.mask import Mask


class ElasticMask(Mask):
    """Base class of the masks that follow one or more `ElasticChoice`s.

    There is a row of switches for each combination of the options of the
    choices, in the order in which `itertools.product` counts them.

    Subclasses call `set_switches` in `build`.

    Args:
        decided_by: An `ElasticChoice`, or a list of them.
        execution: `"sliced"`, to compute only what is switched on, or
            `"masked"`, to compute everything and multiply by the switches, so
            that all shapes are static. Both give the same.
        **kwargs: Base layer keyword arguments, such as `name`.
    """

    method = "BigNAS"

    def __init__(self, decided_by, execution="sliced", **kwargs):
        super().__init__(seed=0, **kwargs)  # It draws nothing itself.
        self.decided_by = check_choices(decided_by)
        self.execution = check_execution(execution)

    def leaders(self):
        return self.decided_by

    def identity(self):
        leaders = tuple(id(choice) for choice in self.decided_by)
        return type(self), leaders, self._switches.tobytes()

    @property
    def shape_of_options(self):
        """How many options there are of each choice."""
        return tuple(len(choice.options) for choice in self.decided_by)

    def set_switches(self, switches):
        """Sets what is on for each combination of options.

        Args:
            switches: Array of the shape `(combinations, switches)`.
        """
        self._switches = np.asarray(switches, "float32")

    def index(self, training=False):
        """Returns the index of the combination that holds now.

        Returns:
            An integer where it is known, else a scalar integer tensor.
        """
        index = 0
        for choice in self.decided_by:
            index = index * len(choice.options) + choice.index(training)
        return index

    def switches(self, training=False):
        """Returns the switches that hold now, NumPy's if they are known."""
        return row(self._switches, self.index(training))

    def sample(self):
        return ops.convert_to_tensor(self.switches(training=True))

    def probabilities(self):
        values = self._switches.reshape((*self.shape_of_options, -1))
        for choice in self.decided_by:
            index = index_in_child(choice)
            is_free = index is None
            values = ops.mean(values, 0) if is_free else row(values, index)
        return ops.convert_to_tensor(values)

    def inference_scale(self):
        return ops.convert_to_tensor(self.switches())

    def decision(self):
        return [choice.decision() for choice in self.decided_by]

    def scale_of(self, *decisions):
        index = 0
        for choice, decision in zip(self.decided_by, decisions, strict=True):
            chosen = int(np.argmax(choice.scale_of(decision)))
            index = index * len(choice.options) + chosen
        return self._switches[index]

    def scale_limits(self):
        return self._switches[0], self._switches[-1]

    def get_config(self):
        config = {
            "decided_by": serialize_layers(self.decided_by),
            "execution": self.execution,
        }
        config = {**super().get_config(), **config}
        del config["seed"]
        return config

    @classmethod
    def from_config(cls, config):
        choices = deserialize_layers(config["decided_by"])
        return cls(**{**config, "decided_by": choices})


def row(table, index):
    """Returns one row of an array, as NumPy's if the index is known."""
    if isinstance(index, int):
        return table[index]
    return ops.take(ops.convert_to_tensor(table), index, axis=0)


def serialize_layers(layers):
    """Returns the configs of layers, such as choices, as a list."""
    with sharing.apart():
        return [keras.saving.serialize_keras_object(layer) for layer in layers]


def deserialize_layers(configs):
    """Returns the layers of a list that `serialize_layers` returned."""
    return [
        keras.saving.deserialize_keras_object(c) if isinstance(c, dict) else c
        for c in configs
    ]


def check_choices(decided_by):
    """Returns an `ElasticChoice`, or a list of some, as a list.

    Raises:
        ValueError: If it is something else.
    """
    is_list = isinstance(decided_by, (list, tuple))
    choices = list(decided_by) if is_list else [decided_by]
    if choices and all(isinstance(c, ElasticChoice) for c in choices):
        return choices
    raise ValueError(
        "Invalid value received for argument `decided_by`. Expected an "
        "`ElasticChoice`, or a list of them. Received: "
        f"decided_by={decided_by!r}"
    )


def supports_jit(execution):
    """Whether XLA compiles an elastic layer.

    TensorFlow's has no convolutions whose sizes change from step to step. Keras
    uses it by default where there is a GPU and all layers of a model say so.
    """
    is_tensorflow = keras.backend.backend() == "tensorflow"
    return execution == "masked" or not is_tensorflow


def check_execution(execution):
    """Returns how an elastic layer is computed.

    Raises:
        ValueError: If it is neither of the two.
    """
    if execution not in ("sliced", "masked"):
        raise ValueError(
            "Invalid value received for argument `execution`. Expected "
            "'sliced' or 'masked'. Received: "
            f"execution={execution!r}"
        )
    return execution
