"""The input resolution search of DMaskingNAS, Section 3.2."""

import contextlib
import inspect

import keras
import numpy as np
from keras import ops

from keras_nas.layers.gumbel_softmax_mask import GumbelSoftmaxMask
from keras_nas.layers.mask import Mask
from keras_nas.layers.resolution_wrapper import ResolutionWrapper
from keras_nas.layers.subsampling import pair
from keras_nas.layers.subsampling import put_back
from keras_nas.layers.subsampling import subsample


@keras.saving.register_keras_serializable(package="keras_nas")
class ResolutionSubsample(ResolutionWrapper, GumbelSoftmaxMask):
    """Learns at which input resolution a network works best for its cost.

    It wraps an operation F: a layer, a block or a whole network. F is run at
    each of the resolutions r_i with the same weights, on evenly spread pixels
    of the input x (`keras_nas.layers.subsample`); what it returns is put back
    to where the pixels came from, with zeros in between, and the results are
    summed with Gumbel-softmax weights (DMaskingNAS, Fig. 2 and 4),

        y = sum_i g_i put_back(F(subsample(x, r_i))).

    The backward pass runs F anew for one resolution after the other, so that
    memory does not grow with their number. Statistics of BatchNormalization
    are of the pixels of one resolution, if F contains it.

    Use one for the whole network, or one for each of its blocks, all with the
    first as `decided_by` and with the sizes that the maps have at that place,
    which `output_resolutions` of the block before tells. Between them only
    operations on single pixels are allowed, such as activations, additions
    and masks. The effective height and width (Eq. 6) of every layer enter
    `keras_nas.ExpectedFLOPs`, and `keras_nas.slice_model` returns a network
    whose input has the chosen size.

    Args:
        resolutions: List of increasing integers, heights and widths, or of
            pairs (height, width); the last is the size of the input. They
            need not divide it.
        layer: F, a layer or model with one input and one output, images or
            vectors, that takes images of any size.
        temperature: Positive float, tau at the start. It is held in a
            variable, `temperature`, for a callback to anneal.
        decided_by: Another `ResolutionSubsample`, called before this one,
            whose choice this one takes over; it has as many resolutions.
        data_format: `"channels_last"` or `"channels_first"`. Defaults to
            `keras.config.image_data_format()`.
        seed: Integer seed of the draws.
        **kwargs: Base layer keyword arguments, such as `name`.

    Call arguments:
        inputs: Float tensor `(batch, height, width, channels)`, or
            `(batch, channels, height, width)`.
        training: Boolean; draws are made in training only.

    Raises:
        ValueError: If the resolutions are not increasing sizes, the last is
            not that of the input, `layer` is not such a layer, or the data
            format is none.

    Reference:
        FBNetV2: Differentiable Neural Architecture Search for Spatial and
        Channel Dimensions, Sections 3.2 and 3.3.

    Example:

    >>> import keras, keras_nas
    >>> network = keras.Sequential([
    ...     keras.layers.Conv2D(8, 3, 2, padding="same"),
    ...     keras.layers.GlobalAveragePooling2D(),
    ...     keras.layers.Dense(4),
    ... ])
    >>> search = keras_nas.ResolutionSubsample([20, 24, 32], network)
    >>> model = keras.Sequential([keras.Input((32, 32, 3)), search])
    >>> keras_nas.slice_model(model).input_shape
    (None, 20, 20, 3)
    """

    def __init__(
        self,
        resolutions,
        layer,
        temperature=5.0,
        decided_by=None,
        data_format=None,
        seed=None,
        **kwargs,
    ):
        super().__init__(
            resolutions=resolutions,
            layer=layer,
            may_repeat=decided_by is not None,
            data_format=data_format,
            temperature=temperature,
            decided_by=decided_by,
            seed=seed,
            **kwargs,
        )

    def build(self, input_shape):
        sizes = tuple(input_shape[a] for a in self.spatial_axes)
        if len(input_shape) != 4 or sizes != pair(self.resolutions[-1]):
            raise ValueError(
                f"The last of the resolutions of '{self.name}' must be the "
                "size of its input, a batch of images. Received: "
                f"resolutions={self.resolutions} and an input of the shape "
                f"{tuple(input_shape)}"
            )
        self.build_layer(input_shape)
        self.add_options(self.resolutions, np.eye(len(self.resolutions)))
        self.built = True

    def call(self, inputs, training=False):
        weights = self.weights_in_call(training)
        draws = []
        if training:
            masks = self._masks()
            for mask in masks:
                mask.begin_step()
            draws = [(mask, mask.uniform()) for mask in masks]
        trainable = [v.value for v in self.layer.trainable_variables]
        outputs = ops.zeros((), inputs.dtype)
        for index in range(len(self.resolutions)):
            run, changed = self._pure_function(index, training, draws)
            run = keras.remat(run) if training else run
            inputs, outputs, *changes = run(
                inputs, outputs, weights[index], *trainable
            )
            for variable, change in zip(changed, changes, strict=True):
                variable.assign_add(ops.cast(change, variable.dtype))
        return outputs

    def _pure_function(self, index, training, draws):
        """Returns a function of tensors that can be run again.

        It returns its input, so that the backward passes wait for each other,
        the sum of the outputs so far, and the changes, in floats, of those of
        F's other variables that change, such as moving averages. It writes
        which these are into the list that is returned beside it.
        """
        layer, size, changed = self.layer, self.resolutions[index], []
        variables = layer.non_trainable_variables
        # Copies, since they have moved on when the backward pass runs F.
        before = [v.value * 1 for v in variables]
        kwargs = {}
        if "training" in inspect.signature(layer.call).parameters:
            kwargs["training"] = training

        def run(inputs, total, weight, *trainable):
            small = subsample(inputs, size, self.data_format)
            with _held(draws):
                output, after = layer.stateless_call(
                    list(trainable), before, small, **kwargs
                )
            if len(output.shape) == 4:
                full = [self._output_shapes[-1][a] for a in self.spatial_axes]
                output = put_back(output, full, self.data_format)
            moved = [
                (variable, new - old)
                for variable, new, old in zip(
                    variables, after, before, strict=True
                )
                if new is not old
            ]
            changed[:] = [variable for variable, _ in moved]
            changes = [ops.cast(change, "float32") for _, change in moved]
            total = total + ops.cast(weight, output.dtype) * output
            return inputs, total, *changes

        return run, changed

    def _masks(self):
        layers = self.layer._flatten_layers()
        return [layer for layer in layers if isinstance(layer, Mask)]


def _held(draws):
    """Keeps the draws of masks, each time that F is run."""
    stack = contextlib.ExitStack()
    for mask, draw in draws:
        stack.enter_context(mask.held(draw))
    return stack
