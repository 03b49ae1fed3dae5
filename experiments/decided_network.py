"""The network that an architecture's file stands for."""

import os

import keras

import keras_nas
from experiments import pipeline
from keras_nas import spaces
from keras_nas.graph import flow_of
from keras_nas.graph.decisions import named_deciders


def find_decided(preset):
    """Returns the network that the flags of a retraining name.

    Args:
        preset: A `RetrainPreset`.

    Returns:
        A `SpaceNetwork`, or a `SlicedNetwork` with `--model`.

    Raises:
        ValueError: If flags and files do not fit each other.
    """
    architecture = _load(preset.architecture)
    if preset.model:
        if preset.plus:
            raise invalid("plus", "no such flag with --model", True)
        return SlicedNetwork(architecture, preset)
    if architecture.name not in spaces.space_names():
        raise invalid(
            "model",
            f"the network that the architecture is of, {architecture.name!r}, "
            "since no search space has that name: residual, mobile, a "
            "keras.applications name, or the path of a .keras file",
            preset.model,
        )
    return SpaceNetwork(architecture, preset)


def _load(path):
    if not os.path.isfile(path):
        raise invalid(
            "architecture",
            "the path of an architecture's JSON file",
            f"{path!r}, where there is none",
        )
    try:
        return keras_nas.Architecture.load(path)
    except ValueError as error:
        raise _unfit(
            "architecture", "an architecture's file", path, error
        ) from error


class SpaceNetwork:
    """The network of an architecture of a search space.

    Args:
        architecture: An `Architecture` of the space, or of the channels that
            stay of its supernet.
        preset: A `RetrainPreset`.

    Attributes:
        architecture: The `Architecture` as it was given.
        decisions: Dictionary, what was decided upon; empty if that are lists
            of channels, which the slice report tells better.
        slice_report: None, or the `SliceReport` once the network was built.
        image_size: Integer, the height and width of its images.

    Raises:
        ValueError: If the architecture or a flag does not fit the space.
    """

    def __init__(self, architecture, preset):
        self.architecture = self._decided = architecture
        self.slice_report = None
        self._space = spaces.find_space(architecture.name)
        self._options = {"momentum": preset.bn_momentum}
        is_atomic = isinstance(self._space, spaces.AtomNASSpace)
        if preset.plus:
            if not is_atomic:
                expected = f"a space of AtomNAS, not '{architecture.name}'"
                raise invalid("plus", expected, True)
            self._options["plus"] = True
        try:
            if _has_lists(architecture) and (is_atomic or self._has_masks()):
                self._decided = self._space.from_channels(architecture)
            self._space.check(self._decided)
        except ValueError as error:
            expected = f"an architecture of space '{self._space.name}'"
            raise _unfit(
                "architecture", expected, preset.architecture, error
            ) from error
        if self._has_masks():
            self.image_size = self._space.resolution
        else:
            network = self._space.build(self._decided, classes=1)
            self.image_size = network.input_shape[1]

    @property
    def decisions(self):
        return {} if self._is_sliced() else self._decided.decisions

    def build(self, context):
        """Returns the network, with fresh weights."""
        classes = context.data.num_classes
        keras.utils.set_random_seed(context.seed)
        with context.strategy.scope():
            if not self._is_sliced():
                return self._space.build(
                    self._decided, classes, **self._options
                )
            # Numbers alone would lose which channels an addition joins.
            network, self.slice_report = keras_nas.slice_model(
                self._space.supernet(classes, **self._options),
                self._space.prune(self.architecture),
                return_report=True,
            )
        return pipeline.from_scratch(context, network)

    def _has_masks(self):
        return isinstance(self._space, spaces.ChannelSpace)

    def _is_sliced(self):
        return self._has_masks() and _has_lists(self.architecture)


