"""Masks, a cost, `fit`, the slicer and files, on the backend that is set.

Run by `backends_test.py` as `python -m tests.backends.check_backend` with
KERAS_BACKEND set; a process has one backend. Needs neither pytest nor, under
JAX and PyTorch, TensorFlow. Prints one line of JSON.
"""

import json
import pathlib
import sys
import tempfile

import keras
import numpy as np

import keras_nas
from tests.backends.resuming import check_resuming

_IMPORTED_TENSORFLOW = "tensorflow" in sys.modules


def _check(condition, message):
    if not condition:
        raise AssertionError(f"{keras.backend.backend()}: {message}")


def _close(model, other, message):
    """Returns the largest difference of two models' predictions."""
    x, _ = _data()
    a, b = (m.predict(x, verbose=0) for m in (model, other))
    difference = float(np.abs(a - b).max())
    _check(difference < 1e-5, f"{message}: they differ by {difference}")
    return difference


def _numpy(tensor):
    return keras.ops.convert_to_numpy(tensor)


def _step(mask):
    return int(_numpy(mask.seed_generator.state.value)[1])


def _build():
    """A network in which one mask is applied at two places."""
    mask = keras_nas.FiGSMask(temperature=0.5, seed=1, name="mask")
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Conv2D(16, 3, padding="same", use_bias=False),
            keras.layers.BatchNormalization(momentum=0.5),
            mask,
            keras.layers.DepthwiseConv2D(3, use_bias=False),
            keras.layers.BatchNormalization(momentum=0.5),
            keras_nas.FiGSMask(temperature=0.5, seed=1, name="mask_2"),
            keras.layers.ReLU(),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(4),
        ]
    )


def _data():
    generator = np.random.default_rng(0)
    x = generator.normal(size=(24, 8, 8, 3)).astype("float32")
    return x, generator.normal(size=(24, 4)).astype("float32")


def check_training(model):
    """Trains the masks with stock `fit`; returns the losses."""
    masks = [model.get_layer(name) for name in ("mask", "mask_2")]
    generator = np.random.default_rng(1)
    before = []
    for mask in masks:
        mask.logits.assign(generator.normal(size=16))
        before.append(_numpy(mask.logits))
    cost = keras_nas.ExpectedFLOPs(strength=1e-5)
    expected = float(_numpy(cost(model)))
    _check(expected > 0, "the expected cost is not positive")
    cost.attach(model)
    _check(len(model.losses) == 1, "the cost is not in `model.losses`")
    model.compile(keras.optimizers.SGD(0.1), "mse")
    x, y = _data()
    history = model.fit(x, y, batch_size=8, epochs=2, verbose=0)
    losses = history.history["loss"]
    _check(np.isfinite(losses).all(), f"losses are not finite: {losses}")
    for mask, logits in zip(masks, before, strict=True):
        moved = np.abs(_numpy(mask.logits) - logits)
        _check(np.isfinite(moved).all(), "logits are not finite")
        _check(moved.min() > 0, f"logits of {mask.name} did not move")
        _check(_step(mask) == 6, f"{mask.name} counted {_step(mask)} steps")
    _check(float(_numpy(cost(model))) < expected, "the cost did not fall")
    return losses


def check_draws():
    """One draw per step for the batch and all places; others in the next."""
    mask = keras_nas.FiGSMask(initial_logit=0.0, temperature=1.0, seed=1)
    inputs = keras.Input((32,))
    hidden = mask(inputs)
    model = keras.Model(inputs, [hidden, mask(inputs + 0.0 * hidden)])
    ones = np.ones((3, 32), "float32")
    first = [_numpy(y) for y in model(ones, training=True)]
    second = [_numpy(y) for y in model(ones, training=True)]
    _check((first[0] == first[1]).all(), "two places, two draws")
    _check((first[0] == first[0][:1]).all(), "two examples, two draws")
    _check((first[0] != second[0]).all(), "two steps, one draw")
    _check(_step(mask) == 2, "the steps were not counted")


def check_slicing(model):
    """Slices; returns the sliced model and its difference to the masked."""
    sliced, report = keras_nas.slice_model(model, return_report=True)
    _check(report is not None, "no report")
    for layer in sliced.layers:
        stock = type(layer).__module__.startswith("keras.")
        _check(stock, f"{layer.name} is not a stock layer")
    full, cut = keras_nas.count_cost(model), keras_nas.count_cost(sliced)
    _check(cut.macs < full.macs, "nothing was cut")
    decided = keras_nas.decided_cost(model)
    _check(decided.macs == cut.macs, "the decided cost is another one")
    return sliced, _close(model, sliced, "masked and sliced model")


