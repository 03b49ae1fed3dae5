"""Runs binaries for lists of flags, one after the other; imports happen once.

    python -m tests.experiments.run_each

reads lines from stdin, each JSON of the name of a module of `experiments` and a
list of flags, and writes a line for each to stdout, JSON of the exit code and
the output. Each run is a process of its own, forked from one that has imported
what they share and has computed nothing.
"""

import gc
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
        with open(os.devnull) as nothing:
            os.dup2(nothing.fileno(), 0)
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


def main():
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)  # As in tests/conftest.py.
    # Not by iterating over lines, which would read ahead.
    while line := sys.stdin.readline():
        module, flags = json.loads(line)
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            _, status = os.waitpid(_start(module, flags, out, err), 0)
            code = os.waitstatus_to_exitcode(status)
            print(json.dumps([code, _text(out), _text(err)]), flush=True)


if __name__ == "__main__":
    main()
