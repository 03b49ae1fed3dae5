"""What the five searches come to, on replicas, workers, or resumed.

    python -m tests.check_searches replicas 2 figs,big_nas
    TF_CONFIG=... python -m tests.check_searches workers figs,big_nas FOLDER

print, as JSON, for each search its history, its architecture and
sums of its variables. Run by tests, since the devices of a process cannot be
changed once TensorFlow has started.
"""

import json
import os
import sys

import numpy as np

from keras_nas.training import Checkpoint
from keras_nas.training import find_strategy
from tests import searches


def _results(strategy, name, *callbacks):
    with strategy.scope():
        search = searches.SEARCHES[name]()
    history = searches.fit(search, *callbacks).history
    return {
        "history": history,
        "architecture": search.architecture().decisions,
        "variables": [
            float(np.abs(value).sum())
            for value in searches.state(search)
            if value.dtype.kind == "f"
        ],
    }


def main(how, *arguments):
    if how == "replicas":
        number, names = arguments
        strategy = find_strategy("mirrored", replicas=int(number))
        callbacks = {}
    else:
        names, folder = arguments
        strategy = find_strategy("multi_worker")
        callbacks = {
            name: [Checkpoint(os.path.join(folder, name))]
            for name in names.split(",")
        }
    results = {
        name: _results(strategy, name, *callbacks.get(name, ()))
        for name in names.split(",")
    }
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
