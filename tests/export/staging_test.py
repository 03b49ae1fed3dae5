import pytest

from keras_nas.export import export_litert
from keras_nas.export import export_saved_model
from keras_nas.export._staging import staged_write


@pytest.mark.parametrize("export", [export_litert, export_saved_model])
def test_unwritable_folder_is_refused_before_the_work(
    export, mbconv, monkeypatch, tmp_path
):
    monkeypatch.setattr(
        type(mbconv), "export", lambda *args, **kwargs: pytest.fail("too late")
    )
    (tmp_path / "file").touch()
    suffix = ".tflite" if export is export_litert else ""
    with pytest.raises(OSError, match="folder that can be written"):
        export(mbconv, tmp_path / "file" / f"model{suffix}")


def test_path_on_another_system_is_refused():
    with pytest.raises(ValueError, match="local file system"):
        with staged_write("gs://bucket/model.tflite"):
            pass


def test_folder_with_other_things_is_never_replaced(tmp_path):
    precious = tmp_path / "folder" / "thesis.txt"
    precious.parent.mkdir()
    precious.touch()
    with pytest.raises(FileExistsError, match="left alone"):
        with staged_write(tmp_path / "folder", overwrite=True, folder=True):
            pass
    with pytest.raises(FileExistsError, match="left alone"):
        with staged_write(precious, overwrite=True, folder=True):
            pass
    assert precious.is_file()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_interrupted_write_leaves_what_was_there(error, tmp_path):
    path = tmp_path / "saved_model"
    path.mkdir()
    (path / "saved_model.pb").write_text("old")
    with pytest.raises(error):
        with staged_write(path, overwrite=True, folder=True) as staging:
            staging.mkdir()
            (staging / "saved_model.pb").write_text("half")
            raise error
    assert (path / "saved_model.pb").read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_folder_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "saved_model"
    for content in ("old", "new"):
        with staged_write(path, overwrite=True, folder=True) as staging:
            staging.mkdir()
            (staging / "saved_model.pb").touch()
            (staging / content).touch()
    assert {item.name for item in path.iterdir()} == {"saved_model.pb", "new"}
    assert list(tmp_path.iterdir()) == [path]