class SlicedNetwork:
    """The network that masks on a model have decided upon.

    Args:
        architecture: An `Architecture` of a model's masks.
        preset: A `RetrainPreset` with a `model`.

    Attributes:
        architecture: The `Architecture`.
        decisions: Dictionary, what was decided upon; empty if that are lists
            of channels, which the slice report tells better.
        slice_report: The `SliceReport`, once the network was built.
        image_size: Integer, the height and width of its images.

    Raises:
        ValueError: If flags, the model and the architecture do not fit each
            other.
    """

    def __init__(self, architecture, preset):
        self.architecture, self.decisions = architecture, {}
        if not _has_lists(architecture):
            self.decisions = architecture.decisions
        self.slice_report = self._sliced = None
        self._name = preset.model
        if preset.model.endswith(".keras"):
            self._sliced = self._slice(_load_model(preset.model))
            self.image_size = self._sliced.input_shape[1]
        elif preset.image_size < 1:
            expected = f"the size of the images of {preset.model!r}, above 0"
            raise invalid("image_size", expected, preset.image_size)
        else:
            self.image_size = preset.image_size

    def build(self, context):
        """Returns the network, with fresh weights."""
        network = self._sliced
        if network is None:
            network = self._slice(self._find(context.data))
        return pipeline.from_scratch(context, network)

    def _find(self, data):
        try:
            return spaces.find_network(
                self._name, data.input_shape, data.num_classes
            )
        except ValueError as error:
            raise _unfit("model", "a network", self._name, error) from error

    def _slice(self, model):
        """Returns the network that is cut out of a model."""
        try:
            masked = _with_masks(model, self.architecture)
            sliced, self.slice_report = keras_nas.slice_model(
                masked, self.architecture, return_report=True
            )
        except ValueError as error:
            expected = (
                "the network that the search began with, "
                f"{self.architecture.name!r} by its name"
            )
            raise _unfit("model", expected, self._name, error) from error
        return sliced


def _has_lists(architecture):
    return any(
        isinstance(value, list) for value in architecture.decisions.values()
    )


def _load_model(path):
    if not os.path.isfile(path):
        expected = "the path of a .keras file"
        raise invalid("model", expected, f"{path!r}, where there is none")
    try:
        return keras.models.load_model(path, compile=False)
    except ValueError as error:
        raise _unfit("model", "a Keras model", path, error) from error


def _with_masks(model, architecture):
    """Returns a model with the masks that an architecture decides.

    Args:
        model: A Keras model. If it has masks, it is returned as it is.
        architecture: An `Architecture`.
    """
    if flow_of(model).masks:
        return model
    wanted, errors = set(architecture.decisions), []
    for mask in (keras_nas.FiGSMask, keras_nas.AtomicBlockScale):
        try:
            masked = keras_nas.insert_masks(model, mask)
        except ValueError as error:
            errors.append(str(error))
            continue
        names = set(named_deciders(flow_of(masked)))
        if names == wanted:
            return masked
        errors.append(
            f"{mask.__name__} at every place: without a decision "
            f"{_some(names - wanted)}, decisions without a mask "
            f"{_some(wanted - names)}."
        )
    raise ValueError(
        f"Model '{model.name}' does not fit the architecture. "
        f"{' '.join(errors)} For masks of another kind, or at other places, "
        "give the .keras file of the model with its masks."
    )


def _some(names, most=3):
    names = sorted(names)
    more = [f"and {len(names) - most} more"] if len(names) > most else []
    return ", ".join([*names[:most], *more]) or "none"


def check_fits(network, data):
    """Raises a `ValueError` unless a network fits the data.

    Args:
        network: A Keras model.
        data: `keras_nas.data.Datasets` of the network's image size.
    """
    expected = network.input_shape[1:], network.output_shape[1:]
    received = tuple(data.input_shape), (data.num_classes,)
    if expected != received:
        (height, width, channels), classes = expected[0], expected[1][-1]
        raise invalid(
            "dataset",
            f"images of {channels} channels in {classes} classes, as the "
            f"network has, resized to {height}x{width}",
            f"'{data.name}' with {received[0][-1]} channels and "
            f"{data.num_classes} classes, resized to "
            f"{received[0][0]}x{received[0][1]}. Choose another data set, or "
            "another --model",
        )


def invalid(flag, expected, received):
    """Returns the error of a flag that does not fit.

    Args:
        flag: String, its name.
        expected: String.
        received: What it is; a string is taken for its description.
    """
    return ValueError(
        f"Invalid value received for flag --{flag}. Expected {expected}. "
        f"Received: {received if received != '' else 'nothing'}"
    )


def _unfit(flag, expected, received, error):
    return invalid(flag, expected, f"{received!r}. {error}")
