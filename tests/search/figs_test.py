"""FiGS and its baseline, on problems whose answer is known."""

import warnings

import keras
import numpy as np
import pytest

import keras_nas

USEFUL = 4  # The labels depend on this many of the features.


def separable_problem(rng, features=16):
    """Inputs of which only the first few decide the labels."""
    x = rng.normal(size=(512, features)).astype("float32")
    y = (x[:, :USEFUL].sum(1) > 0).astype("int32")
    return x, y


def gated_inputs(temperature=0.2):
    """A mask on a fixed copy of the inputs: which features are worth it?"""
    copy = keras.layers.Dense(
        16, use_bias=False, kernel_initializer="identity", trainable=False
    )
    return keras.Sequential(
        [
            keras.Input((16,)),
            copy,
            keras_nas.LogisticSigmoidMask(
                temperature=temperature, initial_logit=1.0, name="mask", seed=0
            ),
            keras.layers.Dense(2),
        ]
    )


def compiled(search, learning_rate=0.05):
    search.compile(
        keras.optimizers.Adam(0.01),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        mask_optimizer=keras.optimizers.Adam(learning_rate),
    )
    return search


def test_search_keeps_the_features_that_matter():
    keras.utils.set_random_seed(0)
    x, y = separable_problem(np.random.default_rng(0))
    search = keras_nas.search.FiGS(
        gated_inputs(), keras_nas.ExpectedFLOPs(target=USEFUL / 16)
    )
    compiled(search).fit(x, y, epochs=30, verbose=0)
    kept = search.architecture().decisions["mask"]
    assert kept == list(range(USEFUL))


def test_target_is_met_by_the_sliced_model():
    keras.utils.set_random_seed(0)
    x, y = separable_problem(np.random.default_rng(0))
    for target in (0.3, 250):
        search = keras_nas.search.FiGS(
            gated_inputs(), keras_nas.ExpectedFLOPs(target=target)
        )
        compiled(search).fit(x, y, epochs=2, verbose=0)
        macs = keras_nas.count_cost(search.export_model()).macs
        budget = target if target > 1 else target * 16 * 18
        # One channel more costs 16 + 2 multiply-adds.
        assert budget - 18 < macs <= budget
        assert macs == search.decided_cost()


def test_rounded_widths_are_within_the_target():
    keras.utils.set_random_seed(0)
    x, y = separable_problem(np.random.default_rng(0))
    for target, width in ((0.6, 8), (0.9, 12), (0.4, 4)):
        search = keras_nas.search.FiGS(
            gated_inputs(),
            keras_nas.ExpectedFLOPs(target=target),
            channel_multiple=4,
        )
        compiled(search).fit(x, y, epochs=1, verbose=0)
        small = search.export_model()
        assert small.layers[1].units == width
        assert len(search.architecture().decisions["mask"]) == width
        # The masks themselves have decided so.
        np.testing.assert_allclose(
            search.predict(x, verbose=0), small.predict(x, verbose=0), atol=1e-5
        )


def test_rounded_widths_with_a_strength():
    search = keras_nas.search.FiGS(
        gated_inputs(), keras_nas.ExpectedFLOPs(1e-4), channel_multiple=8
    )
    logits = np.linspace(-2.5, 0.5, 16)  # Positive: the last three.
    search.model.get_layer("mask").logits.assign(logits)
    assert search.decided_cost() == 8 * (16 + 2)
    kept = search.architecture().decisions["mask"]
    assert kept == list(range(8, 16))
    search.finish()
    assert search.model.get_layer("mask").decision() == kept


def test_a_target_that_rounded_widths_cannot_meet():
    search = keras_nas.search.FiGS(
        gated_inputs(), keras_nas.ExpectedFLOPs(target=0.3), channel_multiple=8
    )
    x, y = separable_problem(np.random.default_rng(0))
    with pytest.warns(UserWarning, match="collapsed.*`channel_multiple`"):
        compiled(search).fit(x, y, epochs=1, verbose=0)


def test_strength_alone_follows_the_papers_objective():
    search = keras_nas.search.FiGS(
        gated_inputs(), keras_nas.ExpectedFLOPs(strength=1e-3)
    )
    compiled(search)
    x = np.zeros((4, 16), "float32")
    y = np.zeros(4, "int32")
    predictions = search(x, training=False)
    task = compiled(
        keras_nas.search.FiGS(gated_inputs(), keras_nas.ExpectedFLOPs(0.0))
    ).compute_loss(x, y, predictions, training=True)
    total = search.compute_loss(x, y, predictions, training=True)
    expected = 1e-3 * 16 * 18 / (1 + np.exp(-1.0))
    np.testing.assert_allclose(float(total) - float(task), expected, 1e-4)


def test_history_has_the_costs_of_every_epoch():
    x, y = separable_problem(np.random.default_rng(0))
    search = keras_nas.search.FiGS(
        gated_inputs(), keras_nas.ExpectedFLOPs(target=0.5)
    )
    history = compiled(search).fit(x, y, epochs=3, verbose=0).history
    for key in ("expected_cost", "decided_cost", "channels_alive", "strength"):
        assert len(history[key]) == 3
    assert history["decided_cost"][0] <= 1.0


