"""The files of `Checkpoint`: arrays and JSON, written at once or not at all.

A file is a NumPy `.npz` archive, so a zip file. Its comment is the SHA-256 of
all bytes before the comment.
"""

import hashlib
import io
import json
import os
import pathlib
import re
import warnings
import zipfile

import numpy as np

_NAME = re.compile(r"checkpoint-(\d+)(?:-(\d+))?\.npz")
_METADATA = "metadata"
_DIGITS = 64  # Of a SHA-256.


class _DamagedFile(Exception):
    """A file that is not as it was written."""


def write(directory, number, metadata, arrays, keep):
    """Writes a file, so that it is whole or not there after any failure.

    Args:
        directory: Path of the folder.
        number: Tuple of integers, how many epochs are done, and how many
            steps of the next one.
        metadata: Dict that JSON can hold.
        arrays: Dict of NumPy arrays.
        keep: Integer, so many of the newest files stay.
    """
    epoch, step = number
    name = f"checkpoint-{epoch:06d}" + (f"-{step:08d}" if step else "")
    path = pathlib.Path(directory) / f"{name}.npz"
    # One name for all, so that what a killed process left is overwritten.
    temporary = path.with_name("checkpoint.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(_pack(metadata, arrays))
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)  # It would keep the disk full.
        raise
    _sync(path.parent)
    # Newer ones than this are damaged, else training had begun there.
    paths = find(directory)
    for old in paths[paths.index(path) :][keep:]:
        old.unlink()


def check_writable(directory):
    """Makes the folder, or raises an `OSError` if it cannot be written to."""
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    probe = directory / "checkpoint.tmp"
    probe.write_bytes(b"")
    probe.unlink()


def find(directory):
    """Returns the paths of all files of a folder, the newest first."""
    directory = pathlib.Path(directory)
    found = directory.iterdir() if directory.is_dir() else []
    named = [(_NAME.fullmatch(path.name), path) for path in found]
    numbered = [
        ((int(match[1]), int(match[2] or 0)), path)
        for match, path in named
        if match
    ]
    return [path for _, path in sorted(numbered, reverse=True)]


def read_newest(directory):
    """Returns what was written last, and is whole.

    Args:
        directory: Path of the folder, which need not exist.

    Returns:
        A tuple `(path, metadata, arrays)`; `None` if there are no files.

    Raises:
        ValueError: If there are files and all of them are damaged.
    """
    paths = find(directory)
    for path in paths:
        try:
            return path, *_unpack(path.read_bytes())
        except (_DamagedFile, OSError) as error:
            warnings.warn(
                f"The checkpoint '{path}' is damaged and is skipped: {error}",
                stacklevel=2,
            )
    if paths:
        raise ValueError(
            "Invalid value received for argument `directory`. Expected a "
            "folder with a checkpoint that is whole, or with none. Received: "
            f"directory={str(directory)!r}, where all are damaged: "
            f"{[path.name for path in paths]}. Delete the folder to begin "
            "anew, or restore one of the files."
        )
    return None


def _pack(metadata, arrays):
    text = json.dumps(metadata).encode()
    buffer = io.BytesIO()
    np.savez(buffer, **{_METADATA: np.frombuffer(text, "uint8")}, **arrays)
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.comment = b"0" * _DIGITS
    content = buffer.getvalue()[:-_DIGITS]
    return content + _digest(content)


def _unpack(data):
    content, digest = data[:-_DIGITS], data[-_DIGITS:]
    if digest != _digest(content):
        raise _DamagedFile(
            f"the SHA-256 of its {len(data)} bytes is not the one it holds."
        )
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        arrays = dict(archive)
    metadata = json.loads(arrays.pop(_METADATA).tobytes())
    return metadata, arrays


def _digest(content):
    return hashlib.sha256(content).hexdigest().encode()


def _sync(directory):
    """Makes the new name outlast a power failure, where that is possible."""
    if os.name == "posix":
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
