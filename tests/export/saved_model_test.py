import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_nas.export import export_saved_model

_SERVE = """
import sys
import numpy as np
import tensorflow as tf
images = tf.constant(np.load(sys.argv[2]), tf.float32)
loaded = tf.saved_model.load(sys.argv[1])
outputs = loaded.signatures["serving_default"](image=images)
np.save(sys.argv[3], outputs["output_0"].numpy())
assert "keras_nas" not in sys.modules
"""


def test_saved_model_serves_in_a_fresh_process(
    mbconv, images, artifacts, tmp_path
):
    np.save(tmp_path / "images.npy", images)
    subprocess.run(
        [
            sys.executable,
            "-c",
            _SERVE,
            artifacts["saved_model"],
            tmp_path / "images.npy",
            tmp_path / "outputs.npy",
        ],
        check=True,
        cwd=tmp_path,
    )
    expected = keras.ops.convert_to_numpy(mbconv(images))
    outputs = np.load(tmp_path / "outputs.npy")
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-5)


def test_existing_folder_is_replaced_only_on_request(mbconv, tmp_path):
    path = export_saved_model(mbconv, tmp_path / "saved_model")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        export_saved_model(mbconv, path)
    spec = keras.InputSpec(dtype="float32", shape=(2, 16, 16, 3))
    export_saved_model(mbconv, path, input_signature=spec, overwrite=True)
    loaded = keras.layers.TFSMLayer(path)
    assert loaded(np.zeros((2, 16, 16, 3), "float32")).shape == (2, 5)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["model.keras", "model.tflite"])
def test_name_of_a_file_is_refused(mbconv, name, tmp_path):
    with pytest.raises(ValueError, match="name of a folder"):
        export_saved_model(mbconv, tmp_path / name)
