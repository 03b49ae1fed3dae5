"""AtomNAS: search by shrinking the network that is trained."""

import warnings

import keras
import numpy as np
from keras import ops

from keras_nas.costs.marginal import channel_costs
from keras_nas.graph import flow_of
from keras_nas.graph.decisions import read_scales
from keras_nas.search.atom_budget import check_forced
from keras_nas.search.atom_budget import close
from keras_nas.search.atom_budget import keep_within
from keras_nas.search.budget import soft_count
from keras_nas.search.shrinkage import ArrayBatches
from keras_nas.search.shrinkage import Recalibration
from keras_nas.search.shrinkage import Shrinkage
from keras_nas.search.shrinking_search import ShrinkingSearch
from keras_nas.training.slots import all_of

_NORMALIZATIONS = ("mean", "sum")


class AtomNAS(ShrinkingSearch):
    """Trains a network and cuts its atomic blocks out, all in one `fit`.

    Wrap a model with `keras_nas.AtomicBlockScale` layers, put there by hand
    or by `keras_nas.insert_masks(model, keras_nas.AtomicBlockScale)`. Compile
    and fit it like any model, for as many epochs as the final network is to
    be trained, and take that with `export_model()`; it needs no retraining.

    The loss gets the penalty (Eq. 5)

        lambda * sum_i c_i |alpha_i|

    over the importance factors alpha_i of the atomic blocks, with costs c_i
    in proportion to what a block costs. After each epoch (Algorithm 1),
    blocks are cut out whose factor and moving average are both near 0, if
    together they cost enough: weights, optimizer slots, averages and the
    states of random generators go on in a smaller model as if the dead blocks
    had never been there. Then the statistics of BatchNormalization are
    computed anew, and the network is validated.

    With a strength, that is lambda, which rises to it over the first `ramp` of
    the steps, as in the paper. With a target, a budget falls from the full
    cost to the target over these steps, and a multiplier drives the cost of
    the blocks that are alive there. At their end, if that is not enough, the
    blocks with the smallest factors go; the rest of `fit` trains the network
    without a penalty.

    Each epoch logs `trained_cost`, of the network that it trained,
    `decided_cost`, without the blocks dead by then, and `expected_cost`, for
    which a block counts less the nearer its factor is to 0, as shares of the
    full cost;
    `atoms_alive`, the share of the blocks that are alive; and `strength`.

    Args:
        model: A built model with `AtomicBlockScale` layers. It is trained
            until blocks are cut out for the first time, and then left;
            the `model` of the search is the one that is trained.
        regularizer: `ExpectedFLOPs`, `ExpectedParams` or another cost, with a
            strength, lambda, or a target. Defaults to
            `ExpectedFLOPs(target=0.5)`.
        ramp: Float in [0, 1], the share of the steps over which the strength
            rises, or the budget falls; 25 of 350 epochs in the paper.
        normalization: Of the c_i, with a strength: `"mean"` for costs of mean
            1, to which the paper's values of lambda belong, or `"sum"` for
            costs that add up to 1, as Eq. 6 says; lambda is larger by the
            number of blocks then.
        cost_aware: Boolean. `False` makes all c_i equal, as the paper does
            to compare with (Table 2); the budget still counts costs.
        min_dead_cost: Float in [0, 1], Delta as a share of the full cost: the
            cost of dead blocks for which it is worth to cut them out, which
            takes some seconds. In the last epoch any are cut out. The paper
            has 1 of 1,521 million multiply-adds.
        recalibration_steps: Integer, batches of training images from which
            the statistics of BatchNormalization are computed anew before each
            validation and at the end; 0 to leave them.
        **kwargs: `keras.Model` keyword arguments, such as `name`.

    Raises:
        ValueError: If the model has no masks, or others than of this kind, is
            not a built Keras 3 model, the target is out of reach, or an
            argument is out of range.

    Reference:
        AtomNAS: Fine-Grained End-to-End Neural Architecture Search, Sections
        3.2, 3.3 and 4.3.2.

    Example:

    >>> import keras, keras_nas, numpy as np
    >>> model = keras.Sequential([
    ...     keras.Input((8,)),
    ...     keras.layers.Dense(32, activation="relu"),
    ...     keras_nas.AtomicBlockScale(momentum=0.0),
    ...     keras.layers.Dense(2),
    ... ])
    >>> search = keras_nas.search.AtomNAS(
    ...     model, keras_nas.ExpectedFLOPs(target=0.5), ramp=0.5
    ... )
    >>> search.compile(
    ...     "adam", "mse", mask_optimizer=keras.optimizers.Adam(0.1)
    ... )
    >>> x = np.ones((64, 8), "float32")
    >>> history = search.fit(x, x[:, :2], epochs=4, verbose=0)
    >>> keras_nas.count_cost(search.export_model()).macs <= 160
    True
    """

    method = "AtomNAS"

    def __init__(
        self,
        model,
        regularizer=None,
        ramp=25 / 350,
        normalization="mean",
        cost_aware=True,
        min_dead_cost=0.01,
        recalibration_steps=50,
        **kwargs,
    ):
        if normalization not in _NORMALIZATIONS:
            raise ValueError(
                "Invalid value received for argument `normalization`. Expected "
                f"one of {_NORMALIZATIONS}. Received: "
                f"normalization={normalization!r}"
            )
        if not 0.0 <= min_dead_cost <= 1.0:
            raise ValueError(
                "Invalid value received for argument `min_dead_cost`. Expected "
                "a share of the full cost in [0, 1]. Received: "
                f"min_dead_cost={min_dead_cost!r}"
            )
        if type(recalibration_steps) is not int or recalibration_steps < 0:
            raise ValueError(
                "Invalid value received for argument `recalibration_steps`. "
                "Expected an integer, 0 or more. Received: "
                f"recalibration_steps={recalibration_steps!r}"
            )
        super().__init__(model, regularizer, ramp, **kwargs)
        self.normalization = normalization
        self.cost_aware = cost_aware
        self.min_dead_cost = min_dead_cost
        self.recalibration_steps = recalibration_steps
        self._recalibration = None  # Until `fit` knows the data.
        self._needs_no_penalty = False
        costs = channel_costs(model, self.regularizer)
        total, number = sum(c.sum() for c in costs), sum(map(len, costs))
        self._unit = total / number if self._counts_mean() else total
        self._mean_cost = total / number
        self._set_costs(costs)
        self.is_settled = self.add_weight(
            name="is_settled",
            shape=(),
            initializer="zeros",
            dtype="float32",
            autocast=False,
            trainable=False,
        )
        self.cost_of_epoch = self.trained_cost

    def _counts_mean(self):
        is_mean = self.normalization == "mean"
        return is_mean and self.controller.fixed is not None

    def _set_costs(self, costs):
        trained = self.regularizer.full(self.model)
        self.trained_cost = trained / self.full_cost
        self._costs = [c.astype("float32") / self.full_cost for c in costs]
        if not self.cost_aware:
            costs = [np.full(len(c), self._mean_cost) for c in costs]
        self._weights = [(c / self._unit).astype("float32") for c in costs]
        self._base_cost = self.trained_cost - sum(c.sum() for c in self._costs)

    def compile(self, optimizer="rmsprop", *args, **kwargs):
        super().compile(optimizer, *args, **kwargs)

    def mask_variables(self):
        return [mask.factor for mask in flow_of(self.model).masks]

    def fit(
        self,
        x=None,
        y=None,
        batch_size=None,
        *args,
        recalibration_data=None,
        callbacks=None,
        **kwargs,
    ):
        """Trains, cuts out, and recalibrates.

        Args:
            x: As in `keras.Model.fit`.
            y: As in `keras.Model.fit`.
            batch_size: As in `keras.Model.fit`.
            *args: As in `keras.Model.fit`.
            recalibration_data: Training images for the statistics of
                BatchNormalization, a data set or list of batches, read from
                its start each time. By default `x`, a data set or arrays; of
                arrays, rows at equal distances.
            callbacks: As in `keras.Model.fit`; they run after those of the
                search.
            **kwargs: As in `keras.Model.fit`.

        Returns:
            A `History`.

        Raises:
            ValueError: If `x` is a generator, and there are no
                `recalibration_data` but steps to recalibrate.
        """
        data, steps, held_out = recalibration_data, self.recalibration_steps, 0
        is_arrays = hasattr(data, "shape") or isinstance(data, dict)
        if data is None:
            data, held_out = x, kwargs.get("validation_split") or 0
            is_arrays = hasattr(x, "shape") or isinstance(
                x, (list, tuple, dict)
            )
        if is_arrays:
            data = ArrayBatches(data, batch_size or 32, steps, held_out)
        self._recalibration = Recalibration(data, steps)
        return super().fit(
            x, y, batch_size, *args, callbacks=callbacks, **kwargs
        )

    def search_callbacks(self):
        callbacks = [Shrinkage()]
        # Without `compile` there is none, of which Keras tells later.
        optimizer = getattr(self, "optimizer", None)
        if optimizer and any(each.use_ema for each in all_of(optimizer)):
            callbacks.append(keras.callbacks.SwapEMAWeights())
        return [*callbacks, self._recalibration, *super().search_callbacks()]

    def penalty(self, training):
        if self._needs_no_penalty:
            return None
        # In one vector, since a step waits for each operation on a small one.
        factors = ops.abs(ops.concatenate(self.mask_variables()))
        factors = ops.cast(factors, "float32")
        if training:
            costs = np.concatenate(self._costs)
            alive = ops.sum(costs * soft_count(factors))
            self.controller.update(self._base_cost + alive)
        importance = ops.sum(np.concatenate(self._weights) * factors)
        return self.strength() * importance

    def strength(self):
        """Returns the present lambda."""
        if self.controller.fixed is not None:
            return self.controller.fixed * self.controller.ramped()
        return self.controller.strength() * (1.0 - self.is_settled)

    def end_epoch(self, is_last=False):
        """Cuts dead blocks out, if it is worth it; `fit` calls this."""
        scales, forced = self.decided_scales(), is_last
        self.cost_of_epoch = self.trained_cost
        settles = self._has_to_settle(is_last)
        if settles:
            alive, forced = scales, True
            scales = keep_within(self, scales)
        if not self._conducts(scales):
            if settles and is_last:
                self._warn_missed()
            return
        if settles:
            self.is_settled.assign(1.0)
            # From the next time on that the step is traced.
            self._needs_no_penalty = True
            check_forced(self.model, alive, scales)
        cost = self.regularizer.decided(self.model, scales) / self.full_cost
        dead = self.trained_cost - cost
        if dead <= 0 or not (forced or dead >= self.min_dead_cost):
            return
        close(self.model, scales)
        self.recalibrate()
        self.shrink(scales)

    def _conducts(self, scales):
        """Whether the outputs still depend on the input."""
        flow = flow_of(self.model)
        reading = read_scales(flow, scales)
        return any(
            reading.some(reading.alive(flow.state(t))) for t in flow.outputs
        )

    def _warn_missed(self):
        warnings.warn(
            "The target is not met: without the blocks with the smallest "
            "factors, some layer would have no channel left, so none were cut "
            "out to meet it. Use a larger target, a larger `ramp`, or a "
            "smaller learning rate of the factors.",
            stacklevel=2,
        )

    def recalibrate(self):
        """Computes the statistics of BatchNormalization anew, if `fit` does."""
        if self._recalibration is not None:
            self._recalibration.run()

    def _has_to_settle(self, is_last):
        is_settled = ops.convert_to_numpy(self.is_settled) > 0
        if self.controller.fixed is not None or is_settled:
            return False
        ramped = ops.convert_to_numpy(self.controller.ramped())
        return is_last or ramped > 1.0 - 1e-6

    def structure(self):
        is_settled = {"is_settled": self._needs_no_penalty}
        return {**super().structure(), **is_settled}

    def restore_structure(self, structure):
        self._needs_no_penalty = structure["is_settled"]
        super().restore_structure(structure)

    def model_changed(self):
        self._set_costs(channel_costs(self.model, self.regularizer))

    def expected_cost(self):
        factors = ops.abs(ops.concatenate(self.mask_variables()))
        counts = ops.convert_to_numpy(soft_count(factors))
        alive = self._base_cost + np.dot(np.concatenate(self._costs), counts)
        return float(alive) * self.full_cost

    def finish(self):
        """Nothing: the callback that ends epochs has ended the last one."""

    def advice_if_stuck(self):
        masks = flow_of(self.model).masks
        factors, averages = (
            np.concatenate([np.abs(ops.convert_to_numpy(v)) for v in variables])
            for variables in (
                [mask.factor for mask in masks],
                [mask.moving_average for mask in masks],
            )
        )
        thresholds = sorted({mask.threshold for mask in masks})
        return (
            f"The smallest factor is {factors.min():.2g}, the smallest moving "
            f"average {averages.min():.2g}; a block is dead where both are "
            f"within the threshold, {', '.join(map(str, thresholds))}. If "
            "factors stay large, use a larger strength, or "
            "`compile(mask_optimizer=...)` with a larger learning rate. If "
            "they jitter around 0, use a smaller learning rate, or "
            "`AtomicBlockScale` with a larger `threshold`. If only averages "
            "stay large, with a smaller `momentum`."
        )

    def progress(self):
        return {
            "trained_cost": self.cost_of_epoch,
            "atoms_alive": self.atoms_alive(),
        }
