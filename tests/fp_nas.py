"""What the tests of FP-NAS share: models whose likelihoods are tables."""

import itertools

import keras
import numpy as np
from keras import layers

import keras_nas
from keras_nas.layers import ElasticChannels
from keras_nas.layers import ElasticChoice

# What architectures are worth, (a, b). The best is (2, 0), though 1 is the best
# of each decision on the average over the other one.
WORTH = np.array([[0.0, 0.6, 0.4], [0.1, 0.6, 0.4], [1.0, 0.0, 0.0]])
WIDTHS = np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]])
EXTRA = np.array([0.0, 0.2])  # Of the third decision, c.
ALL = np.array(list(itertools.product(range(3), range(3), range(2))), "int32")
GROUPS = {"row": ("a", "b")}


def negative_mean(y_true, y_pred):
    """A loss: the model returns logarithms of likelihoods."""
    return -keras.ops.mean(y_pred, axis=-1)


def _table(inputs, values, widths, choices, name):
    """Returns the value that the choices stand for, whatever the inputs.

    Ones, of which a mask keeps some, times the differences between values.
    """
    number = values.size
    x = layers.Dense(
        number, kernel_initializer="zeros", bias_initializer="ones", name=name
    )(inputs)
    x = ElasticChannels(
        np.asarray(widths).tolist(),
        choices,
        execution="masked",
        name=f"{name}_mask",
    )(x)
    by_width = values.ravel()[np.argsort(np.ravel(widths))]
    steps = np.diff(by_width, prepend=0.0)[:, None]
    return layers.Dense(
        1,
        use_bias=False,
        kernel_initializer=keras.initializers.Constant(steps),
        name=f"{name}_value",
    )(x)


def table_model(worth=WORTH, widths=WIDTHS, extra=EXTRA):
    """Returns a model whose output is worth[a, b] + extra[c]."""
    a, b, c = (
        ElasticChoice(list(range(1, number + 1)), seed=0, name=name)
        for name, number in zip("abc", (*worth.shape, len(extra)), strict=True)
    )
    inputs = keras.Input((2,))
    row = _table(inputs, np.asarray(worth), widths, [a, b], "row")
    own = _table(
        inputs, np.asarray(extra), np.arange(len(extra)) + 1, [c], "own"
    )
    outputs = layers.Add()([row, own])
    return keras.Model(inputs, outputs, name="table")


def macs(indices, widths=WIDTHS):
    """Returns the cost of an architecture of `table_model`, by hand."""
    a, b, c = indices
    return 3 * int(widths[a, b]) + 3 * int(c + 1)


FULL = macs((2, 2, 1))


def table_search(model=None, optimizer=None, logits_optimizer=None, **kwargs):
    """Returns a compiled search of a `table_model`, whose weights stay."""
    kwargs = {
        "regularizer": keras_nas.ExpectedFLOPs(target=1.0),
        "groups": GROUPS,
        "seed": 0,
        **kwargs,
    }
    search = keras_nas.search.FPNAS(model or table_model(), **kwargs)
    search.compile(
        optimizer or keras.optimizers.SGD(0.0),
        negative_mean,
        logits_optimizer=logits_optimizer,
    )
    return search


def table_data(images):
    """Returns arrays, as many images for the weights as for the logits."""
    return np.ones((2 * images, 2), "float32"), np.zeros((2 * images, 1))


def elastic_model(
    execution="masked", dropout=0.0, regularizer=None, with_norm=True, **kwargs
):
    """Returns a small model with three decisions that can learn."""
    keras.utils.set_random_seed(0)
    widths = [2, 4, 8]
    a, b = (ElasticChoice(widths, seed=0, name=name) for name in "ab")
    c = ElasticChoice([3, 6], seed=0, name="c")
    inputs = keras.Input((6,))
    x = inputs
    for index, (choice, sizes) in enumerate(
        ((a, widths), (b, widths), (c, [3, 6]))
    ):
        x = keras_nas.layers.ElasticDense(
            sizes[-1], kernel_regularizer=regularizer, name=f"dense{index}"
        )(x)
        if with_norm:
            norm = keras_nas.layers.ElasticBatchNormalization
            x = norm(name=f"norm{index}", **kwargs)(x)
        x = ElasticChannels(
            sizes, choice, execution=execution, name=f"mask{index}"
        )(x)
        x = layers.ReLU(name=f"relu{index}")(x)
        if dropout:
            x = layers.Dropout(dropout, seed=1, name=f"dropout{index}")(x)
    outputs = keras_nas.layers.ElasticDense(3, name="top")(x)
    return keras.Model(inputs, outputs, name="elastic")


def elastic_search(model=None, optimizer=None, **kwargs):
    """Returns a compiled search of an `elastic_model`."""
    kwargs = {
        "regularizer": keras_nas.ExpectedFLOPs(target=0.6),
        "groups": GROUPS,
        "samples_per_nat": 1.0,
        "seed": 0,
        **kwargs,
    }
    search = keras_nas.search.FPNAS(model or elastic_model(), **kwargs)
    search.compile(
        optimizer or keras.optimizers.SGD(0.1, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        logits_optimizer=keras.optimizers.Adam(0.1),
    )
    return search


def elastic_data(images=32, seed=0):
    """Returns random vectors whose classes can be learned."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(images, 6)).astype("float32")
    return x, np.argmax(x[:, :3], axis=1)


def in_order(search, rows):
    """Returns rows of the decisions a, b, c in the order of the search's."""
    places = ["abc".index(choice.name) for choice in search.choices]
    return np.asarray(rows)[..., places]


def by_name(search, rows):
    """Returns rows of a search's decisions in the order a, b, c."""
    names = [choice.name for choice in search.choices]
    return np.asarray(rows)[..., [names.index(name) for name in "abc"]]


def decided(search):
    """Returns the indices of what runs at inference, in the order a, b, c."""
    options = {c.name: c.options for c in search.choices}
    decisions = search.architecture().decisions
    return [options[name].index(decisions[name]) for name in "abc"]
