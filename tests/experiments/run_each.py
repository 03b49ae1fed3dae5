"""Runs a binary for each of several lists of flags; imports happen once.

    python -m tests.experiments.run_each MODULE FILE

FILE is JSON, a list of lists of flags. Each run is a process of its own, forked
from one that has imported what they share and has computed nothing. Writes
their exit codes and output as JSON to stdout.
"""

import json
import os
import runpy
import sys
import tempfile

from experiments import experiment  # noqa: F401  # The slow part, once.


def _start(module, flags, stdout, stderr):
    """Returns the id of a new process that runs the binary."""
    process = os.fork()
    if process == 0:
        os.dup2(stdout.fileno(), 1)
        os.dup2(stderr.fileno(), 2)
        sys.argv[1:] = flags
        runpy.run_module(
            f"experiments.{module}", run_name="__main__", alter_sys=True
        )
        sys.exit()
    return process


def _text(file):
    file.seek(0)
    return file.read().decode()


def main(module, path):
    results = []
    with open(path) as file:
        cases = json.load(file)
    for flags in cases:
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            _, status = os.waitpid(_start(module, flags, out, err), 0)
            code = os.waitstatus_to_exitcode(status)
            results.append([code, _text(out), _text(err)])
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
