"""Times how fast the costs of the networks of a space are known.

    python -m tools.benchmark_space_costs --space big_nas --json costs.json

Draws architectures as an array of indices, and prints how many of them
`space.costs` counts in a second, the median of several turns, beside the time
that its first call needs for the tables and that building and counting one
network takes. The costs of a few networks are compared with those of the built
ones.
"""

import argparse
import json
import statistics
import time

import keras
import numpy as np

from keras_nas import count_cost
from keras_nas import spaces


def measure(space, number, turns, built, seed=0):
    """Returns the rates and times of a space, as plain data.

    Args:
        space: A space that has `costs` and `sample_indices`.
        number: Integer, how many architectures are counted in a turn.
        turns: Integer, the number of turns.
        built: Integer, how many networks are built and compared.
        seed: Integer seed of the draws.

    Raises:
        RuntimeError: If a built network has another cost.
    """
    indices = space.sample_indices(number, seed)
    start = time.perf_counter()
    macs, params = space.costs(indices[:1])
    tables = time.perf_counter() - start
    rates = []
    for _ in range(turns):
        start = time.perf_counter()
        macs, params = space.costs(indices)
        rates.append(number / (time.perf_counter() - start))
    seconds = []
    for row, architecture in enumerate(space.from_indices(indices[:built])):
        start = time.perf_counter()
        cost = count_cost(space.build(architecture))
        seconds.append(time.perf_counter() - start)
        expected, received = (cost.macs, cost.params), (macs[row], params[row])
        if expected != received:
            raise RuntimeError(
                f"The costs of {architecture} are {expected}, and not "
                f"{received} as the tables have them."
            )
    return {
        "space": space.name,
        "architectures": number,
        "turns": turns,
        "architectures_per_second": round(statistics.median(rates)),
        "slowest_turn": round(min(rates)),
        "seconds_for_tables": round(tables, 3),
        "seconds_to_build_one": round(statistics.median(seconds), 3),
        "built_and_equal": built,
        "smallest_macs": int(macs.min()),
        "largest_macs": int(macs.max()),
    }


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--space", default="big_nas")
    parser.add_argument("--number", type=int, default=200_000)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--built", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", help="file to write the numbers to")
    arguments = parser.parse_args(arguments)
    result = measure(
        spaces.find_space(arguments.space),
        arguments.number,
        arguments.turns,
        arguments.built,
        arguments.seed,
    )
    for key, value in result.items():
        print(f"{key:26}{value:>16,}" if key != "space" else f"{key:26}{value}")
    if arguments.json:
        versions = {"keras": keras.__version__, "numpy": np.__version__}
        with open(arguments.json, "w") as file:
            json.dump({**result, "versions": versions}, file, indent=1)
            file.write("\n")


if __name__ == "__main__":
    main()
