"""The shapes that an exported function accepts."""

import keras


def complete_signature(model, input_signature=None, static=False):
    """Returns the `input_signature` for `model.export`.

    Args:
        model: A built Keras model.
        input_signature: `None`, one `keras.InputSpec`, or one per input in
            the structure that the model takes or as a list in the order of
            `model.inputs`. Shapes include the batch.
        static: Boolean. `True` makes the batch 1 where the model leaves it
            open, and refuses every other open size.

    Returns:
        A list with one entry, the structure of named specs that the model
        takes; for a subclassed model, `input_signature` as it is.

    Raises:
        ValueError: If specs and inputs do not fit, or a size is open that
            `static` forbids.
    """
    inputs = getattr(model, "inputs", None)
    if inputs is None:
        return _subclassed_signature(model, input_signature, static)
    if input_signature is None:
        specs = [_default_spec(tensor, static) for tensor in inputs]
    else:
        specs = keras.tree.flatten(input_signature)
        _check_fit(specs, inputs, input_signature)
        specs = [
            keras.InputSpec(
                shape=tuple(spec.shape),
                dtype=keras.backend.standardize_dtype(spec.dtype),
                name=getattr(spec, "name", None) or tensor.name,
            )
            for spec, tensor in zip(specs, inputs, strict=True)
        ]
    if static:
        _check_static(specs)
    sequential = isinstance(model, keras.Sequential)
    structure = inputs[0] if sequential else model.input
    return [keras.tree.pack_sequence_as(structure, specs)]


def _default_spec(tensor, static):
    batch = tensor.shape[0] or (1 if static else None)
    shape = (batch, *tensor.shape[1:])
    return keras.InputSpec(shape=shape, dtype=tensor.dtype, name=tensor.name)


def _subclassed_signature(model, input_signature, static):
    if input_signature is None:
        if not static:
            return None
        raise ValueError(
            "Missing value for argument `input_signature`. Expected a "
            "`keras.InputSpec` with the batch, since a subclassed model does "
            f"not tell its input shapes. Received: model={model!r}. Pass for "
            'example input_signature=keras.InputSpec(dtype="float32", '
            "shape=(1, 224, 224, 3))."
        )
    specs = keras.tree.flatten(input_signature)
    _check_specs(specs, input_signature)
    if static:
        _check_static(specs)
    if isinstance(input_signature, list):
        return input_signature
    return [input_signature]


def _check_specs(specs, input_signature):
    for spec in specs:
        if getattr(spec, "shape", None) is None or not hasattr(spec, "dtype"):
            raise ValueError(
                "Invalid value received for argument `input_signature`. "
                "Expected `keras.InputSpec` objects with shape and dtype. "
                f"Received: input_signature={input_signature!r}. Pass for "
                'example keras.InputSpec(dtype="float32", '
                "shape=(1, 224, 224, 3))."
            )


def _check_fit(specs, inputs, input_signature):
    _check_specs(specs, input_signature)
    expected = [(tensor.shape, tensor.dtype) for tensor in inputs]
    fits = len(specs) == len(inputs) and all(
        _is_compatible(spec, tensor)
        for spec, tensor in zip(specs, inputs, strict=True)
    )
    if not fits:
        raise ValueError(
            "Invalid value received for argument `input_signature`. Expected "
            "one spec per input of the model, with the batch, that fits "
            f"{expected}. Received: input_signature={input_signature!r}. "
            "Replace each None by the size to export for."
        )


def _is_compatible(spec, tensor):
    return (
        len(spec.shape) == len(tensor.shape)
        and keras.backend.standardize_dtype(spec.dtype) == tensor.dtype
        and all(
            known is None or size == known
            for size, known in zip(spec.shape, tensor.shape, strict=True)
        )
    )


def _check_static(specs):
    shapes = [tuple(spec.shape) for spec in specs]
    if not any(None in shape for shape in shapes):
        return
    suggestion = ", ".join(
        f'keras.InputSpec(dtype="{spec.dtype}", shape='
        f"{(1, *(size or 224 for size in spec.shape[1:]))})"
        for spec in specs
    )
    if len(specs) > 1:
        suggestion = f"[{suggestion}]"
    raise ValueError(
        "Missing value for argument `input_signature`. Expected every size to "
        f"be known. Received: a model with input shapes {shapes}. Pass for "
        f"example input_signature={suggestion}."
    )
