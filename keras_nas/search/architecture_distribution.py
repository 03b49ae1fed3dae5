"""The distribution over architectures that FP-NAS learns."""

import math

import keras
import numpy as np
from keras import ops

from keras_nas.layers.step_seed import StepSeeded
from keras_nas.layers.step_seed import StepSeedGenerator
from keras_nas.search.decision_groups import check_decisions
from keras_nas.search.decision_groups import check_groups


@keras.saving.register_keras_serializable(package="keras_nas")
class ArchitectureDistribution(StepSeeded, keras.layers.Layer):
    """A distribution P(A | alpha) over the decisions of a space.

    Use it to learn which architectures are good: it draws some, and its
    logits, alpha, are Keras variables. Decisions form groups A^l, one for
    each layer or block, that are independent of each other (Eq. 2),

        P(A | alpha) = prod_l P(A^l | alpha^l).

    Factorized, the M decisions of a group are independent, too (Eq. 5), and
    each has a vector of |D_m| logits:

        P(A^l | alpha^l) = prod_m softmax(alpha_m)[A_m].

    Joint, a group has one table of prod_m |D_m| logits, so that it can know
    which options go well together. `convert` goes from factorized to joint
    and changes no probability (Section 3.3): with the logits

        alpha[i, j, ..] = log softmax(alpha_1)[i] + log softmax(alpha_2)[j] ..

    the softmax of the table is the product, since that sums to one already.

    Both kinds of logits are there all the time; one of them holds, as a
    variable says, which is saved with the weights. So what was traced before
    `convert` is still right after it.

    Draws are a pure function of (seed, name, step); `begin_step` begins the
    next one. Architectures are rows of indices, a column for each decision,
    in the order of `decisions`.

    Args:
        decisions: Dictionary from the name of a decision to its options, or
            to how many there are.
        groups: Dictionary from the name of a group to the names of the
            decisions in it. A decision in no group is a group of its own.
        representation: `"factorized"` or `"joint"`, which logits hold first.
            All are 0, so that all architectures are equally likely.
        seed: Integer seed of the draws.
        **kwargs: Base layer keyword arguments, such as `name`.

    Raises:
        ValueError: If there are no decisions, groups share a decision or name
            one that is not there, a group has more than a million
            combinations, or the representation is neither of the two.

    Reference:
        FP-NAS: Fast Probabilistic Neural Architecture Search, Sections 3.1
        and 3.3.

    Example:

    >>> from keras_nas.search import ArchitectureDistribution
    >>> distribution = ArchitectureDistribution(
    ...     {"kernel": [3, 5], "channels": [8, 16, 24], "top": 4},
    ...     groups={"block": ("kernel", "channels")},
    ... )
    >>> _ = distribution.factorized[0].assign([0.0, 1.0])
    >>> distribution.convert()
    >>> [tuple(logits.shape) for logits in distribution.logits]
    [(6,), (4,)]
    >>> distribution.most_probable().tolist()
    [1, 0, 0]
    """

    def __init__(
        self,
        decisions,
        groups=None,
        representation="factorized",
        seed=None,
        **kwargs,
    ):
        super().__init__(**{"dtype": "float32", **kwargs})
        if representation not in ("factorized", "joint"):
            raise ValueError(
                "Invalid value received for argument `representation`. "
                "Expected 'factorized' or 'joint'. Received: "
                f"representation={representation!r}"
            )
        self.decisions = check_decisions(decisions)
        self.groups = check_groups(groups, self.decisions)
        self.representation = representation
        self.seed_generator = StepSeedGenerator(seed, self.name)
        self.seed = self.seed_generator.seed
        self._columns = {name: i for i, name in enumerate(self.decisions)}
        self.factorized = [
            self._logits(name, number)
            for name, number in self.decisions.items()
        ]
        self.joint = [
            self._logits(f"{name}_joint", math.prod(self.shape_of(name)))
            for name in self.groups
        ]
        self._is_joint = self.add_weight(
            name="is_joint",
            shape=(),
            initializer=keras.initializers.Constant(representation == "joint"),
            dtype="int32",
            trainable=False,
            aggregation="only_first_replica",
        )
        self.built = True

    def _logits(self, name, number):
        return self.add_weight(
            name=f"{name}_logits".replace("/", "_"),
            shape=(number,),
            initializer="zeros",
            dtype="float32",
            autocast=False,
        )

    def shape_of(self, group):
        """Returns how many options each decision of a group has."""
        return tuple(self.decisions[name] for name in self.groups[group])

    @property
    def is_joint(self):
        """Whether the joint logits hold."""
        return bool(ops.convert_to_numpy(self._is_joint))

    @property
    def logits(self):
        """The logits that hold, a list of variables."""
        return self.joint if self.is_joint else self.factorized

    @property
    def largest_entropy(self):
        """The entropy if all architectures are equally likely, a float."""
        return sum(math.log(number) for number in self.decisions.values())

    def convert(self):
        """Lets joint logits hold that give the same distribution."""
        if self.is_joint:
            return
        for name, logits in zip(self.groups, self.joint, strict=True):
            logits.assign(self._factorized_table(name))
        self._is_joint.assign(1)

    def tables(self):
        """Returns log P(A^l | alpha^l) of each group.

        Returns:
            List of vectors with a value for each combination of options of
            the group, in the order in which `itertools.product` counts them.
        """
        return [
            ops.where(
                ops.equal(self._is_joint.value, 1),
                ops.log_softmax(logits.value),
                self._factorized_table(name),
            )
            for name, logits in zip(self.groups, self.joint, strict=True)
        ]

    def _factorized_table(self, group):
        table = ops.zeros((1,), "float32")
        for name in self.groups[group]:
            logits = self.factorized[self._columns[name]].value
            table = table[:, None] + ops.log_softmax(logits)[None, :]
            table = ops.reshape(table, (-1,))
        return table

    def entropy(self):
        """Returns H(P(A | alpha)) in nats, a scalar tensor."""
        return -sum(ops.sum(ops.exp(t) * t) for t in self.tables())

    def log_probability(self, indices):
        """Returns log P(A | alpha) of some architectures.

        Args:
            indices: Integer array of shape (architectures, decisions).

        Returns:
            Tensor of shape (architectures,), differentiable in the logits.
        """
        indices = ops.convert_to_tensor(indices, "int32")
        total = 0.0
        for name, table in zip(self.groups, self.tables(), strict=True):
            place = 0
            for decision in self.groups[name]:
                column = indices[:, self._columns[decision]]
                place = place * self.decisions[decision] + column
            total = total + ops.take(table, place, axis=0)
        return total

    def begin_step(self):
        """Begins the next step, whose draws are others."""
        self.seed_generator.advance()

    def sample(self, number):
        """Draws architectures.

        Args:
            number: Integer.

        Returns:
            int32 tensor of shape (number, decisions); the same one in each
            call of a step.
        """
        # A decision's share of the noise stays its own whatever the groups.
        noise = keras.random.uniform(
            (number, len(self.decisions)),
            dtype="float32",
            seed=self.seed_generator,
        )
        columns = {}
        for name, table in zip(self.groups, self.tables(), strict=True):
            decisions = self.groups[name]
            column = noise[:, self._columns[decisions[0]]]
            place = _inverse_of_cumulated(ops.exp(table), column)
            for decision in reversed(decisions):
                options = self.decisions[decision]
                columns[decision] = place % options
                place = place // options
        return ops.stack([columns[name] for name in self.decisions], axis=1)

    def most_probable(self):
        """Returns the indices of the most probable architecture.

        Returns:
            NumPy integer vector, of the first ones if several are equal.
        """
        return self.indices_of(
            [np.argmax(ops.convert_to_numpy(t)) for t in self.tables()]
        )

    def indices_of(self, combinations):
        """Returns the indices of a combination of each group.

        Args:
            combinations: List of integers, places in `tables()`.

        Returns:
            NumPy integer vector.
        """
        indices = np.zeros(len(self.decisions), "int32")
        for name, place in zip(self.groups, combinations, strict=True):
            columns = [self._columns[d] for d in self.groups[name]]
            indices[columns] = np.unravel_index(place, self.shape_of(name))
        return indices

    def get_config(self):
        config = {
            "decisions": self.decisions,
            "groups": {name: list(d) for name, d in self.groups.items()},
            "representation": self.representation,
            "seed": self.seed,
        }
        return {**super().get_config(), **config}


def _inverse_of_cumulated(probabilities, noise):
    """Returns draws, integers, from noise that is uniform in [0, 1)."""
    cumulated = ops.cumsum(probabilities)
    total = cumulated[-1]
    place = ops.sum(cumulated[None] <= (noise * total)[:, None], axis=1)
    # Where rounding up has made the noise 1, the last one that is possible.
    return ops.cast(ops.minimum(place, ops.sum(cumulated < total)), "int32")
