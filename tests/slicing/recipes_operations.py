"""Operations of random networks that are no layers."""

from keras import layers
from keras import ops

from tests.slicing.recipes_net import digits
from tests.slicing.recipes_net import in_groups
from tests.slicing.recipes_net import operation


@operation("split")
def split(net, x, y, option):
    """Parts of the channels, or of another axis; all can be used again."""
    along, equal, at = digits(option, 4, 2, 4)
    axis = 1 if along == 3 else -1
    size = x.shape[axis]
    if size < 2:
        return x
    sections = [1 + at % (size - 1)]
    if equal and size % 2 == 0:
        sections = 2
    elif equal and size > 2:
        sections = [1, 2]
    *parts, last = ops.split(x, sections, axis=axis)
    net.tensors.extend(parts)
    return last


@operation("slice")
def slice_(net, x, y, option):
    kind, at = digits(option, 9, 4)
    channels, rows = x.shape[-1], x.shape[1]
    at_channel, at_row = at % channels, at % rows
    if kind > 5 and len(x.shape) == 2:
        kind -= 6
    return [
        lambda: x[..., at_channel:],
        lambda: x[..., : at_channel + 1],
        lambda: x[..., -1:],
        lambda: x[:, ::2],
        lambda: x[..., ::2],
        lambda: x[:, at_row:],
        lambda: x[:, 0],
        lambda: x[:, -1],
        lambda: x[:, at_row, ..., :channels],
    ][kind]()


@operation("halves")
def halves(net, x, y, option):
    """Functions of two halves of the channels."""
    kind, masked = digits(option, 4, 2)
    x = in_groups(x, 2, masked)
    half = x.shape[-1] // 2
    return [
        lambda: ops.glu(x),
        lambda: ops.glu(x, axis=-1) + x[..., :half],
        lambda: x[..., :half] * ops.silu(x[..., half:]),
        lambda: layers.Multiply()(ops.split(x, 2, axis=-1)),
    ][kind]()


@operation("reduce", 3, 4, 5)
def reduce(net, x, y, option):
    kind, axes, keep = digits(option, 4, 5, 2)
    function = (ops.mean, ops.max, ops.min, ops.mean)[kind]
    positions = tuple(range(1, len(x.shape) - 1))
    # The last two reduce the channels too.
    axis = [1, positions, positions[-1], -1, (1, -1)][axes]
    if axes == 4 and len(x.shape) == 3:
        axis = 2
    return function(x, axis=axis, keepdims=bool(keep))


@operation("pad_or_clip")
def pad_or_clip(net, x, y, option):
    rank = len(x.shape)
    around = [(0, 0)] * rank
    around[1] = (1, 0)
    last = [(0, 0)] * (rank - 1) + [(0, 1)]
    return [
        lambda: ops.pad(x, around),
        lambda: ops.pad(x, around, constant_values=1.0),
        lambda: ops.pad(x, last),
        lambda: ops.clip(x, -0.5, 0.5),
        lambda: ops.clip(x, 0.25, 2.0),
        lambda: ops.leaky_relu(x, 0.3),
        lambda: ops.softplus(x),
        lambda: ops.abs(x),
    ][option % 8]()


@operation("move")
def move(net, x, y, option):
    rank, channels = len(x.shape), x.shape[-1]
    kind = option % 8
    if kind < 4 and rank == 2 or kind == 6 and rank > 4:
        kind = 4
    return [
        lambda: ops.transpose(x, (0, *range(2, rank), 1)),
        lambda: ops.swapaxes(x, 1, rank - 2),
        lambda: ops.moveaxis(x, -1, 1),
        lambda: ops.reshape(x, (-1, x.shape[1], channels)),
        lambda: ops.reshape(x, (-1, 1, channels)),
        lambda: ops.reshape(x, (-1, channels * (x.shape[1] or 1))),
        lambda: ops.expand_dims(x, 1 + option // 8 % rank),
        lambda: squeezed(x),
    ][kind]()


def squeezed(x):
    axes = [i for i, size in enumerate(x.shape) if i and size == 1]
    if len(x.shape) - len(axes[:1]) < 2 or not axes:
        return ops.squeeze(ops.expand_dims(x, 1), 1)
    return ops.squeeze(x, axes[0])


@operation("concatenate")
def concatenate(net, x, y, option):
    axis = 1 if option % 4 == 3 else -1
    return ops.concatenate([x, y, x][: 2 + option % 2], axis=axis)


@operation("pool_operation", 4)
def pool_operation(net, x, y, option):
    size = min(2, *x.shape[1:3])
    return [
        lambda: ops.max_pool(x, size, 1, padding="same"),
        lambda: ops.max_pool(x, size),
        lambda: ops.average_pool(x, size, padding="same"),
        lambda: ops.image.resize(x, (3, 3)),
    ][option % 4]()


@operation("repeat", 2)
def repeat(net, x, y, option):
    return layers.RepeatVector(1 + option % 3)(x)
