"""The check that training steps compile for TPUs."""

import math

import keras
import pytest
import tensorflow as tf

from experiments.bignas_presets import BIGNAS
from experiments.figs_presets import FIGS
from tools import option_benchmarks
from tools import tpu_compile_check
from tools import tpu_compiler
from tools import tpu_steps
from tools.tpu_compile_check import Row

LIMIT = 1000
NEEDS_LIBTPU = pytest.mark.skipif(
    not option_benchmarks.is_installed("libtpu"),
    reason="The compiler for TPUs, libtpu, is not installed.",
)


def small_step():
    """Returns a step that trains with a mask, random numbers and metrics."""
    model = keras.Sequential(
        [
            keras.Input((6, 6, 3)),
            keras.layers.Conv2D(4, 3),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.5),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(2),
        ]
    )
    model.compile(
        keras.optimizers.SGD(0.1, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    data = tpu_steps.blank_images((6, 6, 3), 4)
    model._symbolic_build(data_batch=data.element_spec)
    return tpu_steps.Step(
        "small", model.train_step, 4, {}, lambda data: data, (6, 6, 3)
    )


def test_a_step_has_known_shapes_and_updates_its_variables():
    text = small_step().module(batch_size=8)
    assert "tensor<8x6x6x3xf32>" in text
    assert tpu_compiler.find_faults(text) == []
    assert tpu_compiler.count_operations(text) > 100
    assert "may_alias" in text  # The variables, which it hands back.
    assert "mhlo.copy" not in tpu_compiler.without_copies(text)


def test_a_search_is_that_of_the_experiment():
    (step,) = tpu_steps.make_steps("figs", "smoke")
    text = step.module(batch_size=2)
    assert tpu_compiler.find_faults(text) == []
    assert (step.name, step.batch_size, step.settings) == ("figs", 250, {})


def test_searches_that_slice_are_masked():
    masked = {"execution": "masked"}
    assert tpu_steps.static_settings(BIGNAS["small"]) == masked
    assert tpu_steps.static_settings(FIGS["small"]) == {}


def test_sizes_that_are_values_are_found():
    def positive(x):
        return tf.boolean_mask(x, x > 0)

    text = tpu_steps.stablehlo(positive, tf.TensorSpec((4,)))
    faults = tpu_compiler.find_faults(text)
    assert any(fault.startswith("dynamic shape: tensor<?x") for fault in faults)


@pytest.mark.parametrize(
    "line, fault",
    [
        (
            "%1 = stablehlo.dynamic_reshape %0, %s : (tensor<4xf32>)",
            "dynamic operation: stablehlo.dynamic_reshape",
        ),
        (
            '%1:2 = "stablehlo.infeed"(%0) : (!stablehlo.token)',
            "transfer to the host: stablehlo.infeed",
        ),
        (
            "%1 = stablehlo.custom_call @xla_python_callback(%0) {a = 1}",
            "call of the host: xla_python_callback",
        ),
        (
            '%1 = "stablehlo.custom_call"(%0) <{call_target_name = "f"}>',
            "call of the host: f",
        ),
        (
            "%1 = stablehlo.dynamic_slice %0, %i, sizes = [2] : tensor<4xf32>",
            None,
        ),
    ],
)
def test_operations_that_no_step_may_have(line, fault):
    found = tpu_compiler.find_faults(f"module {{\n    {line}\n}}")
    assert found == ([] if fault is None else [fault])


def test_without_a_compiler(monkeypatch):
    monkeypatch.setattr(tpu_compiler, "is_installed", lambda p: p != "libtpu")
    with pytest.raises(ImportError, match=r"Not installed: libtpu.*\[tpu\]"):
        tpu_compiler.Compiler()
    tpu_compile_check.FLAGS(["tpu_compile_check"])
    with pytest.raises(SystemExit, match="Error: .*libtpu"):
        tpu_compile_check.main(["tpu_compile_check"])


def test_table():
    good = Row(
        step="figs",
        batch_size=16,
        operations=1234,
        arguments=10**6,
        temporaries=2 * 10**6,
        hbm=900,
        largest=4096,
    )
    rows = [
        good,
        Row(step="huge", batch_size=16, operations=1, hbm=1001),
        Row(step="broken", batch_size=16, error="No kernel."),
        Row(step="host", batch_size=16, hbm=1, faults=["call of the host: f"]),
    ]
    assert [row.passes(LIMIT) for row in rows] == [True, False, False, False]
    lines = tpu_compile_check.table(rows, LIMIT).splitlines()[2:]
    cells = [[cell.strip() for cell in line.split("|")] for line in lines]
    figures = ["16", "1,234", "yes", "1.0 MB", "2.0 MB", "0.0 MB", "4,096"]
    assert cells[0][1:-1] == ["figs", *figures]
    assert [line[4] for line in cells[1:]] == [
        "no: it does not fit",
        "no: No kernel.",
        "no: call of the host: f",
    ]


@pytest.mark.parametrize("guess", [0.2, 1.0, 5.0])
@pytest.mark.parametrize(
    "images, expected", [(0, 0), (5, 4), (16, 16), (63, 32), (10**4, 8192)]
)
def test_largest_batch(guess, images, expected):
    """Whatever the first guess is, and with few compilations."""
    compiled = []

    def hbm_of(size):
        compiled.append(size)
        return LIMIT * size / (images + 0.5)

    temporaries = guess * hbm_of(16)
    row = Row(step="", batch_size=16, hbm=hbm_of(16), temporaries=temporaries)
    compiled.clear()
    assert tpu_compile_check.largest_batch(hbm_of, row, LIMIT) == expected
    assert len(compiled) <= (1 if guess == 1.0 and images else 6)


def test_a_batch_that_does_not_compile_does_not_fit():
    def hbm_of(size):
        return 500 if size <= 4 else math.inf

    row = Row(step="", batch_size=1, hbm=100, temporaries=50)
    assert tpu_compile_check.largest_batch(hbm_of, row, LIMIT) == 4


def test_a_step_that_tensorflow_cannot_compile():
    def resize(data):
        return tf.image.resize(data[0], (4, 4), "bicubic")

    step = small_step()
    step.run = resize
    row = tpu_compile_check.check(None, step, 2)
    assert "ResizeBicubic" in row.error
    assert not row.passes(LIMIT)


@NEEDS_LIBTPU
def test_the_compiler_plans_a_step():
    compiler = tpu_compiler.Compiler()
    assert compiler.cores == 4
    step = small_step()
    row = tpu_compile_check.check(compiler, step, 4)
    assert row.passes(2**30)
    assert 0 < row.temporaries < row.hbm
    text = tpu_steps.stablehlo(
        lambda x: tf.linalg.matmul(x, x) @ x, tf.TensorSpec((2**17, 2**17))
    )
    with pytest.raises(tpu_compiler.CompileError) as error:
        compiler.plan(text)
    assert error.value.is_too_large
