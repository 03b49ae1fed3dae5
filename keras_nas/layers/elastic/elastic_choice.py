"""One decision of an elastic network: which of several options."""

import keras
import numpy as np
from keras import ops

from keras_nas.layers import sharing
from keras_nas.layers.elastic.child import index_in_child
from keras_nas.layers.mask import Mask


@keras.saving.register_keras_serializable(package="keras_nas")
class ElasticChoice(Mask):
    """A decision that elastic layers share, such as a width or a depth.

    Use it to let several layers take the same decision: pass one to each of
    them. It is not called. In training an option is drawn uniformly, one for
    each step, unless `keras_nas.layers.running_child` says which; at
    inference it is the one that was chosen last, at first the last one, the
    largest. Its name is that of the decision in an `Architecture`.

    Args:
        options: List of increasing integers >= 0, or of different strings,
            from the cheapest to the most expensive.
        seed: Integer seed of the draws.
        **kwargs: Base layer keyword arguments, such as `name`.

    Raises:
        ValueError: If the options are something else.

    Reference:
        BigNAS: Scaling Up Neural Architecture Search with Big Single-Stage
        Models, Section 3.1 and Appendix B.

    Example:

    >>> from keras_nas.layers import ElasticChoice
    >>> width = ElasticChoice([8, 12, 16], name="width")
    >>> width.decision()
    16
    >>> width.choose(8)
    >>> width.decision()
    8
    """

    method = "BigNAS"
    is_exclusive = True

    def __init__(self, options, seed=None, **kwargs):
        super().__init__(seed=seed, **kwargs)
        self.options = _check_options(options)
        self.choice = self.add_weight(
            name="choice",
            shape=(),
            initializer=keras.initializers.Constant(len(self.options) - 1),
            dtype="int32",
            trainable=False,
        )
        self.built = True

    def choose(self, option):
        """Sets which option holds at inference.

        Args:
            option: One of `options`.

        Raises:
            ValueError: If it is none of them.
        """
        self.choice.assign(int(np.argmax(self.scale_of(option))))

    def index(self, training=False):
        """Returns the index of the option that holds now.

        Args:
            training: Boolean, whether to draw one.

        Returns:
            An integer where it is known, else a scalar integer tensor.
        """
        index = index_in_child(self)
        if index is not None:
            return index
        if not training:
            return known(self.choice.value)
        self.begin_step()
        return known(self.draw()[0])

    def draw(self, number=1):
        """Returns this step's draws, integers of the shape `(number,)`."""
        return keras.random.randint(
            (number,), 0, len(self.options), "int32", seed=self.seed_generator
        )

    def sample(self):
        index = index_in_child(self)
        return self._switches(self.draw()[0] if index is None else index)

    def probabilities(self):
        index = index_in_child(self)
        if index is not None:
            return self._switches(index)
        number = len(self.options)
        return ops.full((number,), 1.0 / number, "float32")

    def inference_scale(self):
        return self._switches(self.index())

    def _switches(self, index):
        return ops.one_hot(index, len(self.options), dtype="float32")

    def decision(self):
        return self.options[int(ops.convert_to_numpy(self.choice))]

    def scale_of(self, decision):
        # 3.0 and True are no options, though equal to some.
        is_of_type = type(decision) is type(self.options[0])
        if not is_of_type or decision not in self.options:
            raise ValueError(
                f"Invalid decision '{self.name}'. Expected one of "
                f"{self.options}. Received: {decision!r}"
            )
        index = self.options.index(decision)
        return np.eye(len(self.options), dtype="float32")[index]

    def scale_limits(self):
        switches = np.eye(len(self.options), dtype="float32")
        return switches[0], switches[-1]

    def get_config(self):
        config = {"options": self.options, **sharing.shared_config(self)}
        return {**super().get_config(), **config}

    @classmethod
    def from_config(cls, config):
        choice = sharing.loaded_before(config)
        if choice is None:
            choice = cls(**sharing.own_config(config))
            sharing.record(choice, config)
        return choice


def begin_steps(layer):
    """Begins the step of all choices in a layer, before any of them is asked.

    Where a part of it runs in a branch, the draws of that part would only move
    on with the branch, and those of other branches not at all.
    """
    for choice in choices_in(layer):
        if index_in_child(choice) is None:
            choice.begin_step()


def choices_in(layer):
    """Returns all choices that a layer holds."""
    choices = {
        id(sublayer): sublayer
        for sublayer in layer._flatten_layers()
        if isinstance(sublayer, ElasticChoice)
    }
    return list(choices.values())


def known(index):
    """Returns an index as an integer, if its value is known by now."""
    try:
        return int(index)
    except (TypeError, AttributeError):  # A tensor that is being traced.
        return index


def as_choice(value, name, seed=None):
    """Returns which sizes an argument of an elastic layer says there are.

    Args:
        value: An `ElasticChoice` of sizes; a list of sizes, for one of its
            own; or a size, for nothing to choose.
        name: String, the name of a choice of its own.
        seed: Integer seed of the draws of a choice of its own.

    Returns:
        `(choice, options)`; the choice is `None` if there is nothing to
        choose.

    Raises:
        ValueError: If it is something else, or sizes are not positive.
    """
    options = sizes_of(value)
    if isinstance(value, ElasticChoice):
        return value, options
    if len(options) == 1:
        return None, options
    return ElasticChoice(options, seed=seed, name=name), options


def _check_options(options):
    if isinstance(options, (list, tuple)) and options:
        unique = sorted(set(options)) if _are_integers(options) else None
        if unique == list(options) and unique[0] >= 0:
            return unique
        are_names = all(type(option) is str for option in options)
        if are_names and len(set(options)) == len(options):
            return list(options)
    raise ValueError(
        "Invalid value received for argument `options`. Expected a list of "
        "increasing integers >= 0, such as [16, 24], or of different strings, "
        "since the first is the smallest child's. Received: "
        f"options={options!r}"
    )


def sizes_of(value):
    """Returns the sizes that `as_choice` takes, from the smallest on.

    Raises:
        ValueError: If they are something else than positive integers.
    """
    options = [value] if type(value) is int else value
    options = getattr(options, "options", options)
    if isinstance(options, (list, tuple)) and options:
        unique = sorted(set(options)) if _are_integers(options) else None
        if unique == list(options) and unique[0] > 0:
            return unique
    raise ValueError(
        "Invalid value received for argument `options`. Expected a list of "
        "increasing positive integers, such as [3, 5], since they are sizes. "
        f"Received: options={options!r}"
    )


def _are_integers(options):
    return all(type(option) is int for option in options)
