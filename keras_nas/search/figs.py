"""FiGS: fine-grained stochastic architecture search."""

from keras_nas.search.channel_search import ChannelSearch


class FiGS(ChannelSearch):
    """Searches the widths and operators of a model with masks.

    Wrap a model that holds `keras_nas.FiGSMask` layers (put there by hand or
    by `keras_nas.insert_masks`), compile and fit it like any model, and take
    the result with `architecture()` or `export_model()`. Training minimizes
    the task loss plus the expected cost (FiGS, Eq. 2 and 6).

    With a strength, the penalty is `strength * cost` throughout, as in the
    paper, and the final cost is whatever comes out. With a target, the search
    reaches it by itself: a budget falls from the full cost to the target over
    the first `ramp` of the training, a multiplier rises while the expected
    cost is above the budget and falls while it is below, and when `fit` ends
    all logits are shifted by one common number, the smallest for which the
    sliced network is within the target. (The paper tunes strengths by hand.)

    Each epoch logs `expected_cost`, `decided_cost` (of the network as it
    would be sliced now), both as shares of the full cost, `channels_alive`,
    and `strength` (of the penalty on the share of the cost).

    Args:
        model: A built Functional or Sequential model with masks.
        regularizer: `ExpectedFLOPs`, `ExpectedParams` or `ExpectedLatency`,
            with a strength or a target. Defaults to the one attached to the
            model, else to `ExpectedFLOPs(target=0.5)`.
        ramp: Float in [0, 1], the share of the steps over which the budget
            falls; only read with a target.
        channel_multiple: Integer such as 8: the decided widths are rounded up
            to a multiple, as `slice_model` does, and the target is met with
            those. By default they are not.
        **kwargs: `keras.Model` keyword arguments, such as `name`.

    Raises:
        ValueError: If the model has no masks, or masks of another kind, is
            not a built Keras 3 model, or the target is above the full cost
            or below what closing every mask leaves.

    Reference:
        FiGS: Fine-Grained Stochastic Architecture Search, Sections 3.1, 3.2.

    Example:

    >>> import keras, keras_nas, numpy as np
    >>> model = keras.Sequential([
    ...     keras.Input((8,)),
    ...     keras.layers.Dense(32, activation="relu"),
    ...     keras_nas.LogisticSigmoidMask(temperature=0.1),
    ...     keras.layers.Dense(2),
    ... ])
    >>> search = keras_nas.search.FiGS(
    ...     model, keras_nas.ExpectedFLOPs(target=0.5)
    ... )
    >>> search.compile(
    ...     "adam", "mse", mask_optimizer=keras.optimizers.Adam(0.1)
    ... )
    >>> x = np.ones((64, 8), "float32")
    >>> history = search.fit(x, x[:, :2], epochs=2, verbose=0)
    >>> small = search.export_model()
    >>> keras_nas.count_cost(small).macs <= 160
    True
    """

    method = "FiGS"
