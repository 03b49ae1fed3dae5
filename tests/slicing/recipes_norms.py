"""Normalizations, trained factors, and pools that got rules of their own."""

from keras import layers
from keras.src.applications.convnext import LayerScale
from keras.src.applications.convnext import StochasticDepth

from tests.slicing.recipes_net import digits
from tests.slicing.recipes_net import in_groups
from tests.slicing.recipes_net import operation


@operation("group_norm")
def group_norm(net, x, y, option):
    kind, center, scale, masked = digits(option, 4, 2, 2, 2)
    if kind > 1:
        x = in_groups(x, kind, masked)
    groups = (-1, 1, 2, 3)[kind]
    return layers.GroupNormalization(
        groups, center=bool(center), scale=bool(scale), epsilon=0.1
    )(x)


@operation("length_norm")
def length_norm(net, x, y, option):
    """Along another axis than the last Keras' RMSNormalization does not run:
    it does not broadcast its scale."""
    return [
        lambda: layers.RMSNormalization(epsilon=0.1)(x),
        lambda: layers.UnitNormalization()(x),
        lambda: layers.UnitNormalization(axis=1)(x),
    ][option % 3]()


@operation("slopes")
def slopes(net, x, y, option):
    """A PReLU whose slopes are shared by positions, by all, or by none."""
    axes = list(range(1, len(x.shape)))
    shared = [None, axes[:-1] or None, axes, axes[1:] or None][option % 4]
    return layers.PReLU("random_normal", shared_axes=shared)(x)


@operation("convnext")
def convnext(net, x, y, option):
    layer = StochasticDepth(0.5) if option % 3 == 0 else None
    if layer is None:
        layer = LayerScale(0.5, x.shape[-1])
    return layer(x)


@operation("resizing", 4)
def resizing(net, x, y, option):
    kind, rows, columns = digits(option, 7, 4, 4)
    rows, columns = rows + 1, columns + 2
    return [
        lambda: layers.Resizing(rows, columns),
        lambda: layers.Resizing(rows, columns, interpolation="nearest"),
        lambda: layers.Resizing(
            rows, columns, interpolation="bicubic", antialias=True
        ),
        lambda: layers.Resizing(rows, columns, pad_to_aspect_ratio=True),
        lambda: layers.Resizing(
            rows, columns, pad_to_aspect_ratio=True, fill_value=1.0
        ),
        lambda: layers.AdaptiveAveragePooling2D(2),
        lambda: layers.AdaptiveMaxPooling2D((rows, 2)),
    ][kind]()(x)


@operation("pool_1d", 3)
def pool_1d(net, x, y, option):
    size = min(2, x.shape[1])
    return [
        lambda: layers.AveragePooling1D(size, 1, "same"),
        lambda: layers.MaxPooling1D(size),
        lambda: layers.ZeroPadding1D(1),
        lambda: layers.UpSampling1D(2),
        lambda: layers.Cropping1D((0, size - 1)),
        lambda: layers.GlobalAveragePooling1D(keepdims=True),
        lambda: layers.GlobalMaxPooling1D(),
    ][option % 7]()(x)


@operation("pool_3d", 5)
def pool_3d(net, x, y, option):
    sizes = tuple(min(2, size) for size in x.shape[1:4])
    return [
        lambda: layers.AveragePooling3D(sizes, 1, "same"),
        lambda: layers.MaxPooling3D(sizes),
        lambda: layers.ZeroPadding3D((0, 1, 0)),
        lambda: layers.GlobalAveragePooling3D(),
    ][option % 4]()(x)
