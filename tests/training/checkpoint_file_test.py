"""Files of checkpoints that are torn, altered, or cannot be written."""

import json
import os
import warnings

import keras
import numpy as np
import pytest

from keras_nas.training import Checkpoint
from keras_nas.training import checkpoint_file


def write(folder, epoch, keep=9):
    metadata = {"epoch": epoch, "logs": [{"loss": float("nan")}] * epoch}
    arrays = {"a": np.full((2, 3), epoch, "float32"), "b": np.uint32([7])}
    checkpoint_file.write(folder, (epoch, 0), metadata, arrays, keep)
    return checkpoint_file.find(folder)[0]


def model():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


def fit(model, *callbacks, epochs=1):
    x = np.ones((4, 2), "float32")
    model.fit(x, x[:, :1], epochs=epochs, verbose=0, callbacks=list(callbacks))


def test_what_is_written_is_read(tmp_path):
    path = write(tmp_path, 3)
    found, metadata, arrays = checkpoint_file.read_newest(tmp_path)
    assert found == path
    assert metadata["epoch"] == 3
    assert np.isnan(metadata["logs"][2]["loss"])
    np.testing.assert_array_equal(arrays["a"], np.full((2, 3), 3.0))
    assert arrays["b"].dtype == "uint32"


def test_file_is_an_archive_that_numpy_reads(tmp_path):
    fit(model(), Checkpoint(tmp_path))
    with np.load(checkpoint_file.find(tmp_path)[0]) as archive:
        metadata = json.loads(archive["metadata"].tobytes())
        assert archive["model_0"].shape == (2, 1)
    assert metadata["epoch"] == 1
    assert metadata["structure"] is None


def test_nothing_is_there_at_first(tmp_path):
    for folder in (tmp_path, tmp_path / "missing"):
        assert checkpoint_file.read_newest(folder) is None
        assert Checkpoint(folder).epoch == 0
        assert Checkpoint(folder).history == {}
    assert not (tmp_path / "missing").exists()


def test_every_altered_byte_and_every_tear_is_noticed(tmp_path):
    write(tmp_path, 1)
    path = write(tmp_path, 2)
    whole = path.read_bytes()
    for index in range(0, len(whole), 7):
        altered = bytearray(whole)
        altered[index] ^= 1
        for content in (altered, whole[:index]):
            path.write_bytes(content)
            with pytest.warns(UserWarning, match="002.npz' is damaged"):
                newest = checkpoint_file.read_newest(tmp_path)
            assert newest[1]["epoch"] == 1
    path.write_bytes(whole)
    assert checkpoint_file.read_newest(tmp_path)[1]["epoch"] == 2


def test_training_resumes_from_the_last_good_file_and_replaces_the_other(
    tmp_path,
):
    fit(model(), Checkpoint(tmp_path), epochs=3)
    newest = checkpoint_file.find(tmp_path)[0]
    newest.write_bytes(newest.read_bytes()[:-1])
    checkpoint = Checkpoint(tmp_path)
    with pytest.warns(UserWarning, match="checkpoint-000003.npz' is damaged"):
        fit(model(), checkpoint, epochs=3)
    assert len(checkpoint.history["loss"]) == 3
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Checkpoint(tmp_path).epoch == 3


def test_all_damaged_is_an_error_that_says_what_to_do(tmp_path):
    for epoch in (1, 2):
        write(tmp_path, epoch).write_bytes(b"")
    names = "checkpoint-000002.npz.*checkpoint-000001.npz"
    with pytest.warns(UserWarning, match="damaged"):
        with pytest.raises(ValueError, match=f"{names}.*Delete the folder"):
            fit(model(), Checkpoint(tmp_path))


def test_newest_files_are_kept(tmp_path):
    fit(model(), Checkpoint(tmp_path, keep=3), epochs=5)
    (tmp_path / "notes.txt").write_text("mine")
    fit(model(), Checkpoint(tmp_path, keep=2), epochs=6)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "checkpoint-000005.npz",
        "checkpoint-000006.npz",
        "notes.txt",
    ]


@pytest.mark.parametrize("keep", [0, -1, 2.0, True, None])
def test_keep_is_a_positive_integer(keep, tmp_path):
    with pytest.raises(ValueError, match="`keep`. Expected a positive"):
        Checkpoint(tmp_path, keep=keep)


def test_order_is_that_of_numbers(tmp_path):
    for epoch in (999_999, 1_000_000, 1_000_001):
        write(tmp_path, epoch, keep=2)
    assert [path.name for path in checkpoint_file.find(tmp_path)] == [
        "checkpoint-1000001.npz",
        "checkpoint-1000000.npz",
    ]


def test_failed_write_leaves_the_files_as_they_were(tmp_path, monkeypatch):
    write(tmp_path, 1)

    def fail(*_):
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="no space"):
        write(tmp_path, 2)
    monkeypatch.undo()
    assert checkpoint_file.read_newest(tmp_path)[1]["epoch"] == 1
    write(tmp_path, 2)
    assert len(list(tmp_path.iterdir())) == 2


def test_folder_that_cannot_be_written_to_is_told_before_training(
    tmp_path, monkeypatch
):
    (tmp_path / "file").write_text("")
    network = model()
    message = "`directory`. Expected a folder that can be written to"
    with pytest.raises(ValueError, match=message):
        fit(network, Checkpoint(tmp_path / "file"))

    def refuse(*_):
        raise PermissionError("read-only")

    monkeypatch.setattr("pathlib.Path.write_bytes", refuse)
    with pytest.raises(ValueError, match=f"{message}.*read-only"):
        fit(network, Checkpoint(tmp_path / "folder"))
    assert int(network.optimizer.iterations) == 0