def test_warns_when_the_penalty_has_no_effect():
    x, y = separable_problem(np.random.default_rng(0))
    search = keras_nas.search.FiGS(
        gated_inputs(), keras_nas.ExpectedFLOPs(strength=1e-12)
    )
    with pytest.warns(UserWarning, match="The penalty has no effect"):
        compiled(search, 1e-6).fit(x, y, epochs=4, verbose=0)


def test_warns_when_the_network_has_collapsed():
    x, y = separable_problem(np.random.default_rng(0))
    search = keras_nas.search.FiGS(
        gated_inputs(), keras_nas.ExpectedFLOPs(strength=1.0)
    )
    with pytest.warns(UserWarning, match="The network has collapsed"):
        compiled(search, 1.0).fit(x, y, epochs=2, verbose=0)
    assert search.is_collapsed()


def test_no_warning_in_a_healthy_search():
    x, y = separable_problem(np.random.default_rng(0))
    search = keras_nas.search.FiGS(
        gated_inputs(), keras_nas.ExpectedFLOPs(target=0.5)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        compiled(search).fit(x, y, epochs=4, verbose=0)


def test_shift_finds_the_best_common_threshold():
    """Against the enumeration of all thresholds."""
    rng = np.random.default_rng(0)
    for target in (40, 100, 200, 288):
        model = gated_inputs()
        logits = rng.normal(size=16).astype("float32")
        model.get_layer("mask").logits.assign(logits)
        search = keras_nas.search.FiGS(
            model, keras_nas.ExpectedFLOPs(target=target)
        )
        search.finish()
        best = max(k for k in range(17) if 18 * k <= target)
        expected = sorted(np.argsort(-logits)[:best].tolist())
        assert search.architecture().decisions["mask"] == expected


def test_weights_of_a_search_can_be_saved_and_loaded(tmp_path):
    x, y = separable_problem(np.random.default_rng(0))

    def new_search():
        keras.utils.set_random_seed(0)
        return compiled(
            keras_nas.search.FiGS(
                gated_inputs(), keras_nas.ExpectedFLOPs(target=0.5)
            )
        )

    search = new_search()
    search.fit(x, y, epochs=1, verbose=0)
    path = str(tmp_path / "search.weights.h5")
    search.save_weights(path)
    other = new_search()
    other.fit(x[:32], y[:32], epochs=1, verbose=0)
    other.load_weights(path)
    for a, b in zip(search.variables, other.variables, strict=True):
        if "seed" not in a.path:
            np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_errors_are_clear():
    plain = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    with pytest.raises(ValueError, match="has no mask layers"):
        keras_nas.search.FiGS(plain)
    with pytest.raises(ValueError, match="`keras.Model`"):
        keras_nas.search.FiGS("net.keras")
    with pytest.raises(ValueError, match="argument `target`.*Received"):
        keras_nas.search.FiGS(
            gated_inputs(), keras_nas.ExpectedFLOPs(target=289)
        )
    with pytest.raises(ValueError, match="out of reach"):
        keras_nas.search.FiGS(
            gated_inputs(), keras_nas.ExpectedFLOPs(target=1e-3)
        )
    with pytest.raises(ValueError, match="a share of the full cost in"):
        keras_nas.search.FiGS(
            gated_inputs(), keras_nas.ExpectedFLOPs(target=1.5)
        )
    with pytest.raises(ValueError, match="argument `ramp`"):
        keras_nas.search.FiGS(gated_inputs(), ramp=2.0)


def test_smallest_cost_is_one_channel_everywhere():
    flops = keras_nas.ExpectedFLOPs(target=0.5)
    assert flops.smallest(gated_inputs()) == 16 + 2


def test_width_multiplier_is_the_largest_within_the_budget():
    model = keras.Sequential(
        [
            keras.Input((8,)),
            keras.layers.Dense(32),
            keras_nas.FiGSMask(),
            keras.layers.Dense(16),
            keras_nas.FiGSMask(),
            keras.layers.Dense(2),
        ]
    )
    full = 8 * 32 + 32 * 16 + 16 * 2
    for target in (0.2, 0.5, 0.9):
        baseline = keras_nas.search.WidthMultiplier(
            model, keras_nas.ExpectedFLOPs(target=target)
        )
        small = baseline.export_model()
        a, b = (layer.units for layer in small.layers[1:3])
        assert abs(a - 2 * b) <= 1
        assert 8 * a + a * b + 2 * b <= target * full
        wider = (a + 1) * 8 + (a + 1) * (b + 1) + 2 * (b + 1)
        assert wider > target * full
    with pytest.raises(ValueError, match="out of reach"):
        keras_nas.search.WidthMultiplier(
            model, keras_nas.ExpectedFLOPs(target=0.001)
        )
