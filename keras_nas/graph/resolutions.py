"""The sizes of all maps of a model, for each resolution that it may have."""

import keras

from keras_nas.layers.subsampling import pair


class Resolutions:
    """What the `ResolutionSubsample` layers of a model choose from.

    Args:
        flow: A `ChannelFlow` of a graph with wraps.

    Attributes:
        mask: The `ResolutionSubsample` that decides.
        shapes: List with one dictionary per resolution, from tensor id to the
            shape that the tensor has then.

    Raises:
        ValueError: If there is more than one choice, or the network cannot be
            run at all resolutions by giving it a smaller input.
    """

    def __init__(self, flow):
        self.graph = flow.graph
        leaders = {id(w.layer.leaders()[0]): w.layer for w in self.graph.wraps}
        if len(leaders) > 1:
            names = [layer.name for layer in leaders.values()]
            raise ValueError(
                f"The layers {names} of model '{self.graph.name}' choose a "
                "resolution each. Expected one choice for the whole network. "
                "Pass the first one to the others as `decided_by`."
            )
        self.mask = self.graph.wraps[0].layer.leaders()[0]
        self._entries = self._find_entries(flow)
        self._check_between(flow)
        self.shapes = [
            self._run(flow, option) for option in range(len(self.mask.options))
        ]

    def sizes(self, tensor, axis):
        """Returns the size of an axis of a tensor for each resolution."""
        return [shapes[id(tensor)][axis] for shapes in self.shapes]

    def _find_entries(self, flow):
        """Returns the wrap that says how large an input is, by input id."""
        entries = {}
        inputs = {id(t) for t in keras.tree.flatten(self.graph.inputs)}
        for wrap in self.graph.wraps:
            tensor = wrap.entry
            while id(tensor) not in inputs:
                node = flow.producers[id(tensor)]
                if node.wrapper or len(node.input_tensors) != 1:
                    break
                tensor = node.input_tensors[0]
            if id(tensor) in inputs:
                entries.setdefault(id(tensor), wrap)
        if not entries:
            raise ValueError(
                f"'{self.mask.name}' chooses the resolution of model "
                f"'{self.graph.name}', but does not read the model's input. "
                "Expected the first `ResolutionSubsample` right behind the "
                "input, or behind operations on single pixels."
            )
        return entries

    def _check_between(self, flow):
        """Checks that what is not wrapped works on single pixels."""
        spread = {id(w.exit) for w in self.graph.wraps if len(w.exit.shape) > 2}
        spread.update(self._entries)
        for node, rule in zip(flow.graph.nodes, flow.rules, strict=True):
            reads = any(id(t) in spread for t in node.input_tensors)
            if node.wrapper is not None or not reads:
                continue
            if not rule.is_pointwise(node):
                raise ValueError(
                    f"Layer '{node.name}' of model '{self.graph.name}' reads "
                    "a map with zeros between the pixels of smaller "
                    "resolutions, or the input with all of its pixels. "
                    "Expected an operation on single pixels, or one inside of "
                    "a `ResolutionSubsample`. Wrap it, with `decided_by` "
                    f"'{self.mask.name}'."
                )
            spread.update(id(t) for t in node.output_tensors)

    def _run(self, flow, option):
        """Returns the shapes of all tensors at one resolution."""
        tensors = {}
        for tensor in keras.tree.flatten(self.graph.inputs):
            shape = tuple(tensor.shape)
            if id(tensor) in self._entries:
                shape = _resized(shape, self._entries[id(tensor)], option)
            tensors[id(tensor)] = keras.KerasTensor(shape, tensor.dtype)
        for node in self.graph.nodes:
            args, kwargs = keras.tree.map_structure(
                lambda v: tensors.get(id(v), v), (node.args, node.kwargs)
            )
            try:
                spec = node.operation.compute_output_spec(*args, **kwargs)
            except Exception as error:  # Whatever a layer's shapes may raise.
                raise self._error(node, option, error) from error
            for tensor, new in zip(
                node.output_tensors, keras.tree.flatten(spec), strict=True
            ):
                axis = flow.state(tensor).axis
                if tensor.shape[axis] != new.shape[axis]:
                    raise self._error(node, option, "it has other channels")
                tensors[id(tensor)] = new
        for wrap in self.graph.wraps:
            shape = tuple(tensors[id(wrap.entry)].shape)
            if shape != _resized(shape, wrap, option):
                raise ValueError(
                    f"With an input of {self.mask.options[option]} pixels, "
                    f"'{wrap.layer.name}' would read a map of the shape "
                    f"{shape}. Received: resolutions="
                    f"{wrap.layer.resolutions}. Pass the "
                    "`output_resolutions` of the one before."
                )
        return {key: tuple(t.shape) for key, t in tensors.items()}

    def _error(self, node, option, reason):
        return ValueError(
            f"Layer '{node.name}' of model '{self.graph.name}' does not fit "
            f"an input of {self.mask.options[option]} pixels: {reason}. "
            "Expected layers that take maps of any size, such as global "
            "pooling instead of Flatten."
        )


def _resized(shape, wrap, option):
    shape, layer = list(shape), wrap.layer
    for axis, size in zip(
        layer.spatial_axes, pair(layer.resolutions[option]), strict=True
    ):
        shape[axis] = size
    return tuple(shape)
