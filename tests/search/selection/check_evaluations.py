"""A selection that kills its own process; run by its test.

    python -m tests.search.selection.check_evaluations FOLDER CALLS

dies in the call of that number, counted from 1.
"""

import os
import signal
import sys

from keras_nas.search import CoarseToFine
from keras_nas.search import Evaluations
from tests.search.selection import selecting


def main(folder, calls):
    accuracies = selecting.KnownAccuracies(selecting.SMOKE)

    def evaluate(architecture):
        if len(accuracies.calls) + 1 == calls:
            os.kill(os.getpid(), signal.SIGKILL)
        return accuracies(architecture)

    evaluations = Evaluations(folder, accuracies.space, evaluate, classes=10)
    CoarseToFine(evaluations, mutations=5).select(20_000)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
