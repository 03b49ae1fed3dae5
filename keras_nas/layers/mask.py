"""What every mask layer shares: draws, decisions, and their names."""

import contextlib
import math
import numbers
import threading
import weakref

import keras
from keras import ops

# They have no other names.
from keras.src.backend import get_stateless_scope
from keras.src.backend.common.global_state import get_global_attribute

from keras_nas.layers.step_seed import StepSeeded
from keras_nas.layers.step_seed import StepSeedGenerator

_CALL_CONTEXT = "current_call_ctx"  # Where Keras keeps that of a call.

# Of a thread, since the replicas of a strategy take turns in mid-call.
_held = threading.local()


class Mask(StepSeeded, keras.layers.Layer):
    """Base class of the layers that decide what of a model stays.

    A mask has a vector of switches: one for each channel that it masks
    (`PerChannelMask`), for each of the blocks that it chooses from, or for
    each resolution. In training a switch is a draw, the same for the whole
    batch; at inference it is a decision. The graph, the costs and the slicer
    know masks only through this class, so a new kind of mask is a subclass
    with `build`, `call` and the methods below that raise here.

    Draws are a pure function of (seed, layer name, step), where a step is one
    training call of the outermost model: a mask that is applied at several
    places of a model draws once per step.

    Args:
        seed: Integer seed of the draws. Defaults to a random one, which
            `get_config` keeps.
        **kwargs: Base layer keyword arguments, such as `name`.
    """

    # The name of the search, of `keras_nas.search`, that trains such masks.
    method = None
    # Whether a decision is a list of channels, any of them.
    decides_each_channel = False
    # Whether exactly one of its switches is on.
    is_exclusive = False
    # The weights that its draws decide on, if it draws.
    logits = None

    def __init__(self, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.seed_generator = StepSeedGenerator(seed, self.name)
        self.seed = self.seed_generator.seed
        self._begun_steps = weakref.WeakSet()

    def leaders(self):
        """Returns the masks whose decisions this one takes: its own."""
        return [self]

    def identity(self):
        """Returns what masks have in common that are always switched alike."""
        return id(self)

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

    def begin_step(self):
        """Advances the draws, once for each call of the outermost model.

        Returns:
            Whether this call was the one that began the step.
        """
        if id(self) in _held_draws():
            return False
        # Where Keras calls a model without its `__call__`, as for JAX, the
        # scope of that call is what its layers' calls have in common.
        context = get_stateless_scope() or get_global_attribute(_CALL_CONTEXT)
        if context is None:  # Asked outside of any call: a step of its own.
            self.seed_generator.advance()
            return True
        # A set, since the replicas of a strategy may take turns in mid-call.
        if context in self._begun_steps:
            return False
        self.seed_generator.advance()
        self._begun_steps.add(context)
        return True

    def uniform(self):
        """Returns what this step draws by: for each logit a number in (0, 1).

        They are uniform, and the same until the next step begins; `None` if
        there are no logits.
        """
        held = _held_draws().get(id(self))
        if self.logits is None or held is not None:
            return held
        eps = 2.0**-24
        uniform = keras.random.uniform(
            self.logits.shape, dtype="float32", seed=self.seed_generator
        )
        return ops.clip(uniform, eps, 1.0 - eps)

    @contextlib.contextmanager
    def held(self, uniform=None):
        """Stays in the step that has begun, in what is run again.

        Args:
            uniform: What `uniform()` returned, so that it is not computed anew
                for each place of the mask, by hundreds of operations under XLA.
        """
        before = _held_draws()
        if uniform is None:
            uniform = before.get(id(self))
        _held.draws = {**before, id(self): uniform}
        try:
            yield
        finally:
            _held.draws = before

    def sample(self):
        """Returns this step's switches, a float32 vector.

        They must depend on nothing random but `self.seed_generator`, which
        `begin_step` advances. Outside of a call it is the last step's draw.
        """
        raise NotImplementedError

    def probabilities(self):
        """Returns P(switch is on), a float32 vector."""
        raise NotImplementedError

    def inference_scale(self):
        """Returns the switches at inference."""
        raise NotImplementedError

    def decision(self):
        """Returns what is decided now, as plain data for an `Architecture`."""
        raise NotImplementedError

    def scale_of(self, decision):
        """Returns the switches at inference that `decision` stands for.

        Args:
            decision: What `decision()` returned, perhaps read from a file. A
                mask that follows several leaders takes one of each.

        Returns:
            NumPy float32 vector, zero where a switch is off.

        Raises:
            ValueError: If `decision` does not fit this mask.
        """
        raise NotImplementedError

    def scale_limits(self):
        """Returns the switches of the smallest and the largest decision.

        Where that depends on what the options cost, all are on in both.
        """
        raise NotImplementedError

    def get_config(self):
        return {**super().get_config(), "seed": self.seed}


def _held_draws():
    """Returns the held draws, or `None`, by the ids of masks that are held."""
    return getattr(_held, "draws", {})


def masks_of(operation):
    """Returns the masks that a layer asks, itself if it is one."""
    if isinstance(operation, Mask):
        return [operation]
    return getattr(operation, "deciding_masks", [])


def check_data_format(data_format):
    """Returns a data format, by default that of Keras's configuration.

    Raises:
        ValueError: If it is neither of the two.
    """
    if data_format not in (None, "channels_last", "channels_first"):
        raise ValueError(
            "Invalid value received for argument `data_format`. Expected "
            "'channels_last' or 'channels_first'. Received: "
            f"data_format={data_format!r}"
        )
    return data_format or keras.config.image_data_format()


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
