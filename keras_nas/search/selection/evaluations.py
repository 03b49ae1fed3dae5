"""Evaluations: what is known about the networks of a space, kept in files."""

import math
import numbers
import time
import warnings

import numpy as np

from keras_nas.search.selection.network_costs import count_memory
from keras_nas.search.selection.network_costs import measure_litert_latency
from keras_nas.search.selection.result_files import ResultFiles
from keras_nas.spaces.architecture import Architecture
from keras_nas.spaces.decision_indices import decisions_of_indices
from keras_nas.spaces.decision_indices import read_indices
from keras_nas.spaces.search_space import SearchSpace

_COUNTS = ("macs", "params")
_KEPT = ("accuracy", *_COUNTS, "memory", "decisions", "seconds")
_POLL_SECONDS = 0.2
_QUIET_SECONDS = 10


class Evaluations:
    """Evaluates networks of a space once, in one process or in many.

    Use it below a search such as `CoarseToFine`. Each result is a line of JSON
    in a file of the folder, written at once: `decisions`, `accuracy` or a cost
    that was measured, `macs`, `params` and `seconds`. Run the same program
    again after an interruption, and it evaluates what is missing only.

    To spread the work, run the same program several times, on machines that
    share the folder, each with another `worker`. All of them come to the same
    results: each evaluates its share of every list and waits for the others.
    Measured costs, such as the latency, are those of worker 0; for another
    machine, take another folder.

    Args:
        folder: Path of the folder of the results; made if missing. `None`
            keeps them in memory.
        space: A `SearchSpace`.
        evaluate: Function that takes an `Architecture` and returns its
            accuracy, a finite number; more is better.
        worker: Integer from 0, which of the workers this is.
        workers: Integer, how many there are.
        classes: Integer, the number of logits of the networks, for costs.
        costs: Dictionary from names to functions that take an `Architecture`
            and return a number: costs to measure besides `"latency"`, or in
            its place. They must not fall from an option to the next: what is
            larger in all decisions than a network above a budget is taken to
            be above it, too.
        source: String, number, or list or dictionary of those: what accuracies
            come from, such as the name of a checkpoint. A folder of another
            source is refused.
        patience: Float, seconds without any result of the other workers, after
            which this one evaluates what they have left.

    Attributes:
        space: The space.
        classes: The number of logits.
        measured: Tuple of the names of costs that have to be measured; all
            others are counted.

    Raises:
        ValueError: If an argument is invalid, or the folder has results of
            another space or source.

    Reference:
        BigNAS: Scaling Up Neural Architecture Search with Big Single-Stage
        Models, Section 4.4: "the post-search step is highly parallelizable and
        independent of training".

    Example:

    >>> from keras_nas import search, spaces
    >>> space = spaces.smoke_big_nas()
    >>> def evaluate(architecture):  # In earnest, on training images.
    ...     return architecture.decisions["resolution"] / 10
    >>> evaluations = search.Evaluations(None, space, evaluate, classes=10)
    >>> evaluations.accuracies([space.smallest(), space.biggest()]).tolist()
    [0.6, 0.8]
    >>> evaluations.costs("macs", [space.smallest()]).tolist()
    [16784.0]
    """

    def __init__(
        self,
        folder,
        space,
        evaluate,
        worker=0,
        workers=1,
        classes=1000,
        costs=None,
        source=None,
        patience=600.0,
    ):
        costs = {} if costs is None else costs
        _check(folder, space, evaluate, worker, workers, costs, patience)
        self.space, self.classes = space, classes
        self._worker, self._workers = worker, workers
        self._patience, self._is_alone = patience, False
        self.measured = tuple(dict.fromkeys(["latency", *costs]))
        self._functions = {
            "accuracy": evaluate,
            "memory": lambda a: count_memory(space.build(a, classes)),
            "latency": lambda a: measure_litert_latency(
                space.build(a, classes)
            ),
            **costs,
        }
        self._known = {key: {} for key in (*self._functions, *_COUNTS)}
        self._files = None
        if folder is not None:
            header = {
                "space": space.name,
                "decisions": space.decisions,
                "classes": classes,
                "source": source,
            }
            self._files = ResultFiles(folder, worker, header)
            self._read()

    def accuracies(self, architectures):
        """Returns the accuracies of networks, evaluating the unknown ones.

        Args:
            architectures: List of `Architecture`s of the space, or integer
                array of the indices of their options.

        Returns:
            Float array.

        Raises:
            ValueError: If they are not of the space, or an accuracy is no
                finite number.
        """
        return self._values("accuracy", architectures)

    def costs(self, name, architectures):
        """Returns what networks cost.

        Args:
            name: `"macs"` or `"params"`, which are counted; `"memory"`, bytes
                of parameters and activations in float32, counted after the
                network is built; `"latency"`, milliseconds in LiteRT on the
                machine of worker 0, which takes seconds for each network; or a
                name of the argument `costs`.
            architectures: As in `accuracies`.

        Returns:
            Float array.

        Raises:
            ValueError: If they are not of the space, or there is no such cost.
        """
        self.check_cost(name)
        if name in _COUNTS:
            rows = read_indices(self.space, architectures)
            return self._counts(rows)[_COUNTS.index(name)].astype("float64")
        return self._values(name, architectures)

    def check_cost(self, name):
        """Raises a `ValueError` unless there is a cost of a name.

        Args:
            name: As in `costs`.
        """
        names = [*_COUNTS, *[n for n in self._functions if n != "accuracy"]]
        if name not in names:
            raise _invalid("cost", f"one of {names}", name)

    def known(self):
        """Returns all networks whose accuracies are known, to any worker.

        Returns:
            Integer array of the indices of their options, in the order of the
            space's decisions, and float array of their accuracies.
        """
        self._read()
        known = sorted(self._known["accuracy"].items())
        shape = (len(known), len(self.space.decisions))
        rows = np.array([key for key, _ in known], "int64").reshape(shape)
        return rows, np.array([value for _, value in known], "float64")

    def _values(self, name, architectures):
        rows = read_indices(self.space, architectures)
        keys = [tuple(row) for row in rows.tolist()]
        self._read()
        if name in self.measured:
            mine = keys if self._worker == 0 else []
        else:
            mine = list(dict.fromkeys(keys))[self._worker :: self._workers]
        for key in mine:
            self._evaluate(name, key)
        missing = self._wait(name, keys)
        # Those who are left of the workers begin at different places.
        first = len(missing) * self._worker // self._workers
        for key in missing[first:] + missing[:first]:
            self._evaluate(name, key)
        return np.array([self._known[name][key] for key in keys], "float64")

    def _wait(self, name, keys):
        """Waits for the others' results, and returns what they leave."""
        news = told = time.monotonic()
        missing = self._missing(name, keys)
        while missing and not self._is_alone:
            time.sleep(_POLL_SECONDS)
            now = time.monotonic()
            if self._read():
                news, missing = now, self._missing(name, keys)
            elif now - news > self._patience:
                self._is_alone = True
                warnings.warn(
                    f"No results of the other workers for {self._patience:g} s."
                    f" Worker {self._worker} of {self._workers} evaluates the "
                    f"{len(missing)} that they have left.",
                    stacklevel=4,
                )
            elif now - told > _QUIET_SECONDS:
                told = math.inf
                print(
                    f"Worker {self._worker} of {self._workers} waits for the "
                    f"{name} of {len(missing)} networks from others.",
                    flush=True,
                )
        return missing

    def _missing(self, name, keys):
        known = self._known[name]
        return [key for key in dict.fromkeys(keys) if key not in known]

    def _evaluate(self, name, key):
        """Evaluates a network, unless it or another worker has done so."""
        if self._workers > 1:
            self._read()
        if key in self._known[name]:
            return
        row = np.array([key], "int64").reshape(1, -1)
        (decisions,) = decisions_of_indices(self.space, row)
        start = time.perf_counter()
        value = self._functions[name](Architecture(self.space.name, decisions))
        seconds = time.perf_counter() - start
        value = _as_finite(name, value)
        self._known[name][key] = value
        if self._files is not None:
            macs, params = self._counts(row)
            self._files.append(
                {
                    "decisions": decisions,
                    name: value,
                    "macs": int(macs[0]),
                    "params": int(params[0]),
                    "seconds": round(seconds, 3),
                }
            )

    def _counts(self, rows):
        """Returns the multiply-adds and the parameters, two arrays."""
        if hasattr(self.space, "costs"):
            return self.space.costs(rows, self.classes)
        macs, params = (self._known[name] for name in _COUNTS)
        keys = [tuple(row) for row in rows.tolist()]
        for key, row in zip(keys, rows, strict=True):
            if key not in params:
                (decisions,) = decisions_of_indices(self.space, row[None])
                architecture = Architecture(self.space.name, decisions)
                cost = self.space.cost(architecture, self.classes)
                macs[key], params[key] = cost.macs, cost.params
        return [np.array([v[k] for k in keys], "int64") for v in (macs, params)]

    def _read(self):
        """Takes in what is new in the files; whether there was anything."""
        records = [] if self._files is None else self._files.read()
        for record in records:
            architecture = Architecture(self.space.name, record["decisions"])
            (key,) = read_indices(self.space, [architecture]).tolist()
            for name, known in self._known.items():
                if name in record:
                    known.setdefault(tuple(key), record[name])
        self._is_alone = self._is_alone and not records
        return bool(records)


