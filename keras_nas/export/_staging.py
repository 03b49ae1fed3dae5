"""Writes that happen completely or not at all."""

import contextlib
import os
import pathlib
import tempfile


@contextlib.contextmanager
def staged_write(path, overwrite=False, folder=False):
    """Yields a path to write to and moves the result to `path` at the end.

    The file or folder is written inside a temporary folder next to `path`,
    hence on the same file system, and moved there when the block ends. When
    the block raises, nothing is left behind.

    Args:
        path: Where the file or the SavedModel folder should be in the end.
        overwrite: Boolean. Whether a file, or a SavedModel, that is there
            already may be replaced.
        folder: Boolean. Whether a folder is written, not a file.

    Yields:
        `pathlib.Path` with the name of `path`, in the temporary folder.

    Raises:
        FileExistsError: If `path` exists and may not be replaced.
        OSError: If the folder of `path` cannot be written.
        ValueError: If `path` is no local path.

    Example:

    ```python
    with staged_write("model.tflite") as staging:
        staging.write_bytes(content)
    ```
    """
    path = _check_destination(path, overwrite, folder)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = tempfile.TemporaryDirectory(
            prefix=f".{path.name}.", dir=path.parent
        )
    except OSError as error:
        raise type(error)(
            "Invalid value received for argument `path`. Expected a path in a "
            f"folder that can be written. Received: path={str(path)!r} "
            f"({error}). Choose another folder or change its permissions."
        ) from error
    with temporary as name:
        staging = pathlib.Path(name) / path.name
        yield staging
        _move(staging, path, aside=pathlib.Path(name) / "replaced")


def _check_destination(path, overwrite, folder):
    if not isinstance(path, (str, os.PathLike)) or "://" in str(path):
        raise ValueError(
            "Invalid value received for argument `path`. Expected a path on a "
            f"local file system. Received: path={path!r}. Write to a local "
            "path first and copy the result."
        )
    path = pathlib.Path(path).absolute()
    if not path.exists():
        return path
    if not overwrite:
        raise FileExistsError(
            "Invalid value received for argument `path`. Expected a path that "
            f"does not exist yet. Received: path={str(path)!r}. Pass "
            "overwrite=True to replace it."
        )
    if not (_is_replaceable_folder(path) if folder else path.is_file()):
        raise FileExistsError(
            "Invalid value received for argument `path`. Expected an export "
            f"of the same kind to replace. Received: path={str(path)!r}, "
            "which is something else and is left alone. Choose another path."
        )
    return path


def _is_replaceable_folder(path):
    return path.is_dir() and (is_saved_model(path) or not any(path.iterdir()))


def is_saved_model(path):
    """Returns whether `path` is a SavedModel folder."""
    return (pathlib.Path(path) / "saved_model.pb").is_file()


def _move(source, path, aside):
    if not path.is_dir():
        os.replace(source, path)
        return
    # A folder cannot be replaced in one step; the old one comes back if the
    # new one does not arrive.
    os.replace(path, aside)
    try:
        os.replace(source, path)
    except OSError:
        os.replace(aside, path)
        raise
