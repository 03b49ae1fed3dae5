"""FP-NAS under JAX, compiled; run by `fp_nas_processes_test.py`.

    KERAS_BACKEND=jax python -m tests.search.check_fp_nas_jax

prints, as JSON, what the training came to.
"""

import json
import sys

import keras
import numpy as np

from tests.fp_nas import decided
from tests.fp_nas import elastic_data
from tests.fp_nas import elastic_search
from tests.fp_nas import table_data
from tests.fp_nas import table_search


def main():
    search = elastic_search(warmup_epochs=1, joint_epoch=2)
    before = [keras.ops.convert_to_numpy(v) for v in search.model.weights]
    x, y = elastic_data()
    history = search.fit(
        x,
        y,
        batch_size=8,
        epochs=3,
        verbose=0,
        validation_data=(x, y),
        validation_freq=3,
    ).history
    after = [keras.ops.convert_to_numpy(v) for v in search.model.weights]
    table = table_search(
        samples_per_nat=2.0,
        joint_epoch=4,
        logits_optimizer=keras.optimizers.Adam(0.1),
    )
    table.fit(*table_data(160), batch_size=4, epochs=6, verbose=0)
    results = {
        "backend": keras.backend.backend(),
        "history": history,
        "moved": max(
            float(np.abs(a - b).max())
            for a, b in zip(before, after, strict=True)
        ),
        "is_joint": search.distribution.is_joint,
        "decided": decided(table),
    }
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main()
