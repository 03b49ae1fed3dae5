"""Models trained in mixed precision, made ready for float32 files."""

import keras


def as_float32(model):
    """Returns a copy of a model that computes in float32.

    Use it on a model that was trained under the policy `mixed_bfloat16` or
    `mixed_float16` before `export_litert`: such a model keeps its weights in
    float32 but computes in 16 bits, which LiteRT on CPUs does not. Verify the
    file against the copy: its outputs differ from those of the original by
    the rounding to 16 bits. The original is left untouched.

    Args:
        model: Functional or Sequential Keras model.

    Returns:
        A new model with the same layers, names and weights under the policy
        `float32`.

    Raises:
        ValueError: If a layer keeps another precision inside, as a custom
            layer that builds further layers with a fixed dtype may do.

    Example:

    >>> import keras
    >>> from keras_nas.export import as_float32
    >>> model = keras.Sequential([
    ...     keras.Input((4,)),
    ...     keras.layers.Dense(2, dtype="mixed_bfloat16"),
    ... ])
    >>> [layer.compute_dtype for layer in as_float32(model).layers]
    ['float32']
    """
    copy = keras.models.clone_model(
        model, clone_function=_clone_in_float32, recursive=True
    )
    copy.set_weights(model.get_weights())
    check_float32(copy)
    return copy


def check_float32(model):
    """Raises a `ValueError` if a layer of `model` computes in 16 bits.

    Args:
        model: A Keras model.

    Raises:
        ValueError: If there is such a layer; its name is in the message.
    """
    layers = [
        f"{layer.path} ({layer.compute_dtype})"
        for layer in _leaf_layers(model)
        if layer.compute_dtype in ("float16", "bfloat16")
    ]
    if layers:
        more = f" and {len(layers) - 5} more" if len(layers) > 5 else ""
        raise ValueError(
            "Invalid value received for argument `model`. Expected a model "
            f"that computes in float32. Received: model={model.name!r} with "
            f"{', '.join(layers[:5])}{more}. Pass "
            "`keras_nas.export.as_float32(model)`."
        )


def _clone_in_float32(layer):
    config = layer.get_config()
    if layer.compute_dtype in ("float16", "bfloat16"):
        config["dtype"] = "float32"
    return layer.__class__.from_config(config)


def _leaf_layers(model):
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _leaf_layers(layer)
        else:
            yield layer
