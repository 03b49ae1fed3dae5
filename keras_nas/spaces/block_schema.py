"""What a block dictionary may say, and the check of one."""

import functools

ACTIVATIONS = {
    "hswish": "hard_silu",
    "relu": "relu",
    "relu6": "relu6",
    "swish": "silu",
}
_GATES = ("sigmoid", "hard_sigmoid")
_RESIDUALS = (None, "add", "avgpool/1x1")


def is_size(value):
    """Whether a value is a positive integer."""
    return type(value) is int and value > 0


def check_sizes(**sizes):
    """Raises a `ValueError` unless all arguments are positive integers."""
    for key, value in sizes.items():
        if not is_size(value):
            raise ValueError(
                f"Invalid value received for argument `{key}`. Expected a "
                f"positive integer. Received: {key}={value!r}"
            )


def is_sizes(values):
    """Whether a value is a list or tuple of positive integers."""
    is_list = isinstance(values, (list, tuple)) and len(values) > 0
    return is_list and all(map(is_size, values))


def _one_of(values):
    """Returns what to say about a choice, and how to check it."""
    names = " or ".join(repr(value) for value in values)
    return names, lambda v: isinstance(v, str | None) and v in values


_SIZE = "a positive integer", is_size
_SIZES = "a list of positive integers", is_sizes
_SPLITS = "an integer >= 2", lambda v: is_size(v) and v > 1
_ACT = _one_of(ACTIVATIONS)
_BOOL = "true or false", lambda v: isinstance(v, bool)
_CHANNELS = {"cin": _SIZE, "cout": _SIZE}
_NOTES = ("type", "h_in", "op", "expansion", "note")
_REQUIRED = {
    "conv": {**_CHANNELS, "kernel": _SIZE, "stride": _SIZE, "act": _ACT},
    "mbconv": {
        **_CHANNELS,
        "kernels": _SIZES,
        "mid": _SIZES,
        "stride": _SIZE,
        "act": _ACT,
        "residual": _one_of(_RESIDUALS),
    },
    "skip": {**_CHANNELS, "stride": _SIZE},
    "ir_pool": {**_CHANNELS, "mid": _SIZE, "act": _ACT},
}
_OPTIONAL = {
    "conv": {"bias": (True, _BOOL)},
    "ir_pool": {"flatten": (False, _BOOL)},
    "mbconv": {
        "bias": (False, _BOOL),
        "expand": (None, _BOOL),
        "groups_pw": (1, _SIZE),
        "se_hidden": (None, _SIZE),
        "se_act": (None, _ACT),
        "se_gate": (None, _one_of(_GATES)),
        "shortcut_conv": (None, _BOOL),
        "splits": (None, _SPLITS),
    },
}


def read_block(index, block, shape):
    """Returns a block with the values of keys that it leaves out.

    Args:
        index: Integer, its place in the list.
        block: Dictionary as `build_from_blocks` takes it.
        shape: Shape of the tensor that the block is applied to.

    Raises:
        ValueError: If the block does not fit, naming it and the field.
    """
    expect = functools.partial(_expect, index)
    last = "no block after an ir_pool that flattens"
    expect(len(shape) == 4, "flatten", last, block)
    expect(isinstance(block, dict), "type", "a dictionary", block)
    kind = block.get("type")
    types, is_type = _one_of(_REQUIRED)
    expect(is_type(kind), "type", types, repr(kind))
    required, optional = _REQUIRED[kind], _OPTIONAL.get(kind, {})
    known = [*required, *optional, *_NOTES]
    for key in block:
        expect(key in known, repr(key), f"one of {known}", repr(key))
    for key, (expected, is_valid) in required.items():
        expect(key in block, key, f"{expected} in a {kind}", "nothing")
        expect(is_valid(block[key]), key, expected, block[key])
    block = {key: default for key, (default, _) in optional.items()} | block
    for key, (default, (expected, is_valid)) in optional.items():
        is_absent = block[key] is None and default is None
        expect(is_absent or is_valid(block[key]), key, expected, block[key])
    hint = "" if index else " (a list of a body needs a stem in front)"
    expected = f"{shape[-1]}, the channels so far{hint}"
    expect(block["cin"] == shape[-1], "cin", expected, block["cin"])
    if kind == "mbconv":
        _complete_mbconv(block, expect)
    return block


def _complete_mbconv(block, expect):
    """Adds what follows from other keys, and checks that they fit."""
    cin, cout, mid = block["cin"], block["cout"], list(block["mid"])
    kernels, groups = block["kernels"], block["groups_pw"]
    unique = len(set(kernels)) == len(kernels)
    expect(unique, "kernels", "different kernel sizes", kernels)
    expected = f"one number for each of the kernels {kernels}"
    expect(len(mid) == len(kernels), "mid", expected, mid)
    if block["expand"] is None:
        block["expand"] = mid != [cin]
    expected = f"[{cin}], which is cin, where nothing is expanded"
    expect(block["expand"] or mid == [cin], "mid", expected, mid)
    divides = all(number % groups == 0 for number in (cin, cout, *mid))
    expected = f"a divisor of cin {cin}, cout {cout} and mid {mid}"
    expect(divides, "groups_pw", expected, groups)
    stays = cin == cout and block["stride"] == 1
    expected = "None or 'avgpool/1x1' where the shape changes"
    expect(stays or block["residual"] != "add", "residual", expected, "'add'")
    _complete_shortcut(block, expect)
    if block["splits"] is not None:
        _check_splits(block, expect)
    is_hard = "sehsig" in str(block.get("op"))
    block["se_gate"] = block["se_gate"] or _GATES[is_hard]
    block["se_act"] = block["se_act"] or block["act"]


def _complete_shortcut(block, expect):
    """Adds whether there is a convolution in the shortcut, and checks it."""
    given, residual = block["shortcut_conv"], block["residual"]
    is_pooled = residual == "avgpool/1x1"
    changes = block["cin"] != block["cout"]
    if given is None:
        block["shortcut_conv"] = is_pooled and changes
        return
    expected = f"nothing with the residual {residual!r}"
    expect(is_pooled, "shortcut_conv", expected, given)
    expected = "true where cin and cout differ"
    expect(given or not changes, "shortcut_conv", expected, given)


def _check_splits(block, expect):
    """Checks that nothing else is said of what splits are joined by."""
    kernels, groups = block["kernels"], block["groups_pw"]
    expect(len(kernels) == 1, "kernels", "one kernel size of splits", kernels)
    expect(groups == 1, "groups_pw", "1 with splits", groups)
    hidden = block["se_hidden"]
    expected = "the number of channels inside of the attention over splits"
    expect(hidden is not None, "se_hidden", expected, hidden)
    expected = "nothing with splits, whose weights are a softmax"
    expect(block["se_gate"] is None, "se_gate", expected, block["se_gate"])
    expected = f"{block['act']!r}, the act, or nothing with splits"
    act = block["se_act"]
    expect(act in (None, block["act"]), "se_act", expected, act)


def _expect(index, condition, field, expected, received):
    if not condition:
        raise ValueError(
            f"Invalid field {field} of blocks[{index}]. Expected {expected}. "
            f"Received: {str(received)[:200]}"
        )
