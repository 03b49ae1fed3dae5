"""One of several layers, of which only that one is computed."""

import keras
from keras import layers
from keras import ops

# They have no other names.
from keras.src.backend import AutocastScope
from keras.src.backend import get_stateless_scope

from keras_nas.compiling import switch
from keras_nas.layers import sharing
from keras_nas.layers.elastic.child import is_regularized
from keras_nas.layers.elastic.child import running_child
from keras_nas.layers.elastic.elastic_branch import ElasticBranch
from keras_nas.layers.elastic.elastic_choice import ElasticChoice
from keras_nas.layers.elastic.elastic_choice import begin_steps
from keras_nas.layers.elastic.elastic_choice import choices_in
from keras_nas.layers.elastic.elastic_mask import ElasticMask
from keras_nas.layers.elastic.elastic_mask import check_choices
from keras_nas.layers.elastic.elastic_mask import deserialize_layers
from keras_nas.layers.elastic.elastic_mask import serialize_layers


@keras.saving.register_keras_serializable(package="keras_nas")
class ElasticSwitch(layers.Layer):
    """Runs the one of several layers that `ElasticChoice`s say.

    Use it where options share no weights. Time and memory of a step are those
    of the branch that holds, not of all: where the choice is a known integer,
    the others are not even traced; otherwise they are branches of a
    `keras.ops.switch`. `keras_nas.slice_model` leaves the others out.

    XLA keeps room for what the backward pass needs of every branch. With
    `recompute`, that is the input of the layer alone, and a branch is
    computed once more in the backward pass.

    Branches may hold elastic layers. All choices inside are drawn in each
    step, also those in branches that are not taken. Replicas of a strategy
    all take the same branch. Those with a BatchNormalization that is
    `synchronized` would meet within the branch, which no switch allows: in
    training, all branches are computed then unless the choice is a known
    integer, and those that do not hold count for nothing.

    Args:
        branches: List of layers or models, each with one input and one
            output, that all give the same shape. One of them may be `None`,
            which stands for zeros of the input's shape.
        decided_by: An `ElasticChoice`, or a list of them.
        table: List with the index of a branch for each option of the choice.
            With several choices, a list of lists, one level for each. By
            default there is one choice with an option for each branch.
        recompute: Boolean, whether the backward pass computes a branch once
            more.
        **kwargs: Base layer keyword arguments, such as `name`.

    Call arguments:
        inputs: Float tensor.
        training: Boolean; options are drawn in training.

    Raises:
        ValueError: If the branches are no such layers, or the table is none.

    Reference:
        FP-NAS: Fast Probabilistic Neural Architecture Search, Section 4,
        Table 2.

    Example:

    >>> import keras, keras_nas
    >>> from keras_nas.layers import ElasticChoice, ElasticSwitch
    >>> act = ElasticChoice(["relu", "silu"], name="act")
    >>> model = keras.Sequential([
    ...     keras.Input((4,)),
    ...     keras.layers.Dense(8),
    ...     ElasticSwitch([keras.layers.Activation(a) for a in act.options],
    ...                   act),
    ...     keras.layers.Dense(2),
    ... ])
    >>> chosen = keras_nas.Architecture("", {"act": "relu"})
    >>> keras_nas.slice_model(model, chosen).layers[2].activation.__name__
    'relu'
    """

    def __init__(
        self, branches, decided_by, table=None, recompute=False, **kwargs
    ):
        super().__init__(**kwargs)
        self.branches = _check_branches(branches)
        self.decided_by = check_choices(decided_by)
        self.table = list(range(len(branches))) if table is None else table
        self.recompute = bool(recompute)
        zeros = [i for i, b in enumerate(self.branches) if b is None]
        self.join = ElasticBranch(
            self.table,
            self.decided_by,
            number=len(self.branches),
            zero=zeros[0] if zeros else None,
            dtype=self.dtype_policy,
            name=f"{self.name}_branch",
        )

    def build(self, input_shape):
        shapes = [] if self.join.zero is None else [tuple(input_shape)]
        for branch in self.branches:
            if branch is None:
                continue
            if not branch.built:
                branch.build(input_shape)
            shapes.append(tuple(branch.compute_output_shape(input_shape)))
        if len(set(shapes)) != 1:
            raise ValueError(
                f"The branches of '{self.name}' must give the same shape, "
                "that of the input if one of them is None. Received: an input "
                f"of the shape {tuple(input_shape)} and outputs of the shapes "
                f"{shapes}"
            )
        self.join.build([shapes[0]] * len(self.join.input_options))
        self.built = True

    def call(self, inputs, training=None):
        if isinstance(inputs, keras.KerasTensor):
            return self._all(inputs, training)
        if training:
            begin_steps(self)
        index = self.join.branch(training)
        is_known = isinstance(index, int)
        if not is_known and training and self._meets():
            return self._all(inputs, training)
        runs = [_runner(branch, training) for branch in self.branches]
        in_scope = get_stateless_scope() is not None
        if self.recompute or (in_scope and not is_known):
            return self._stateless(runs, index, inputs, training)
        return _switch(index, runs, inputs)

    def _all(self, inputs, training):
        """Runs all branches, and keeps the one that holds."""
        outputs = [
            _runner(branch, training)(inputs)
            for branch in self.branches
            if branch is not None
        ]
        return self.join(outputs, training=training)

    def _stateless(self, runs, index, inputs, training):
        """Runs a branch as a function of its input and of all variables.

        What is computed once more must be the same, and what is assigned in a
        function that JAX traces would not get out of it.
        """
        trained, others = self.trainable_variables, self.non_trainable_variables
        with AutocastScope(None):
            arguments = [_read(v) for v in trained]
            constants = [(v, _read(v)) for v in others]
        states = self._states()
        indices = [(c, c.index(training)) for c in choices_in(self)]
        is_dropped = is_regularized()

        def stateless(run):
            def run_with(inputs, *values):
                mapping = [*zip(trained, values, strict=True), *constants]
                with (
                    running_child(indices, is_dropped),
                    keras.StatelessScope(mapping) as scope,
                ):
                    outputs = run(inputs)
                return outputs, [scope.get_current_value(v) for v in states]

            return keras.remat(run_with) if self.recompute else run_with

        runs = [stateless(run) for run in runs]
        outputs, after = _switch(index, runs, inputs, *arguments)
        for variable, value in zip(states, after, strict=True):
            variable.assign(value)
        return outputs

    def _states(self):
        """Returns the variables that a branch may update."""
        kept = {
            id(variable)
            for layer in self._flatten_layers()
            if isinstance(layer, (ElasticChoice, ElasticMask))
            or not getattr(layer, "accumulates", True)
            for variable in layer.variables
        }
        return [v for v in self.non_trainable_variables if id(v) not in kept]

    def _meets(self):
        """Whether replicas of a strategy exchange anything in a branch."""
        return any(
            getattr(layer, "synchronized", False)
            for layer in self._flatten_layers()
        )

    def compute_output_shape(self, input_shape):
        branch = next(b for b in self.branches if b is not None)
        return tuple(branch.compute_output_shape(input_shape))

    def get_config(self):
        config = {"table": self.table, "recompute": self.recompute}
        with sharing.scope():  # Layers inside share choices.
            config["decided_by"] = serialize_layers(self.decided_by)
            config["branches"] = serialize_layers(self.branches)
        return {**super().get_config(), **config}

    @classmethod
    def from_config(cls, config):
        with sharing.scope():
            choices = deserialize_layers(config["decided_by"])
            branches = deserialize_layers(config["branches"])
        return cls(**{**config, "decided_by": choices, "branches": branches})


def _runner(branch, training):
    """Returns a function that computes the output of a branch."""
    if branch is None:
        return ops.zeros_like
    return lambda inputs: branch(inputs, training=training)


def _switch(index, functions, *operands):
    if isinstance(index, int):
        return functions[index](*operands)
    functions = [_on_copies(function) for function in functions]
    return switch(index, functions, *operands)


def _on_copies(function):
    """Returns a function that has its operands to itself.

    Otherwise TensorFlow finds no gradient of a switch inside of a switch in
    which an activation with a gradient of its own reads an operand.
    """
    return lambda *operands: function(*map(ops.copy, operands))


def _read(variable):
    """Returns the value of a variable, as a tensor under TensorFlow too."""
    return ops.reshape(variable.value, variable.shape)


def _check_branches(branches):
    is_list = isinstance(branches, (list, tuple))
    others = [b for b in branches if b is not None] if is_list else []
    are_layers = all(isinstance(b, layers.Layer) for b in others)
    if others and are_layers and len(branches) - len(others) <= 1:
        return list(branches)
    raise ValueError(
        "Invalid value received for argument `branches`. Expected a list of "
        "layers or models, of which one may be None. Received: "
        f"branches={branches!r}"
    )
