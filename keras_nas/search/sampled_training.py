"""The step of FP-NAS: weights and logits from sampled architectures."""

import keras
from keras import ops
from keras import tree
from keras.src.losses.loss import (
    scale_loss_for_distribution,  # These have no other names.
)
from keras.src.losses.loss import unscale_loss_for_distribution

from keras_nas.graph import flow_of
from keras_nas.layers import running_child
from keras_nas.search import importance
from keras_nas.search.paired_data import is_pair
from keras_nas.search.paired_data import unpair
from keras_nas.search.supernet_model import SupernetModel
from keras_nas.training import sampled_gradients
from keras_nas.training.strategy import sum_over_replicas

unpack = keras.utils.unpack_x_y_sample_weight


class SampledTraining(SupernetModel):
    """Base class of `FPNAS`: what one step computes.

    A step draws K architectures, and computes one after the other. The
    weights get the mean of the gradients of the loss of each on a batch of
    training data. The logits get sum_k m_k grad(-log P(A_k)) (Eq. 7), whose
    likelihoods come from a batch of validation data, with the weights as they
    were before the step.

    Subclasses set `distribution`, `choices`, `regularizer`, `target`,
    `full_cost`, `cost_weight`, `samples`, `samples_per_nat`,
    `likelihood_temperature` and `logits_optimizer`.

    Args:
        *args: As of `SupernetModel`.
        **kwargs: As of `SupernetModel`.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.is_warming_up = False
        self._architecture_loss = keras.metrics.Mean(name="architecture_loss")
        self._sampled_cost = keras.metrics.Mean(name="sampled_cost")
        self._drawn = keras.metrics.Sum(name="samples")

    def metrics_in_training(self):
        return [self._architecture_loss, self._sampled_cost, self._drawn]

    def call(self, inputs, training=None):
        return self.model(inputs, training=training)

    def train_step(self, *arguments):
        # Under JAX, Keras passes the values of all variables, too.
        *state, data = arguments
        if not state:
            return self._train_on(data)
        return sampled_gradients.run_stateless(
            self, state[0], lambda: self._train_on(data)
        )

    def _train_on(self, data):
        batch, held_out = map(unpack, unpair(data))
        x, y, sample_weight = batch
        self.distribution.begin_step()
        most = self.most_samples()
        number = self.number_of_samples()
        indices = self.distribution.sample(most)
        logits = self.distribution.trainable_variables
        gradients, records, y_pred = self._weight_gradients(
            batch, held_out, indices, number, logits
        )
        losses, log_likelihoods, costs = ops.unstack(records, axis=1)
        count = ops.cast(number, "float32")
        self._loss_tracker.update_state(
            unscale_loss_for_distribution(ops.sum(losses) / count),
            sample_weight=_images(x),
        )
        self._sampled_cost.update_state(
            ops.sum(costs) / count / self.full_cost, sample_weight=count
        )
        self._drawn.update_state(scale_loss_for_distribution(count))
        variables = self._weights(logits)
        if not self.is_warming_up:
            gradients = gradients + self._logit_gradients(
                indices, number, log_likelihoods, costs, held_out, logits
            )
            variables = variables + logits
        self.optimizer.apply(gradients, variables)
        return self.compute_metrics(x, y, y_pred, sample_weight)

    def _weights(self, logits):
        others = {id(v) for v in logits}
        return [v for v in self.trainable_variables if id(v) not in others]

    def _other_variables(self):
        return [
            *self.non_trainable_variables,
            *self.metrics_variables,
            *self.optimizer.variables,
        ]

    def most_samples(self):
        """Returns how many architectures a step draws at most."""
        if self.samples is not None:
            return self.samples
        largest = self.distribution.largest_entropy
        return importance.most_samples(largest, self.samples_per_nat)

    def number_of_samples(self):
        """Returns how many architectures the next step takes, a tensor."""
        if self.samples is not None:
            return ops.convert_to_tensor(self.samples, "int32")
        number = importance.number_of_samples(
            self.distribution.entropy(), self.samples_per_nat
        )
        return ops.minimum(number, self.most_samples())

    def _child(self, indices, sample, is_regularized=True):
        """Runs the model as one of the sampled architectures."""
        row = ops.take(indices, sample, axis=0)
        pairs = [(choice, row[i]) for i, choice in enumerate(self.choices)]
        return running_child(pairs, is_regularized)

    def _weight_gradients(self, batch, held_out, indices, number, logits):
        """Returns gradients, a row of records for each sample, predictions."""
        x, y, sample_weight = batch

        def loss(sample):
            with self._child(indices, sample):
                y_pred = self.model(x, training=True)
                value = self.compute_loss(x, y, y_pred, sample_weight, True)
            return self.optimizer.scale_loss(value), (value, y_pred)

        def record(sample, outputs):
            value, _ = outputs
            with self._child(indices, sample, is_regularized=False):
                cost = self.regularizer(self.model)
                likelihood = 0.0
                if not self.is_warming_up:
                    likelihood = self._log_likelihood(*held_out)
            return [value, likelihood, cost]

        variables = self._weights(logits)
        gradients, records, (_, y_pred) = sampled_gradients.mean_gradients(
            loss,
            record,
            width=3,
            variables=variables,
            state=[*logits, *self._other_variables()],
            number=number,
            most=self.most_samples(),
            outputs=[ops.zeros(()), *self._blank_outputs(x)],
        )
        return gradients, records, y_pred

    def _blank_outputs(self, x):
        """Returns zeros of the shapes that the model's outputs have."""
        return [
            ops.zeros((_images(x), *(n or 1 for n in t.shape[1:])), t.dtype)
            for t in flow_of(self.model).outputs
        ]

    def _log_likelihood(self, x, y, sample_weight):
        """Returns the log of P(y | X, w, A), of this replica's part."""
        loss = self._compile_loss(
            y, self.model(x, training=True), sample_weight
        )
        images = ops.cast(_images(x), "float32")
        loss = unscale_loss_for_distribution(ops.cast(loss, "float32"))
        return -loss * images

    def _logit_gradients(
        self, indices, number, log_likelihoods, costs, held_out, logits
    ):
        images = sum_over_replicas(ops.cast(_images(held_out[0]), "float32"))
        log_likelihoods = sum_over_replicas(log_likelihoods)
        self._architecture_loss.update_state(
            -importance.log_mean_likelihood(log_likelihoods, number) / images
        )
        temperature = self.likelihood_temperature
        weights = importance.importance_weights(
            log_likelihoods,
            importance.hinge_costs(costs, self.target),
            number,
            self.cost_weight,
            images if temperature == "batch" else temperature,
        )

        def loss():
            value = importance.surrogate_loss(
                self.distribution.log_probability(indices),
                ops.stop_gradient(weights),
            )
            # All replicas compute the same, and their gradients are added up.
            value = scale_loss_for_distribution(value)
            return self.optimizer.scale_loss(value), ()

        gradients, _, _ = sampled_gradients.gradients_of(
            loss, logits, self._other_variables()
        )
        return gradients

    def _symbolic_build(self, iterator=None, data_batch=None):
        # Keras builds metrics with a batch of data, and these are pairs.
        if data_batch is None:
            for _, _, data in iterator:
                is_list = isinstance(data, (list, tuple))
                data_batch = data[0] if is_list else next(data)
                break
        if is_pair(data_batch):
            data_batch, _ = unpair(data_batch)
        super()._symbolic_build(data_batch=data_batch)


def _images(x):
    return ops.shape(tree.flatten(x)[0])[0]
