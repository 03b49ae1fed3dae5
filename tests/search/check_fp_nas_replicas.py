"""FP-NAS on several replicas; run by `fp_nas_processes_test.py`.

    python -m tests.search.check_fp_nas_replicas REPLICAS

prints, as JSON, what the training came to.
"""

import json
import sys

import keras
import numpy as np

from tests.fp_nas import elastic_data
from tests.fp_nas import elastic_model
from tests.fp_nas import elastic_search
from tests.replicas import mirrored


def main(replicas):
    strategy = mirrored(replicas)
    with strategy.scope():
        # Statistics of half a batch would be others.
        search = elastic_search(
            elastic_model(with_norm=False, regularizer="l2"),
            warmup_epochs=1,
            joint_epoch=2,
            likelihood_temperature=4.0,
        )
        waiting = elastic_search(elastic_model(synchronized=True))
    x, y = elastic_data()
    refused = ""
    try:
        waiting.fit(x, y, batch_size=8, verbose=0)
    except ValueError as error:
        refused = str(error)
    history = search.fit(
        x, y, batch_size=8, epochs=4, shuffle=False, verbose=0
    ).history
    variables = [*search.variables, *search.optimizer.variables]
    results = {
        "refused": refused,
        "history": history,
        "steps": int(search.distribution.seed_generator.state.numpy()[1]),
        "weights": [
            float(np.abs(keras.ops.convert_to_numpy(v)).sum())
            for v in variables
            if v.dtype == "float32"
        ],
        "architecture": search.architecture().decisions,
    }
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main(int(sys.argv[1]))
