import pytest
import tensorflow_datasets as tfds

from keras_nas.data import PhotoPatches
from tests.data.tiny_builder import TinyForTests


@pytest.fixture(scope="session", autouse=True)
def quiet():
    tfds.disable_progress_bar()


@pytest.fixture(scope="session")
def photo_dir(tmp_path_factory):
    """Folder in which `photo_patches` is prepared, once for all tests."""
    folder = tmp_path_factory.mktemp("photo_patches")
    PhotoPatches(data_dir=folder).download_and_prepare()
    return str(folder)


@pytest.fixture(scope="session")
def tiny_dir(tmp_path_factory):
    """Folder in which all configurations of the tiny data set are prepared."""
    folder = tmp_path_factory.mktemp("tiny")
    for config in TinyForTests.BUILDER_CONFIGS:
        TinyForTests(config=config, data_dir=folder).download_and_prepare()
    return str(folder)
