"""Cost: what a model costs, layer by layer."""

import dataclasses

from keras_nas.costs.activations import count_activations
from keras_nas.costs.conventions import find_convention
from keras_nas.costs.counting import node_costs
from keras_nas.graph import COST_PARTS
from keras_nas.graph import Rule
from keras_nas.graph import flow_of
from keras_nas.graph.decisions import mask_scales
from keras_nas.graph.decisions import read_scales
from keras_nas.graph.reading import Whole


@dataclasses.dataclass(frozen=True)
class LayerCost:
    """The cost of one call of a layer; `print` it for a line of the table.

    Attributes:
        name: Name of the layer.
        type: Name of its class.
        output_shape: Shape of the call's output in the model as given.
        macs: Multiply-adds.
        pool: Elements read by a global average pool, which some authors add
            to the multiply-adds.
        kernels: Weights of convolution and dense kernels.
        biases: Biases.
        norm: Scales and offsets of normalizations, and other weights of
            single channels.
        activations: Elements of the call's output for one sample, or `None`
            where they are not known.
    """

    name: str
    type: str
    output_shape: tuple
    macs: int
    pool: int
    kernels: int
    biases: int
    norm: int
    activations: int | None = None

    @property
    def params(self):
        """Trained parameters."""
        return self.kernels + self.biases + self.norm


@dataclasses.dataclass(frozen=True)
class Cost:
    """What a model costs; `print` it, or its `table`, for a table.

    One multiply-add counts as 1, and only those of convolution and dense
    kernels count, as in all five papers. Parameters are those that
    training can change, frozen or not: kernels, biases, and the scales and
    offsets of normalizations; moving
    statistics and mask layers do not count. Papers differ in what they count:
    `flops_by("fbnet")`, `params_by("fbnet")` and `table("fbnet")` count as
    the papers of `keras_nas.costs.CONVENTIONS` do.

    Attributes:
        layers: Tuple of `LayerCost`, one for each call of a layer that costs
            anything.
        uncounted: Tuple of the names of layers with weights for which no rule
            is registered: their parameters are in `kernels`, but how often
            they multiply is not known and not in `macs`.
        activations: Elements of the outputs of all calls for one sample, also
            of those that cost nothing else. Multiply by the bytes of an
            element, 4 in float32, for the memory.
        peak_activations: Elements of the inputs and outputs that are alive at
            the same time, at most, when the calls run one after the other and
            a tensor is freed after its last reader. Both are `None` where
            they depend on an unknown size, and of `decided_cost`.

    Example:

    >>> import keras, keras_nas
    >>> model = keras.Sequential(
    ...     [keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3)]
    ... )
    >>> print(keras_nas.count_cost(model).params_by("fbnet"))
    108
    """

    layers: tuple
    uncounted: tuple = ()
    activations: int | None = None
    peak_activations: int | None = None

    @property
    def macs(self):
        """Multiply-adds for one sample."""
        return self._sum("macs")

    @property
    def params(self):
        """Trained parameters."""
        return self._sum("params")

    @property
    def pool(self):
        """Elements read by global average pools, for one sample."""
        return self._sum("pool")

    @property
    def kernels(self):
        """Weights of convolution and dense kernels."""
        return self._sum("kernels")

    @property
    def biases(self):
        """Biases."""
        return self._sum("biases")

    @property
    def norm(self):
        """Scales and offsets, as those of normalizations."""
        return self._sum("norm")

    def _sum(self, part):
        return sum(getattr(layer, part) for layer in self.layers)

    def flops_by(self, convention):
        """Returns what the authors of a convention would call FLOPs.

        Args:
            convention: `"fbnet"`, `"atomnas"`, `"attentivenas"`, `"bignas"`,
                or a `Convention`.

        Returns:
            Integer, for one sample.

        Raises:
            ValueError: If there is no such convention, naming those known.
        """
        return _add(self, find_convention(convention).flops)

    def params_by(self, convention):
        """Returns the parameters as the authors of a convention count them.

        Args:
            convention: As in `flops_by`.

        Returns:
            Integer.

        Raises:
            ValueError: As `flops_by`.
        """
        return _add(self, find_convention(convention).params)

    def table(self, convention=None):
        """Returns a table with a line for each call that costs anything.

        Args:
            convention: As in `flops_by`, and then the last line says what
                counts; by default, multiply-adds and trained parameters.

        Returns:
            String.

        Raises:
            ValueError: As `flops_by`.
        """
        title, flops, params = "MACs", ("macs",), ("params",)
        if convention is not None:
            convention = find_convention(convention)
            title = "FLOPs"
            flops, params = convention.flops, convention.params
        width = max([len(layer.name) for layer in self.layers] + [5])
        line = f"{{:<{width}}}  {{:<18}} {{:<20}} {{:>15}} {{:>12}}"
        rows = [line.format("layer", "type", "output", title, "params")]
        for layer in self.layers:
            counts = f"{_add(layer, flops):,}", f"{_add(layer, params):,}"
            shape = ", ".join(str(s) for s in layer.output_shape[1:])
            rows.append(
                line.format(layer.name, layer.type[:18], f"({shape})", *counts)
            )
        total = f"{_add(self, flops):,}", f"{_add(self, params):,}"
        rows.append(line.format("total", "", "", *total))
        if self.peak_activations is not None:
            rows.append(
                f"activations: {self.activations:,} elements, at most "
                f"{self.peak_activations:,} at once"
            )
        if self.uncounted:
            names = ", ".join(self.uncounted)
            rows.append(f"multiply-adds not counted (no rule): {names}")
        if convention is not None:
            rows.append(str(convention))
        return "\n".join(rows)

    def __str__(self):
        return self.table()