def check_files(model, sliced, folder):
    """Saves and loads both models, and trains on from the file."""
    x, y = _data()
    for name, saved in (("model", model), ("sliced", sliced)):
        path = pathlib.Path(folder) / f"{name}.keras"
        saved.save(path)
        loaded = keras.models.load_model(path)
        _close(saved, loaded, f"{name} and its file")
        if saved is model:
            _check(len(loaded.losses) == 1, "the cost was not saved")
            _check(_step(loaded.get_layer("mask")) == 6, "the step was lost")
            for resumed in (model, loaded):
                resumed.fit(x, y, batch_size=8, shuffle=False, verbose=0)
            _close(model, loaded, "an unbroken and a resumed run")


def check_insertion():
    """Puts masks into a model with split attention and a shortcut."""
    inputs = keras.Input((8, 8, 3))
    x = shortcut = keras.layers.Conv2D(8, 3, padding="same")(inputs)
    x = keras.layers.Conv2D(24, 1, use_bias=False)(x)
    x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
    x = keras_nas.SplitAttention(3, splits=2)(x)
    x = keras.layers.Conv2D(8, 1)(x)
    x = keras.layers.GlobalAveragePooling2D()(x + shortcut)
    plain = keras.Model(inputs, keras.layers.Dense(4)(x))
    masked = keras_nas.insert_masks(plain, seed=0)
    masks = [m for m in masked.layers if isinstance(m, keras_nas.FiGSMask)]
    _check(len(masks) == 4, f"{len(masks)} masks were inserted")
    _close(plain, masked, "plain and masked model")
    generator = np.random.default_rng(2)
    for mask in masks:
        mask.logits.assign(generator.normal(size=mask.logits.shape))
    sliced = keras_nas.slice_model(masked)
    return _close(masked, sliced, "masked and sliced model")


def _supernet():
    """A network that chooses its resolution, a block and a width, twice."""
    width = keras_nas.ChannelMask([2, 4], seed=1, name="width")
    x = inputs = keras.Input((None, None, 3))
    for index in range(2):
        x = keras.layers.Conv2D(4, 3, padding="same", use_bias=False)(x)
        x = width(keras.layers.BatchNormalization(momentum=0.5)(x))
        if index == 0:
            blocks = [
                keras.layers.DepthwiseConv2D(k, padding="same")(x)
                for k in (1, 3)
            ]
            kind = keras_nas.BlockChoice(
                ["skip", "k1", "k3"], zero="skip", seed=1, name="kind"
            )
            x = keras.layers.Add()([x, kind(blocks)])
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.ReLU()(x))
    x = keras.layers.Dropout(0.1, seed=1)(x)
    network = keras.Model(inputs, keras.layers.Dense(4)(x))
    size = keras_nas.ResolutionSubsample([5, 8], network, seed=1, name="size")
    return keras.Sequential([keras.Input((8, 8, 3)), size])


def check_choices(folder):
    """Searches channels, blocks and the resolution; slices, saves, loads."""
    model = _supernet()
    search = keras_nas.search.DMaskingNAS(
        model, keras_nas.ExpectedFLOPs(target=0.5)
    )
    masks = {mask.name: mask for mask in search.deciders}
    _check(set(masks) == {"size", "width", "kind"}, f"masks are {set(masks)}")
    search.compile("sgd", "mse", mask_optimizer=keras.optimizers.SGD(0.5))
    x, y = _data()
    # 16 examples for the weights, 8 for the masks: 3 steps in each epoch.
    search.fit(
        x[:16],
        y[:16],
        architecture_data=(x[16:], y[16:]),
        batch_size=8,
        epochs=2,
        verbose=0,
    )
    for name, mask in masks.items():
        _check(_step(mask) == 6, f"{name} counted {_step(mask)} steps")
        logits = _numpy(mask.logits)
        _check(np.isfinite(logits).all(), f"logits of {name} are not finite")
        _check(np.ptp(logits) > 0, f"logits of {name} did not move")
    network = search.export_model()
    size = masks["size"].decision()
    _check(network.input_shape == (None, size, size, 3), "another resolution")
    share = (
        keras_nas.count_cost(network).macs / keras_nas.count_cost(model).macs
    )
    _check(share <= 0.5, f"the network has {share} of the multiply-adds")
    small = keras_nas.layers.subsample(x, size)
    difference = np.abs(_numpy(model(x)) - _numpy(network(small))).max()
    _check(difference < 1e-5, f"supernet and network differ by {difference}")
    path = pathlib.Path(folder) / "supernet.keras"
    model.save(path)
    loaded = keras.models.load_model(path)
    _close(model, loaded, "the supernet and its file")
    return float(share)


