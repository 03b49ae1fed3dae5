"""Compiled steps of FP-NAS' supernet, whose decisions are tensors."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_nas import ExpectedFLOPs
from keras_nas import ExpectedParams
from keras_nas import count_cost
from keras_nas import slice_model
from keras_nas.layers import running_child
from tests.elastic import as_child
from tests.elastic import assert_close
from tests.elastic import assert_is_child
from tests.elastic import built_child
from tests.elastic import choices_of
from tests.elastic import choose
from tests.elastic import gradient_step
from tests.elastic import images
from tests.elastic import indices_of
from tests.fp_nas import CLASSES
from tests.fp_nas import TOLERANCE
from tests.fp_nas import changed
from tests.fp_nas import of_child
from tests.fp_nas import small_space
from tests.fp_nas import supernet_of


@pytest.mark.parametrize(
    "options",
    [
        {"execution": "sliced"},
        {"execution": "masked", "recompute": True},
    ],
)
def test_dynamic_indices(options):
    """One compiled step for all children, with nested switches."""
    space = small_space()
    model = supernet_of(space, **options)

    @tf.function
    def step(indices):
        return gradient_step(model, tf.constant(images()), True, indices)

    biggest = space.biggest()
    for architecture in (
        biggest,
        changed(biggest, row1_kernel=0, row1_channels=8),
        changed(biggest, row1_kernel=0),
        changed(biggest, row1_kernel=3, row1_splits=0, row1_act="relu"),
        changed(biggest, row1_channels=8, row1_expansion="1"),
    ):
        child, pairs = built_child(space, model, architecture)
        indices = indices_of(model, architecture)
        indices = {n: tf.constant(i) for n, i in indices.items()}
        assert_is_child(
            step(indices),
            model,
            child,
            of_child(child, True),
            pairs,
            TOLERANCE[True],
        )
    assert step.experimental_get_tracing_count() == 1


def test_masked_execution_has_static_shapes():
    model = small_space().supernet(CLASSES, execution="masked")

    @tf.function
    def run(indices):
        with as_child(model, indices):
            return model(tf.constant(images()), training=True)

    concrete = run.get_concrete_function(
        {n: tf.TensorSpec((), "int32") for n in choices_of(model)}
    )
    graphs = [concrete.graph, *_functions_of(concrete.graph)]
    found = [
        operation.outputs[0].shape
        for graph in graphs
        for operation in graph.get_operations()
        if operation.type in ("Conv2D", "DepthwiseConv2dNative", "MatMul")
    ]
    assert len(found) >= 2 + 2 * (3 + 6) and all(
        s.is_fully_defined() for s in found
    )


def _functions_of(graph):
    return [f.graph for f in graph._functions.values() if hasattr(f, "graph")]


def test_costs_of_running_children():
    """A regularizer says what the child that runs costs, as the space does."""
    space = small_space()
    model = space.supernet(CLASSES)
    indices = space.sample_indices(40, seed=0)
    macs, params = space.costs(indices, CLASSES)
    chosen = choices_of(model)
    flops, parameters = ExpectedFLOPs(1.0), ExpectedParams(1.0)
    columns = [chosen[name] for name in space.decisions]

    @tf.function
    def cost(row):
        child = list(zip(columns, tf.unstack(row), strict=True))
        with running_child(child):
            return flops(model), parameters(model)

    for row, expected in zip(
        indices, zip(macs, params, strict=True), strict=True
    ):
        assert tuple(map(int, cost(tf.constant(row)))) == expected


@pytest.mark.parametrize("execution", ["sliced", "masked"])
def test_a_file_has_it_all(tmp_path, execution):
    space = small_space()
    model = supernet_of(space, execution=execution)
    model.save(tmp_path / "supernet.keras")
    loaded = keras.models.load_model(tmp_path / "supernet.keras")
    assert set(choices_of(loaded)) == set(space.decisions)
    assert len(loaded.weights) == len(model.weights)
    for architecture in (space.smallest(), space.sample(seed=5)):
        choose(model, architecture)
        choose(loaded, architecture)
        assert_close(loaded(images()), model(images()))
        cost = count_cost(slice_model(model))
        assert count_cost(slice_model(loaded)) == cost


def test_stock_fit_trains_random_children():
    model = supernet_of(small_space(), execution="masked")
    model.compile(
        "sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    history = model.fit(
        images(batch=8), np.zeros(8), batch_size=4, epochs=2, verbose=0
    )
    assert np.isfinite(history.history["loss"]).all()
    for choice in choices_of(model).values():
        # Once for each step, wherever in the network it is asked.
        assert int(choice.seed_generator.state.numpy()[1]) == 4
