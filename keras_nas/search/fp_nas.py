"""FP-NAS: search by a distribution that draws fewer samples as it learns."""

import keras
from keras import ops

from keras_nas.costs import ExpectedFLOPs
from keras_nas.graph import flow_of
from keras_nas.search.architecture_distribution import ArchitectureDistribution
from keras_nas.search.elastic_choices import elastic_choices
from keras_nas.search.fp_nas_arguments import check_arguments
from keras_nas.search.fp_nas_arguments import check_groups_are_given
from keras_nas.search.fp_nas_arguments import check_regularizer
from keras_nas.search.fp_nas_schedule import Schedule
from keras_nas.search.paired_data import batches_of
from keras_nas.search.paired_data import pair_data
from keras_nas.search.sampled_training import SampledTraining
from keras_nas.spaces.architecture import Architecture
from keras_nas.training.partitioned_optimizer import PartitionedOptimizer
from keras_nas.training.strategy import check_not_synchronized


class FPNAS(SampledTraining):
    """Learns a distribution over architectures, with a supernet's weights.

    Wrap a supernet, or a model of your own with elastic layers, such as
    `keras_nas.ElasticMBConv`. Compile and fit it like any model, and take the
    result with `architecture()` or `export_model()`; the paper trains it from
    scratch then.

    Each step draws K architectures from the distribution and computes them
    one after the other, so that its memory is that of one. Weights learn from
    a batch of training data, by the mean of the K gradients (the paper does
    not say how they are weighted). The distribution learns from a batch of
    other data: architectures of a large likelihood become more probable,
    those over the target less (Eq. 7; `keras_nas.search.importance` derives
    it). K follows the entropy H of the distribution,

        K = max(1, floor(samples_per_nat * H)),    H in nats (Eq. 4),

    and may change with every step, without a retrace.

    The likelihood of a batch is a product over its images. It differs so much
    between architectures that the importance weights of K samples are 1 for
    the best and 0 for the others, almost always. That is what Eq. 7 says, and
    what `likelihood_temperature=1.0` does. A temperature T takes the
    likelihood to the power of 1 / T, so that others count, too; `"batch"` is
    the number of images, which makes it a geometric mean over the images.
    Then weights are nearly equal, the cost counts far more, and the
    distribution learns slowly.

    Likelihoods are computed like a step of training, so that
    BatchNormalization takes the statistics of the batch, which no average
    over architectures could replace; an `ElasticDropout` drops nothing, but
    any other Dropout does.

    Where a step draws a single architecture, m_1 is 1, or 1 - beta if it is
    over the target: it becomes more probable in either case.

    Each epoch logs `loss`, the mean over the samples, and the metrics of the
    last sample of each step; `architecture_loss`, the negative logarithm of
    the mean likelihood of the samples (Eq. 3), by image; `entropy` after the
    epoch, in nats; `samples`, how many were drawn; `sampled_cost`, their mean
    cost, and `decided_cost`, that of the most probable architecture, as
    shares of the full cost. After each epoch the most probable architecture
    is what runs at inference; `val_` metrics are its own, with statistics of
    its own. When `fit` ends it is the most probable one within the target.

    Args:
        model: A built model with elastic layers.
        regularizer: `ExpectedFLOPs`, `ExpectedParams` or `ExpectedLatency`
            with a target. Defaults to `ExpectedFLOPs(target=0.5)`.
        groups: Dictionary from names to the names of decisions that a joint
            distribution decides on at once, such as `space.groups`. By
            default, each decision for itself.
        cost_weight: Float, beta.
        samples_per_nat: Float, lambda of Eq. 4.
        samples: Integer, a fixed K, as in PARSEC, instead.
        distribution: `"mixed"`, to convert the factorized distribution to the
            joint one before epoch `joint_epoch`, if there are groups;
            `"joint"` or `"factorized"`, to have one throughout.
        joint_epoch: Integer, theta, counted from 0 with the warm-up.
        warmup_epochs: Integer, epochs in which only the weights are trained;
            45 of 315 in the paper.
        likelihood_temperature: Positive float, or `"batch"`.
        seed: Integer seed of the draws.
        recalibration_steps: Integer, batches of training data from which the
            statistics of an architecture are computed.
        **kwargs: `keras.Model` keyword arguments, such as `name`.

    Raises:
        ValueError: If the model is not a built Keras 3 model with elastic
            choices only, the target is out of reach, or an argument is
            invalid.

    Reference:
        FP-NAS: Fast Probabilistic Neural Architecture Search, Section 3.

    Example:

    >>> import keras, keras_nas, numpy as np
    >>> space = keras_nas.spaces.smoke_big_nas()
    >>> search = keras_nas.search.FPNAS(
    ...     space.supernet(classes=2), keras_nas.ExpectedFLOPs(target=0.5)
    ... )
    >>> loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    >>> search.compile("sgd", loss)
    >>> x, y = np.ones((32, 8, 8, 3), "float32"), np.zeros(32)
    >>> history = search.fit(x, y, batch_size=16, verbose=0)
    >>> history.history["samples"]
    [1.0]
    >>> search.decided_cost() <= 0.5
    True
    """

    def __init__(
        self,
        model,
        regularizer=None,
        groups=None,
        cost_weight=0.3,
        samples_per_nat=0.25,
        samples=None,
        distribution="mixed",
        joint_epoch=80,
        warmup_epochs=0,
        likelihood_temperature=1.0,
        seed=None,
        recalibration_steps=16,
        **kwargs,
    ):
        flow = flow_of(model)
        choices = elastic_choices(flow, "FPNAS")
        check_arguments(
            cost_weight=cost_weight,
            samples_per_nat=samples_per_nat,
            samples=samples,
            distribution=distribution,
            joint_epoch=joint_epoch,
            warmup_epochs=warmup_epochs,
            likelihood_temperature=likelihood_temperature,
        )
        regularizer = (
            regularizer
            or getattr(model, "cost_regularizer", None)
            or ExpectedFLOPs(target=0.5)
        )
        check_regularizer(regularizer)
        check_groups_are_given(distribution, groups)
        super().__init__(model, recalibration_steps, **kwargs)
        self.regularizer = regularizer
        self.full_cost = regularizer.full(model)
        self.target = regularizer.budget(model)
        self.cost_weight = float(cost_weight)
        self.samples_per_nat, self.samples = float(samples_per_nat), samples
        self.converts = distribution == "mixed" and bool(groups)
        self.joint_epoch = joint_epoch
        self.warmup_epochs = warmup_epochs
        self.likelihood_temperature = likelihood_temperature
        self.choices = list(choices.values())
        is_factorized = distribution == "factorized"
        self.distribution = ArchitectureDistribution(
            {name: choice.options for name, choice in choices.items()},
            None if is_factorized else groups,
            "joint" if distribution == "joint" else "factorized",
            seed,
            name="architecture_distribution",
        )
        self.logits_optimizer = None

    def compile(
        self, optimizer="sgd", loss=None, *args, logits_optimizer=None, **kwargs
    ):
        """Configures the search for `fit`.

        Args:
            optimizer: Optimizer of the weights. The paper uses SGD, with a
                cosine schedule from 0.8.
            loss: As in `keras.Model.compile`: the negative logarithm of the
                likelihood, a mean over the images.
            *args: As in `keras.Model.compile`.
            logits_optimizer: Optimizer of the logits; by default that of the
                paper, Adam with the learning rate 0.016. It begins anew when
                the distribution is converted, since the logits are others.
            **kwargs: As in `keras.Model.compile`.

        Raises:
            ValueError: If there is no loss.
        """
        if loss is None:
            raise ValueError(
                "Invalid value received for argument `loss`. Expected a loss, "
                "such as `keras.losses.SparseCategoricalCrossentropy("
                "from_logits=True)`, since it is what tells architectures "
                "apart. Received: loss=None"
            )
        if logits_optimizer is None:
            logits_optimizer = keras.optimizers.Adam(0.016)
        logits = self.distribution.trainable_variables
        both = PartitionedOptimizer(optimizer, logits_optimizer, logits)
        self.logits_optimizer = both.special_optimizer
        super().compile(both, loss, *args, **kwargs)
        # Else TensorFlow would trace the first step twice.
        self.optimizer.build(self.trainable_variables)
        self.initial_slots = [
            ops.convert_to_numpy(v) for v in self.logits_optimizer.variables
        ]

    def fit(
        self,
        x=None,
        y=None,
        batch_size=None,
        *,
        architecture_data=None,
        sample_weight=None,
        class_weight=None,
        recalibration_data=None,
        **kwargs,
    ):
        """Trains weights and distribution.

        Args:
            x: Data of the weights, as in `keras.Model.fit`: arrays, a
                `tf.data.Dataset` or a `keras.utils.PyDataset`.
            y: As in `keras.Model.fit`.
            batch_size: Integer, of both kinds of batches, if `x` is arrays.
            architecture_data: Data of the distribution, of the same kind, or
                a tuple of arrays `(x, y)`, that share no example with `x`. By
                default, if `x` and `y` are arrays, their second half, as in
                the paper; so shuffle them before. If there are fewer, they
                repeat.
            sample_weight: As in `keras.Model.fit`.
            class_weight: Not supported; pass `sample_weight`.
            recalibration_data: Batches of training data, from which the
                statistics of architectures are computed for the validation;
                by default, of `x`.
            **kwargs: As in `keras.Model.fit`, by name.

        Returns:
            The `History`.

        Raises:
            ValueError: If there is no data of the distribution, or layers of
                several replicas wait for each other.
        """
        if class_weight is not None:
            raise ValueError(
                "Invalid value received for argument `class_weight`. Expected "
                "None; pass `sample_weight` instead. Received: "
                f"class_weight={class_weight!r}"
            )
        check_not_synchronized(self)
        pairs, first = pair_data(x, y, sample_weight, architecture_data)
        if recalibration_data is None:
            recalibration_data = batches_of(
                first, batch_size or 32, self.recalibration_steps
            )
        return super().fit(
            pairs,
            batch_size=batch_size,
            recalibration_data=recalibration_data,
            **kwargs,
        )

    def search_callbacks(self):
        return [Schedule()]

    def decided_cost(self):
        """Returns the cost of what runs at inference, as a share of all."""
        return self.regularizer.decided(self.model) / self.full_cost

    def choose_indices(self, indices):
        """Makes an architecture the network that runs at inference.

        Args:
            indices: The index of each decision, as the distribution has them.
        """
        decisions = {
            choice.name: choice.options[int(index)]
            for choice, index in zip(self.choices, indices, strict=True)
        }
        self.choose(Architecture(self.model.name, decisions))
