"""Writes the latency table of a network or of a search space.

    python -m tools.measure_latency --model=residual --image_size=16 table.json
    python -m tools.measure_latency --space=small_mbconv table.json

measures each layer by itself on this machine, in LiteRT, for
`--cost=latency --latency_table=table.json` of the experiments. The table of a
space has the layers of its supernet and of its largest network.
"""

import argparse

import keras_nas
from keras_nas import spaces
from keras_nas.export.latency import measure_latencies


def measure(arguments):
    """Returns the table that the arguments ask for."""
    runs = (arguments.num_threads, arguments.num_runs)
    if arguments.model:
        shape = (arguments.image_size, arguments.image_size, 3)
        model = spaces.find_network(arguments.model, shape, arguments.classes)
        return keras_nas.measure_latency(model, *runs)
    space = spaces.find_space(arguments.space)
    supernet = space.supernet(arguments.classes)
    largest = space.build(space.biggest(), arguments.classes)
    return measure_latencies([supernet, largest], *runs)


def main(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--model", help="Network, as --model of figs.")
    what.add_argument("--space", help="Space, as --space of dmasking.")
    parser.add_argument(
        "--image_size", type=int, default=224, help="With --model."
    )
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--num_threads", type=int, default=1)
    parser.add_argument("--num_runs", type=int, default=200)
    parser.add_argument("path", help="JSON file to write.")
    arguments = parser.parse_args(argv)
    try:
        table = measure(arguments)
        table.save(arguments.path)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    print(table)


if __name__ == "__main__":
    main()
