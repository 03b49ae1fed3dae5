"""Any model with masks as a space."""

import keras
import numpy as np

from keras_nas.spaces.channel_space import ChannelSpace


class MaskedModelSpace(ChannelSpace):
    """The networks that the masks of a model can leave.

    Use it for random or evolutionary search in a network of your own, or for
    the costs of many of its networks, beside `keras_nas.search.FiGS` on the
    same masks. There is one decision for each mask, as in `ChannelSpace`, and
    no operators: `sample` draws a width multiplier for each mask.

    Args:
        model: A built Keras model with masks that decide on each channel,
            such as `keras_nas.insert_masks` returns it; it is kept.
        name: String, the name of the space; by default the model's.

    Raises:
        ValueError: If the model is not such a model.

    Reference:
        FiGS: Fine-Grained Stochastic Architecture Search, Section 4.3.

    Example:

    >>> import keras_nas
    >>> from keras_nas import spaces
    >>> model = spaces.residual_network((8, 8, 3), 10, widths=(4, 8))
    >>> space = spaces.MaskedModelSpace(keras_nas.insert_masks(model))
    >>> space.decisions["stem_conv_mask"]
    (0, 1, 2, 3, 4)
    >>> space.build(space.sample(seed=0), classes=10).output_shape
    (None, 10)
    """

    def __init__(self, model, name=None):
        # Graphs import this folder.
        from keras_nas.graph import flow_of
        from keras_nas.graph.decisions import check_has_masks
        from keras_nas.graph.decisions import deciders
        from keras_nas.graph.decisions import named_deciders

        flow = flow_of(model)
        check_has_masks(flow)
        others = [
            mask.name
            for mask in flow.masks
            if not mask.decides_each_channel or mask not in deciders(flow)
        ]
        if others or len(flow.outputs) != 1:
            raise ValueError(
                "Invalid value received for argument `model`. Expected one "
                "output, and masks that decide on each channel, such as "
                f"`keras_nas.FiGSMask`. Received: {len(flow.outputs)} outputs, "
                f"and other masks: {others}"
            )
        masks = {
            name: int(mask.probabilities().shape[0])
            for name, mask in named_deciders(flow).items()
        }
        self._model, self._flow = model, flow
        self._classes = model.output_shape[-1]
        super().__init__(name or model.name, masks)

    def supernet(self, classes=None):
        """Returns a copy of the model, masks included, with fresh weights.

        Args:
            classes: Integer, those of the model, or `None`.

        Raises:
            ValueError: If the model has another number of classes.
        """
        if classes not in (None, self._classes):
            raise ValueError(
                "Invalid value received for argument `classes`. Expected "
                f"those of model '{self._model.name}', {self._classes}. "
                f"Received: classes={classes!r}"
            )
        return keras.models.clone_model(self._model)

    def build(self, architecture, classes=None):
        """Returns the network of an architecture, a plain Keras model.

        Its weights are fresh, and none are inherited.

        Args:
            architecture: An `Architecture` of this space.
            classes: As in `supernet`.

        Returns:
            A Functional model of what the model takes.

        Raises:
            ValueError: If the architecture is not of this space, or the model
                has another number of classes.
        """
        return super().build(architecture, classes)

    def costs(self, architectures, classes=None):
        """Returns the multiply-adds and parameters of many networks.

        Args:
            architectures: As in `ChannelSpace.costs`.
            classes: As in `supernet`.
        """
        return super().costs(architectures, classes)

    def _find_gap(self, decisions):
        """Returns `None`, or the last closed mask that something reaches.

        A closed mask elsewhere may be what stops the network, but then this
        one does, too.
        """
        from keras_nas.graph.decisions import read_scales

        flow = self._flow
        scales = [
            (np.arange(self.masks[mask.name]) < decisions[mask.name]).astype(
                "float32"
            )
            for mask in flow.masks
        ]
        reached = _reached(flow, read_scales(flow, scales))
        if id(flow.outputs[0]) in reached:
            return None
        closed = [
            node
            for node in flow.graph.nodes
            if decisions.get(node.operation.name) == 0
        ]
        fed = [n for n in closed if id(n.input_tensors[0]) in reached]
        last = [node.operation.name for node in fed or closed][-1:]
        return (last or [flow.graph.name])[0], last


def _reached(flow, reading):
    """Returns the ids of tensors that depend on the model's input.

    What a reading calls alive varies, but perhaps along the border of a map
    only, where a convolution pads what is left of a closed mask.
    """
    reached = {id(t) for t in keras.tree.flatten(flow.graph.inputs)}
    for node in flow.graph.nodes:
        if any(id(tensor) in reached for tensor in node.input_tensors):
            reached.update(
                id(tensor)
                for tensor in node.output_tensors
                if np.any(reading.alive(flow.state(tensor)))
            )
    return reached
