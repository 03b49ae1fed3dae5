"""Finds a TFDS data set on disk and what of it is image and label."""

import difflib
import os

import tensorflow as tf
import tensorflow_datasets as tfds

from keras_nas.data.photo_patches import PhotoPatches

# Made on the spot from files that are installed anyway.
_EMBEDDED = (PhotoPatches.name,)


def find_builder(name, data_dir=None, download=False):
    """Finds a prepared data set; prepares it where that is allowed.

    Args:
        name: TFDS name: `"mnist"`, `"cifar10:3.0.2"`, `"name/config"`.
            Embedded data sets are made on first use.
        data_dir: Folder of TFDS data sets, by default that of TFDS:
            `~/tensorflow_datasets`.
        download: Whether a data set that is not there may be downloaded.

    Returns:
        `tfds.core.DatasetBuilder` of a prepared data set.

    Raises:
        ValueError: If the name is unknown, the data set is not prepared, or
            what is in `data_dir` cannot be read.

    Example:

    >>> find_builder("photo_patches").info.features["label"].num_classes
    10
    """
    data_dir = None if data_dir is None else os.path.expanduser(data_dir)
    builder = _make_builder(name, data_dir)
    if not builder.is_prepared():
        if tf.io.gfile.exists(builder.data_dir):
            raise _damaged(builder, "`dataset_info.json` is missing")
        if builder.name not in _EMBEDDED and not download:
            raise ValueError(
                "Invalid value received for argument `name`. Expected a data "
                "set that is prepared on this machine. Received: "
                f"name={name!r}, data_dir={data_dir!r}, and there is no "
                f"{builder.data_dir}. Allow the download with `download=True` "
                "(flag `--download`), or prepare it once with `tfds build "
                f"{name} --data_dir={builder.data_dir_root}`."
            )
        builder = _prepare(builder, name, data_dir)
    _check_files(builder)
    return builder


def find_keys(info):
    """Finds the features that are the image and the label.

    Args:
        info: `tfds.core.DatasetInfo`.

    Returns:
        Tuple of the two names: the supervised keys of the data set if they
        are an image and a class, else its only image and only class.

    Raises:
        ValueError: If that does not tell.

    Example:

    >>> find_keys(find_builder("photo_patches").info)
    ('image', 'label')
    """
    kinds = tfds.features.Image, tfds.features.ClassLabel
    features = dict(info.features.items())
    if info.supervised_keys and len(info.supervised_keys) == 2:
        keys = tuple(info.supervised_keys)
        if all(
            isinstance(features.get(key), kind)
            for key, kind in zip(keys, kinds, strict=True)
        ):
            return keys
    candidates = [
        [key for key, feature in features.items() if isinstance(feature, kind)]
        for kind in kinds
    ]
    if any(len(keys) != 1 for keys in candidates):
        raise ValueError(
            "Invalid value received for argument `name`. Expected a data set "
            "for image classification, with one `Image` and one `ClassLabel` "
            f"feature. Received: name={info.name!r}, whose features are "
            f"{features}."
        )
    return candidates[0][0], candidates[1][0]


def _make_builder(name, data_dir):
    try:
        return tfds.builder(name, data_dir=data_dir)
    except tfds.core.DatasetNotFoundError as error:
        known = tfds.list_builders(with_community_datasets=False)
        base = str(name).split("/")[0].split(":")[0]
        close = difflib.get_close_matches(base, known, n=5, cutoff=0.5)
        hint = f" Close names: {close}." if close else ""
        raise ValueError(
            "Invalid value received for argument `name`. Expected "
            "'photo_patches' or the name of a TFDS data set, see "
            f"`tfds.list_builders()`. Received: name={name!r}.{hint}"
        ) from error
    # TFDS raises AssertionError, ValueError, ImportError and errors of
    # protobuf and of file systems here, with no class in common.
    except Exception as error:
        raise ValueError(
            "Invalid value received for argument `name` or `data_dir`. "
            "Expected a TFDS name (`name`, `name/config` or `name:1.0.0`) and "
            "a folder whose copy of that data set can be read. Received: "
            f"name={name!r}, data_dir={data_dir!r}. TFDS says: {error}"
        ) from error


def _prepare(builder, name, data_dir):
    try:
        builder.download_and_prepare()
    except Exception as error:
        # Another process may have prepared the same data set meanwhile.
        builder = _make_builder(name, data_dir)
        if builder.is_prepared():
            return builder
        raise ValueError(
            "Invalid value received for argument `data_dir`. Expected a "
            "folder in which the data set can be prepared. Received: "
            f"name={name!r}, data_dir={data_dir!r}, and {builder.data_dir} "
            f"could not be made: {error}"
        ) from error
    return builder


def _check_files(builder):
    if not builder.info.splits:
        raise _damaged(builder, "no splits are recorded")
    for split, info in builder.info.splits.items():
        try:
            sizes = [tf.io.gfile.stat(path).length for path in info.filepaths]
        except tf.errors.OpError as error:
            raise _damaged(
                builder, f"a file of {split!r} is missing"
            ) from error
        # The other formats may compress.
        framed = builder.info.file_format == tfds.core.FileFormat.TFRECORD
        if framed and sum(sizes) < info.num_bytes:
            raise _damaged(builder, f"a file of {split!r} is cut short")


def _damaged(builder, reason):
    return ValueError(
        "Invalid value received for argument `data_dir`. Expected a folder "
        f"with an intact copy of `{builder.name}`. Received: "
        f"{builder.data_dir}, where {reason}. Delete that folder and prepare "
        "the data set again."
    )
