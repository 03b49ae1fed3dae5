import keras

from keras_nas import FiGSMask
from keras_nas import LogisticSigmoidMask
from tests.layers.layer_checks import build_mask
from tests.layers.layer_checks import check_layer
from tests.layers.layer_checks import draw


def test_basics():
    check_layer(
        FiGSMask,
        {"seed": 3},
        input_shape=(2, 4, 4, 6),
        trainable_weights=1,
        non_trainable_weights=1,
        seed_generators=1,
    )


def test_settings_of_the_paper():
    mask = build_mask(FiGSMask(seed=0), 3)
    assert isinstance(mask, LogisticSigmoidMask)
    assert keras.ops.convert_to_numpy(mask.logits).tolist() == [2.5] * 3
    assert abs(float(mask.temperature) - 1e-3) < 1e-9
    assert not mask.soft_inference
    assert (
        keras.ops.convert_to_numpy(mask.inference_scale()).tolist() == [1.0] * 3
    )


def test_draws_what_a_logistic_sigmoid_mask_draws():
    masks = [
        build_mask(kind(seed=5, name="mask"), 1000)
        for kind in (FiGSMask, LogisticSigmoidMask)
    ]
    assert (draw(masks[0]) == draw(masks[1])).all()
