"""The mask of the branches of an elastic network."""

import keras
import numpy as np
from keras import ops

from keras_nas.layers.elastic.elastic_mask import ElasticMask
from keras_nas.layers.elastic.elastic_mask import row


@keras.saving.register_keras_serializable(package="keras_nas")
class ElasticBranch(ElasticMask):
    """Keeps one of several tensors, the one that `ElasticChoice`s say.

    `ElasticSwitch` holds one. Use it alone to join candidates that are all
    computed.

    Args:
        table: List with the index of a branch for each option of the choice.
            With several choices, a list of lists, one level for each.
        decided_by: An `ElasticChoice`, or a list of them.
        zero: The index of the branch that stands for zeros, for which there
            is no input; or `None`.
        number: Integer, how many branches there are, if known.
        **kwargs: Base layer keyword arguments, such as `name`.

    Call arguments:
        inputs: List of float tensors of equal shapes, one for each of the
            other branches, in their order.
        training: Boolean; an option is drawn in training.

    Raises:
        ValueError: If the table is none, or `zero` is no branch.

    Reference:
        FP-NAS: Fast Probabilistic Neural Architecture Search, Section 4,
        Table 2.

    Example:

    >>> import keras, keras_nas, numpy as np
    >>> from keras_nas.layers import ElasticBranch, ElasticChoice
    >>> kind = ElasticChoice(["a", "b", "none"], name="kind")
    >>> join = ElasticBranch([0, 1, 2], kind, zero=2)
    >>> kind.choose("b")
    >>> a, b = np.ones((1, 2), "float32"), np.zeros((1, 2), "float32")
    >>> keras.ops.convert_to_numpy(join([a, b])).tolist()
    [[0.0, 0.0]]
    """

    is_exclusive = True

    def __init__(self, table, decided_by, zero=None, number=None, **kwargs):
        super().__init__(decided_by=decided_by, **kwargs)
        self._table = self._read(table, number)
        self.table = np.asarray(table).tolist()
        number = int(self._table.max()) + 1
        self.options = list(range(number))
        if zero is not None and (
            type(zero) is not int or zero not in self.options
        ):
            raise ValueError(
                "Invalid value received for argument `zero`. Expected one of "
                f"the branches {self.options}, or None. Received: zero={zero!r}"
            )
        self.zero = zero
        self.set_switches(np.eye(number)[self._table])
        self.supports_masking = True

    def _read(self, table, number):
        try:
            values = np.asarray(table)
        except ValueError:  # Lists of different lengths.
            values = np.zeros(0)
        is_integer = np.issubdtype(values.dtype, np.integer)
        found = set(values.reshape(-1).tolist()) if is_integer else set()
        is_whole = found == set(range(number or len(found)))
        if values.shape != self.shape_of_options or not is_whole:
            branches = f"{number or len(found)} branches"
            raise ValueError(
                "Invalid value received for argument `table`. Expected the "
                f"index of one of {branches} for each option of the choices, "
                "each of them at least once, in the shape "
                f"{self.shape_of_options}. Received: table={table!r}"
            )
        return values.reshape(-1).astype("int32")

    @property
    def input_options(self):
        """The index of the branch that each input stands for."""
        return [i for i in self.options if i != self.zero]

    def build(self, input_shape):
        shapes = [tuple(shape) for shape in input_shape]
        expected = len(self.input_options)
        if len(shapes) != expected or len(set(shapes)) != 1:
            raise ValueError(
                f"'{self.name}' takes a list of {expected} tensors of equal "
                f"shapes. Received tensors of the shapes {shapes}"
            )
        self.built = True

    def branch(self, training=False):
        """Returns the index of a branch, an integer if that is known."""
        branch = row(self._table, self.index(training))
        return int(branch) if isinstance(branch, np.integer) else branch

    def call(self, inputs, training=False):
        branch = self.branch(training)
        if isinstance(branch, int):
            if branch == self.zero:
                return ops.zeros_like(inputs[0])
            return inputs[self.input_options.index(branch)]
        outputs = 0.0
        for option, x in zip(self.input_options, inputs, strict=True):
            outputs = outputs + ops.cast(branch == option, x.dtype) * x
        return outputs

    def scale_limits(self):
        every = np.ones(len(self.options), "float32")
        return every, every  # What is largest, costs say.

    def compute_mask(self, inputs, previous_mask=None):
        """Returns Keras's mask of padded positions, if branches agree."""
        first, *others = previous_mask or [None]
        return first if all(other is first for other in others) else None

    def compute_output_shape(self, input_shape):
        return tuple(input_shape[0])

    def get_config(self):
        config = {"table": self.table, "zero": self.zero}
        config = {**super().get_config(), **config}
        del config["execution"]
        return config
