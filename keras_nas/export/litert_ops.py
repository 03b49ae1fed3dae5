"""Which operations a `.tflite` file is made of."""

import collections
import pathlib


def count_litert_ops(path):
    """Counts the operations of a `.tflite` file.

    Args:
        path: Path of the file.

    Returns:
        Dictionary from the name of the operation to the number of times it
        occurs. Builtin operations have the names of the LiteRT schema, such
        as `"CONV_2D"`. Others have the name of the kernel that the
        application must bring, such as `"FlexCumprod"`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no `.tflite` file.

    Example:

    >>> import os, tempfile
    >>> import keras
    >>> from keras_nas.export import count_litert_ops, export_litert
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    >>> path = os.path.join(tempfile.mkdtemp(), "model.tflite")
    >>> count_litert_ops(export_litert(model, path))
    {'FULLY_CONNECTED': 1}
    """
    builtin, custom = _count(path)
    return dict(sorted((builtin + custom).items()))


def find_custom_ops(path):
    """Returns the operations of a `.tflite` file that are not builtin.

    Args:
        path: Path of the file.

    Returns:
        Sorted list of names.
    """
    return sorted(_count(path)[1])


def _count(path):
    from ai_edge_litert import schema_py_generated as schema

    content = pathlib.Path(path).read_bytes()
    if not schema.Model.ModelBufferHasIdentifier(content, 0):
        raise ValueError(
            "Invalid value received for argument `path`. Expected a `.tflite` "
            f"file. Received: path={str(path)!r}, whose content is something "
            "else. Write one with `export_litert`."
        )
    model = schema.Model.GetRootAs(content, 0)
    names = {
        value: name
        for name, value in vars(schema.BuiltinOperator).items()
        if isinstance(value, int)
    }
    builtin = collections.Counter()
    custom = collections.Counter()
    for index in range(model.SubgraphsLength()):
        graph = model.Subgraphs(index)
        for position in range(graph.OperatorsLength()):
            code = model.OperatorCodes(graph.Operators(position).OpcodeIndex())
            # Files older than the wide field have only the narrow one.
            value = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
            if value == schema.BuiltinOperator.CUSTOM:
                custom[(code.CustomCode() or b"CUSTOM").decode()] += 1
            else:
                builtin[names.get(value, f"BUILTIN_{value}")] += 1
    return builtin, custom
