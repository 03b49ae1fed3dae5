"""ExpectedLatency: a cost in microseconds, from a measured table."""

import keras

from keras_nas.costs.expected_cost import ExpectedCost
from keras_nas.costs.latency_table import LatencyTable


@keras.saving.register_keras_serializable(package="keras_nas")
class ExpectedLatency(ExpectedCost):
    """The expected latency of a model with masks, in microseconds.

    Use it where the time on a device is what counts: a multiply-add of a
    depthwise or a first convolution often takes several times as long as one
    of a late 1x1 convolution. As `ExpectedFLOPs`, but each multiply-add of a
    layer counts with the microseconds that one of that layer takes, in a
    table that `keras_nas.measure_latency` measures on this machine, or that
    is written by hand. So the time of a layer is taken to fall in proportion
    to its multiply-adds, though narrow layers take longer than that, and what
    has none, such as activations, additions and pooling, to take no time:
    measure the result with `keras_nas.export.benchmark_litert`.

    Args:
        strength: Non-negative float, lambda; a good start is one over the
            full latency.
        table: A `LatencyTable` with every layer of the model that has
            multiply-adds. Layers are found by their names, which
            `insert_masks` keeps.
        target: Instead of a strength, a budget: a share such as 0.5, or an
            absolute number of microseconds above 1.
        target_strength: Positive float, the penalty at twice the budget.

    Raises:
        ValueError: As `ExpectedFLOPs`, or if `table` is no latency table;
            when it is used, if the table lacks a layer.

    Example:

    >>> import keras, keras_nas
    >>> model = keras.Sequential([
    ...     keras.Input((8, 8, 3)),
    ...     keras.layers.Conv2D(16, 3, name="conv"),
    ...     keras_nas.LogisticSigmoidMask(initial_logit=0.0),
    ... ])
    >>> table = keras_nas.LatencyTable(
    ...     {"conv": {"macs": 15552, "microseconds": 31.104}}
    ... )
    >>> cost = keras_nas.ExpectedLatency(0.01, table)
    >>> round(float(cost(model)), 3)
    31.104
    >>> len(cost.attach(model).losses)
    1
    """

    counts = False

    def __init__(
        self, strength=None, table=None, target=None, target_strength=1.0
    ):
        super().__init__(strength, target, target_strength)
        if not isinstance(table, LatencyTable):
            raise ValueError(
                "Invalid value received for argument `table`. Expected a "
                "`keras_nas.LatencyTable`, such as "
                "`keras_nas.measure_latency(model)` returns or "
                "`keras_nas.LatencyTable.load(path)` reads. Received: "
                f"table={str(table)[:200]}"
            )
        self.table = table

    def measure(self, node, parts):
        macs = parts["macs"]
        if isinstance(macs, int) and not macs:
            return 0.0
        if node.name not in self.table.layers:
            raise ValueError(
                "Invalid value received for argument `table`. Expected a "
                f"latency table with the layer '{node.name}', which has "
                "multiply-adds. Received: a table without it, of "
                f"{len(self.table.layers)} layers. Measure the model itself, "
                "with `keras_nas.measure_latency(model)`, or "
                "`merge` the tables of several models; layers are found by "
                "their names."
            )
        return self.table.rate(node.name) * macs

    def text(self, cost):
        digits = f"{cost:,.2f}" if cost >= 1 else f"{cost:.3g}"
        return f"{digits} microseconds"

    def get_config(self):
        return {**super().get_config(), "table": self.table.as_dict()}

    @classmethod
    def from_config(cls, config):
        table = LatencyTable.from_dict(config["table"])
        return cls(**{**config, "table": table})