def check_atoms():
    """Stock `fit` trains factors of both kinds; their averages follow."""
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Conv2D(8, 3, padding="same", use_bias=False),
            keras.layers.BatchNormalization(momentum=0.5),
            keras_nas.AtomicBlockScale(momentum=0.0, name="of_norm"),
            keras.layers.ReLU(),
            keras.layers.Conv2D(8, 1, activation="relu"),
            keras_nas.AtomicBlockScale(momentum=0.0, name="own"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(4),
        ]
    )
    _check(model.layers[2].factor is model.layers[1].gamma, "not its scales")
    model.compile(keras.optimizers.SGD(0.1), "mse")
    x, y = _data()
    model.fit(x[:16], y[:16], batch_size=8, verbose=0)
    for name in ("of_norm", "own"):
        scale = model.get_layer(name)
        before = _numpy(scale.factor).copy()
        model.fit(x[:8], y[:8], batch_size=8, verbose=0)
        moved = np.abs(_numpy(scale.factor) - before)
        _check(moved.min() > 0, f"factors of {name} did not move")
        # Without momentum it is the factor that the last step began with.
        difference = np.abs(_numpy(scale.moving_average) - before).max()
        _check(difference < 1e-6, f"the average of {name} did not follow")
        scale.factor.assign(_numpy(scale.factor) * np.arange(8))
        scale.moving_average.assign(np.zeros(8))
        _check(scale.decision() == [*range(1, 8)], "another one is dead")
    sliced = keras_nas.slice_model(model)
    _close(model, sliced, "the model with factors and the sliced one")


def check_shrinking():
    """A search cuts its network in `fit`, and the optimizer goes on."""
    x = inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(8, 1, use_bias=False)(x)
    x = keras.layers.BatchNormalization(momentum=0.5)(x)
    x = keras_nas.AtomicBlockScale(momentum=0.5, threshold=0.05)(x)
    x = keras.layers.Dropout(0.1, seed=1)(keras.layers.ReLU()(x))
    x = keras.layers.Conv2D(8, 1)(x)
    x = keras.layers.BatchNormalization(momentum=0.5)(x)
    outputs = keras.layers.Dense(4)(keras.layers.GlobalAveragePooling2D()(x))
    search = keras_nas.search.AtomNAS(
        keras.Model(inputs, outputs),
        keras_nas.ExpectedFLOPs(target=0.5),
        ramp=0.5,
    )
    rmsprop = keras.optimizers.RMSprop(0.01, momentum=0.9)
    search.compile(rmsprop, "mse", mask_optimizer=keras.optimizers.Adam(0.1))
    x, y = _data()
    history = search.fit(x, y, batch_size=8, epochs=2, verbose=0).history
    cost = history["decided_cost"]
    _check(cost[0] <= 0.5, f"cut to {cost} of the cost")
    _check(history["trained_cost"] == [1.0, cost[0]], "another cost trained")
    steps = int(_numpy(search.optimizer.iterations))
    _check(steps == 2 * -(-len(x) // 8), f"the optimizer took {steps} steps")
    network = search.export_model()
    difference = np.abs(_numpy(search.model(x)) - _numpy(network(x))).max()
    _check(difference < 1e-5, f"the network differs by {difference}")


def check_recalibration():
    """Statistics of two unequal batches, of which the second layer sees two."""
    first, second = (keras.layers.BatchNormalization() for _ in range(2))
    model = keras.Sequential([keras.Input((8, 8, 3)), first, second])
    x, y = _data()
    x = 3.0 * x + np.linspace(0, 9, 24, dtype="float32")[:, None, None, None]
    batches = [(x[:20], y[:20]), (x[20:], y[20:])]
    count = keras_nas.recalibrate_batch_norm(model, batches, steps=2)
    _check(count == 24, f"{count} images were counted")
    seen = [(b - b.mean((0, 1, 2))) / b.std((0, 1, 2)) for b, _ in batches]
    for norm, data in ((first, x), (second, np.concatenate(seen))):
        mean = _numpy(norm.moving_mean) - data.mean((0, 1, 2))
        variance = _numpy(norm.moving_variance) - data.var((0, 1, 2))
        difference = max(np.abs(mean).max(), np.abs(variance).max())
        _check(difference < 1e-3, f"statistics differ by {difference}")


def main():
    keras.utils.set_random_seed(0)
    model = _build()
    losses = check_training(model)
    check_draws()
    check_recalibration()
    check_atoms()
    check_shrinking()
    sliced, difference = check_slicing(model)
    with tempfile.TemporaryDirectory() as folder:
        check_files(model, sliced, folder)
        share = check_choices(folder)
        check_resuming(_supernet, _data, folder)
    results = {
        "backend": keras.backend.backend(),
        "keras": keras.__version__,
        "losses": losses,
        "sliced_difference": difference,
        "share": share,
        "inserted_difference": check_insertion(),
        "imported_tensorflow": _IMPORTED_TENSORFLOW,
    }
    print(json.dumps(results))


if __name__ == "__main__":
    main()