def count_cost(model):
    """Counts the multiply-adds and parameters of a model as it stands.

    Masks count as if they kept everything; `decided_cost` counts what they
    have decided.

    Args:
        model: A built Keras model with a fixed input size.

    Returns:
        A `Cost`.

    Raises:
        ValueError: If the model is not a built Keras 3 model, or a spatial
            size that the cost depends on is unknown.

    Example:

    >>> import keras, keras_nas
    >>> model = keras.Sequential(
    ...     [keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3)]
    ... )
    >>> keras_nas.count_cost(model).macs
    3888
    """
    flow = flow_of(model)
    elements, total, peak = count_activations(flow)
    cost = _cost(flow, Whole(), elements)
    return dataclasses.replace(cost, activations=total, peak_activations=peak)


def decided_cost(model, architecture=None):
    """Counts what `slice_model(model, architecture)` would cost.

    It equals `count_cost` of the sliced model, without slicing, in all but
    the activations, which it does not have: which of the calls that cost
    nothing are there is only known once the model is sliced.

    Args:
        model: A model with masks.
        architecture: An `Architecture`; by default what the masks have
            decided so far.

    Returns:
        A `Cost`.

    Raises:
        ValueError: As `count_cost`, or if the architecture does not fit.
    """
    flow = flow_of(model)
    return _cost(flow, read_scales(flow, mask_scales(flow, architecture)))


def _cost(flow, reading, elements=None):
    rows = []
    for node, parts in node_costs(flow, reading):
        if any(parts[part] for part in COST_PARTS):
            operation, output = node.operation, node.output_tensors[0]
            rows.append(
                LayerCost(
                    operation.name,
                    type(operation).__name__,
                    tuple(output.shape),
                    **parts,
                    activations=elements and elements[node.index],
                )
            )
    uncounted = {
        node.operation.name: None
        for node, rule in zip(flow.graph.nodes, flow.rules, strict=True)
        if _is_unknown(rule) and getattr(node.operation, "weights", None)
    }
    return Cost(tuple(rows), tuple(uncounted))


def _is_unknown(rule):
    return type(getattr(rule, "rule", rule)) is Rule


def _add(cost, parts):
    return sum(getattr(cost, part) for part in parts)
