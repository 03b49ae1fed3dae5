"""Kills searches at random moments, again and again, and resumes them.

    python -m tests.check_resuming --kills=20 --output=results/resuming.json

For each of the five searches: a process trains it, with a checkpoint after
each step, and is killed by SIGKILL at a moment drawn at random; another one
goes on, and so on, until it was killed so many times and then has ended. After
every second kill the newest file is torn at a random byte, as by a power
failure. All variables and the architecture must be, bit for bit, those of a
process that nobody disturbed.
"""

import argparse
import hashlib
import json
import os
import pathlib
import random
import shutil
import signal
import tempfile
import time
import traceback
import warnings

import keras

from keras_nas.environment import environment
from keras_nas.training import Checkpoint
from tests import searches


class _Slow(keras.callbacks.Callback):
    """Spreads the steps, which take no time, over that of the process."""

    def on_train_batch_begin(self, batch, logs=None):
        time.sleep(0.2)


def _train(name, folder, result):
    """What a process does: trains, and writes what it came to."""
    warnings.simplefilter("ignore")
    search = searches.SEARCHES[name]()
    searches.fit(search, _Slow(), Checkpoint(folder, save_freq=1))
    digest = hashlib.sha256()
    for value in searches.state(search):
        digest.update(value.tobytes())
    temporary = result.with_suffix(".tmp")
    decisions = search.architecture().decisions
    temporary.write_text(json.dumps([decisions, digest.hexdigest()]))
    os.replace(temporary, result)


def _run(name, folder, result, seconds=None):
    """Trains in a new process; kills it after so many seconds.

    Returns:
        Whether it was killed before its end.
    """
    process = os.fork()  # Nothing of TensorFlow has begun here.
    if process == 0:
        status = 1
        try:
            _train(name, folder, result)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    end = None if seconds is None else time.monotonic() + seconds
    while True:
        done, status = os.waitpid(process, os.WNOHANG if end else 0)
        if done:
            code = os.waitstatus_to_exitcode(status)
            if code and code != -signal.SIGKILL:
                raise RuntimeError(f"A process of {name} ended with {code}")
            return code != 0
        if time.monotonic() >= end:
            os.kill(process, signal.SIGKILL)
            end = None
        time.sleep(0.005)


def _tear(folder, rng):
    """Cuts the newest file off; returns whether there was another one."""
    files = sorted(folder.glob("checkpoint-*.npz"))
    if len(files) < 2:
        return False
    content = files[-1].read_bytes()
    if not content:
        return False  # It was torn before.
    files[-1].write_bytes(content[: rng.randrange(len(content))])
    return True


def check(name, kills, folder, seed=0):
    """Returns what happened to a search, and whether it came out the same.

    Args:
        name: One of `searches.SEARCHES`.
        kills: Integer.
        folder: Path of an empty folder.
        seed: Integer, of the moments.
    """
    rng, folder = random.Random(f"{seed} {name}"), pathlib.Path(folder)
    undisturbed = folder / "undisturbed.json"
    start = time.monotonic()
    _run(name, folder / "undisturbed", undisturbed)
    seconds = time.monotonic() - start
    killed = torn = ends = 0
    outcomes = []
    while killed < kills or not outcomes:
        result, checkpoints = folder / "result.json", folder / "checkpoints"
        result.unlink(missing_ok=True)
        moment = rng.uniform(0.0, seconds) if killed < kills else None
        if _run(name, checkpoints, result, moment):
            killed += 1
            if killed % 2 == 0:
                torn += _tear(checkpoints, rng)
            continue
        ends += 1
        outcomes.append(result.read_text() == undisturbed.read_text())
        shutil.rmtree(checkpoints)
    return {
        "search": name,
        "kills": killed,
        "torn": torn,
        "ends": ends,
        "same": sum(outcomes),
        "architecture": json.loads(undisturbed.read_text())[0],
    }


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--searches", default=",".join(searches.SEARCHES))
    parser.add_argument("--output", help="JSON file for the results.")
    options = parser.parse_args()
    rows = []
    for name in options.searches.split(","):
        with tempfile.TemporaryDirectory() as folder:
            rows.append(check(name, options.kills, folder))
        row = rows[-1]
        print(
            f"{name}: killed {row['kills']} times, the newest file torn "
            f"{row['torn']} times; ended {row['ends']} times, "
            f"{row['same']} of them as undisturbed",
            flush=True,
        )
    if options.output:
        text = json.dumps({"searches": rows, **environment()}, indent=1)
        pathlib.Path(options.output).write_text(text + "\n")
    if any(row["same"] != row["ends"] for row in rows):
        raise SystemExit("Some searches came to something else.")


if __name__ == "__main__":
    main()