def _as_finite(name, value):
    value = float(value)
    if not math.isfinite(value):
        raise ValueError(
            f"Invalid {name} of a network. Expected a finite number. "
            f"Received: {value}"
        )
    return value


def _check(folder, space, evaluate, worker, workers, costs, patience):
    if not isinstance(space, SearchSpace):
        raise _invalid("space", "a `SearchSpace`", space)
    if not callable(evaluate):
        raise _invalid("evaluate", "a function", evaluate)
    if type(workers) is not int or workers < 1:
        raise _invalid("workers", "a positive integer", workers)
    if type(worker) is not int or not 0 <= worker < workers:
        raise _invalid("worker", f"an integer from 0 to {workers - 1}", worker)
    if folder is None and workers > 1:
        raise _invalid("folder", "a folder, with several workers", folder)
    is_costs = isinstance(costs, dict) and not set(costs) & set(_KEPT)
    if not is_costs or not all(map(callable, costs.values())):
        expected = f"functions by names other than {list(_KEPT)}"
        raise _invalid("costs", expected, costs)
    if not isinstance(patience, numbers.Real) or not patience >= 0:
        raise _invalid("patience", "seconds >= 0", patience)


def _invalid(argument, expected, received):
    return ValueError(
        f"Invalid value received for argument `{argument}`. Expected "
        f"{expected}. Received: {argument}={received!r}"
    )
