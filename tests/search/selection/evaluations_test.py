"""Evaluations: nothing twice, nothing lost, the same for all workers."""

import json
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from keras_nas import spaces
from keras_nas.search import CoarseToFine
from keras_nas.search import Evaluations
from keras_nas.search import EvolutionarySearch
from keras_nas.search.selection import evaluations as evaluations_file
from keras_nas.spaces import BigNASSpace
from tests.common import params_of
from tests.search.selection import selecting
from tests.search.selection.selecting import SMOKE
from tests.search.selection.selecting import KnownAccuracies
from tests.search.selection.selecting import new

BUDGETS = [20_000, 40_000, 80_000]


@pytest.fixture(autouse=True)
def _short_polls(monkeypatch):
    monkeypatch.setattr(evaluations_file, "_POLL_SECONDS", 0.01)


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_results_are_in_order_and_nothing_is_evaluated_twice():
    accuracies = KnownAccuracies(SMOKE)
    evaluations = new(accuracies)
    rows = accuracies.rows[[3, 1, 3, 2]]
    values = evaluations.accuracies(rows)
    assert values.tolist() == accuracies.values[[3, 1, 3, 2]].tolist()
    architectures = SMOKE.from_indices(accuracies.rows[[2, 5]])
    values = evaluations.accuracies(architectures)
    assert values.tolist() == accuracies.values[[2, 5]].tolist()
    assert len(accuracies.calls) == len(set(accuracies.calls)) == 4
    known = evaluations.known()
    assert known[0].tolist() == accuracies.rows[[1, 2, 3, 5]].tolist()
    assert known[1].tolist() == accuracies.values[[1, 2, 3, 5]].tolist()
    assert evaluations.accuracies([]).shape == (0,)


def test_files_can_be_read_while_evaluations_go_on(tmp_path):
    seen = []

    def evaluate(architecture):
        path = tmp_path / "new" / "evaluations_0.jsonl"
        seen.append(len(lines_of(path)) if path.exists() else 0)
        return 0.25

    evaluations = Evaluations(tmp_path / "new", SMOKE, evaluate, classes=10)
    evaluations.accuracies([SMOKE.smallest(), SMOKE.biggest()])
    assert seen == [0, 2]
    header, first, second = lines_of(tmp_path / "new" / "evaluations_0.jsonl")
    assert header["space"] == "smoke_big_nas"
    cost = SMOKE.cost(SMOKE.biggest(), 10)
    assert second.pop("seconds") >= 0
    assert second == {
        "decisions": SMOKE.biggest().decisions,
        "accuracy": 0.25,
        "macs": cost.macs,
        "params": cost.params,
    }
    assert first["decisions"] == SMOKE.smallest().decisions


def test_a_killed_process_loses_nothing(tmp_path):
    command = [sys.executable, "-m", "tests.search.selection.check_evaluations"]
    process = subprocess.run([*command, str(tmp_path), "14"], check=False)
    assert process.returncode == -signal.SIGKILL
    assert len(lines_of(tmp_path / "evaluations_0.jsonl")) == 1 + 13
    resumed = KnownAccuracies(SMOKE)
    found = CoarseToFine(new(resumed, tmp_path), mutations=5).select(20_000)
    whole = KnownAccuracies(SMOKE)
    assert found == CoarseToFine(new(whole), mutations=5).select(20_000)
    assert resumed.calls == whole.calls[13:]


@pytest.mark.parametrize("torn", [b"", b'{"decisions": {"resol', b"\0\0\0"])
def test_a_torn_last_line_is_no_result(tmp_path, torn):
    rows = selecting.all_indices(SMOKE)[:6]
    new(KnownAccuracies(SMOKE), tmp_path).accuracies(rows[:3])
    path = tmp_path / "evaluations_0.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + torn)
    # Another worker leaves the file alone.
    other = KnownAccuracies(SMOKE)
    new(other, tmp_path, worker=1, workers=2, patience=0)
    assert path.read_bytes() == whole + torn
    resumed = KnownAccuracies(SMOKE)
    values = new(resumed, tmp_path).accuracies(rows)
    assert values.tolist() == resumed.values[:6].tolist()
    assert len(resumed.calls) == 3
    assert path.read_bytes().startswith(whole)
    assert len(lines_of(path)) == 1 + 6


def test_a_torn_first_line_is_written_anew(tmp_path):
    path = tmp_path / "evaluations_0.jsonl"
    path.write_bytes(b'{"format": "ker')
    accuracies = KnownAccuracies(SMOKE)
    new(accuracies, tmp_path).accuracies(accuracies.rows[:2])
    assert lines_of(path)[0]["format"] == "keras_nas.Evaluations"
    new(accuracies, tmp_path).accuracies(accuracies.rows[:2])
    assert len(accuracies.calls) == 2


def run_workers(folder, count, select, delays=None):
    """Runs workers in threads; returns their accuracies and selections."""
    many, found = [KnownAccuracies(SMOKE) for _ in range(count)], [None] * count

    def work(worker):
        time.sleep((delays or [0] * count)[worker])
        evaluations = new(many[worker], folder, worker=worker, workers=count)
        found[worker] = select(evaluations)

    threads = [
        threading.Thread(target=work, args=(worker,)) for worker in range(count)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return many, found


@pytest.mark.parametrize(
    "selector",
    [
        lambda e: CoarseToFine(e, mutations=8),
        lambda e: EvolutionarySearch(e, population=8, generations=2),
    ],
    ids=["coarse to fine", "evolution"],
)
@pytest.mark.parametrize("delays", [(0, 0), (0, 0.3), (0.3, 0)])
def test_workers_share_the_work_and_agree(tmp_path, selector, delays):
    SMOKE.costs([SMOKE.smallest()], 10)  # Tables are made once.
    accuracies = KnownAccuracies(SMOKE)
    one = selector(new(accuracies)).select_family(BUDGETS)

    def select(evaluations):
        return selector(evaluations).select_family(BUDGETS)

    many, found = run_workers(tmp_path, 2, select, delays)
    assert found == [one, one]
    calls = many[0].calls + many[1].calls
    assert sorted(calls) == sorted(accuracies.calls)
    assert min(len(m.calls) for m in many) > len(calls) // 4


def test_a_dead_worker_loses_nothing(tmp_path):
    accuracies = KnownAccuracies(SMOKE)
    alone = new(accuracies, tmp_path, worker=1, workers=3, patience=0.05)
    with pytest.warns(UserWarning, match="Worker 1 of 3 evaluates the 21"):
        found = alone.accuracies(accuracies.rows)
    assert found.tolist() == accuracies.values.tolist()
    assert len(accuracies.calls) == len(accuracies.rows) == 32
    # Then it does not wait again, until the others are back.
    start = time.monotonic()
    macs = alone.costs("memory", accuracies.rows[:2])
    assert time.monotonic() - start < 5 and len(macs) == 2


def test_measured_costs_are_those_of_the_first_worker(tmp_path):
    measured = [[], []]

    def select(evaluations):
        return CoarseToFine(evaluations, "energy", mutations=8).select(50.0)

    def work(worker):
        accuracies = KnownAccuracies(SMOKE)

        def energy(architecture):
            measured[worker].append(architecture)
            macs, _ = SMOKE.costs([architecture], 10)
            return macs[0] / 1000 + worker  # Another machine, another cost.

        kwargs = {"worker": worker, "workers": 2, "costs": {"energy": energy}}
        found[worker] = select(new(accuracies, tmp_path, **kwargs))

    SMOKE.costs([SMOKE.smallest()], 10)
    found = [None, None]
    threads = [threading.Thread(target=work, args=(w,)) for w in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found[0] == found[1] and found[0].cost <= 50
    assert measured[0] and not measured[1]


def test_memory_is_that_of_parameters_and_tensors():
    evaluations = new(KnownAccuracies(SMOKE))
    smallest = SMOKE.smallest()
    # 6x6 pixels: the block's input of 8 channels, which the shortcut needs,
    # and the expanded map of 16 channels in front of and behind BatchNorm.
    peak = 36 * 8 + 2 * 36 * 16
    params = params_of(SMOKE.build(smallest, 10))
    memory = evaluations.costs("memory", [smallest])
    assert memory.tolist() == [4 * (peak + params)]


def test_latency_is_measured_once_and_kept(tmp_path, monkeypatch):
    evaluations = new(KnownAccuracies(SMOKE), tmp_path)
    ends = [SMOKE.smallest(), SMOKE.biggest()]
    first = evaluations.costs("latency", ends)
    # Microseconds of networks with some ten thousand multiply-adds.
    assert (first > 0).all() and (first < 10).all()

    def fail(model):
        raise AssertionError("measured again")

    monkeypatch.setattr(evaluations_file, "measure_litert_latency", fail)
    accuracies = KnownAccuracies(SMOKE)
    again = new(accuracies, tmp_path)
    assert again.costs("latency", ends).tolist() == first.tolist()
    found = CoarseToFine(again, "latency", ends, mutations=0).select(max(first))
    assert found.cost in first and found.cost <= found.budget == max(first)


def test_spaces_without_tables_are_counted_by_their_networks(tmp_path):
    space = spaces.find_space("smoke_mbconv")
    rows = selecting.all_indices(space)[[0, -1]]
    evaluations = Evaluations(tmp_path, space, lambda a: 1.0, classes=10)
    evaluations.accuracies(rows)
    expected = [space.cost(a, 10) for a in (space.smallest(), space.biggest())]
    for name in ("macs", "params"):
        found = evaluations.costs(name, rows).tolist()
        assert found == [getattr(cost, name) for cost in expected]


@pytest.mark.parametrize(
    "other, expected",
    [
        ({"space": spaces.small_big_nas()}, "another space:.*small_big_nas"),
        ({"classes": 11}, "another classes: expected 11, received 10"),
        ({"source": "later"}, "another source: expected later, received None"),
        (
            {
                "space": BigNASSpace(
                    "smoke_big_nas", [(2, [8], [1], 2, [3, 5])], [8], 1
                )
            },
            "another decisions",
        ),
    ],
)
@pytest.mark.parametrize("worker", [0, 1])
def test_folders_of_something_else_are_refused(
    tmp_path, other, expected, worker
):
    accuracies = KnownAccuracies(SMOKE)
    new(accuracies, tmp_path).accuracies(accuracies.rows[:2])
    before = (tmp_path / "evaluations_0.jsonl").read_bytes()
    settings = {"space": SMOKE, "classes": 10, **other}
    with pytest.raises(ValueError, match=f"argument `folder`.*{expected}"):
        Evaluations(
            tmp_path, evaluate=accuracies, worker=worker, workers=2, **settings
        )
    assert [path.name for path in tmp_path.iterdir()] == ["evaluations_0.jsonl"]
    assert (tmp_path / "evaluations_0.jsonl").read_bytes() == before


def test_damaged_lines_are_told(tmp_path):
    accuracies = KnownAccuracies(SMOKE)
    new(accuracies, tmp_path).accuracies(accuracies.rows[:2])
    path = tmp_path / "evaluations_0.jsonl"
    path.write_bytes(path.read_bytes().replace(b'{"decisions"', b"{", 1))
    with pytest.raises(ValueError, match="evaluations_0.jsonl' is damaged"):
        new(accuracies, tmp_path)


@pytest.mark.parametrize(
    "argument, value",
    [
        ("space", "smoke_big_nas"),
        ("evaluate", 0.5),
        ("worker", 2),
        ("worker", -1),
        ("worker", True),
        ("workers", 0),
        ("costs", {"accuracy": len}),
        ("costs", {"energy": 1.0}),
        ("costs", ["energy"]),
        ("patience", -1),
        ("patience", "long"),
        ("folder", None),
    ],
)
def test_other_arguments_are_refused(tmp_path, argument, value):
    arguments = {
        "folder": tmp_path / "folder",
        "space": SMOKE,
        "evaluate": len,
        "workers": 2,
        argument: value,
    }
    with pytest.raises(ValueError, match=f"argument `{argument}`"):
        Evaluations(**arguments)
    assert not (tmp_path / "folder").exists()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_accuracies_that_are_no_numbers_are_refused(value):
    evaluations = Evaluations(None, SMOKE, lambda a: value)
    with pytest.raises(ValueError, match="Invalid accuracy.*finite"):
        evaluations.accuracies([SMOKE.smallest()])


def test_other_costs_and_networks_are_refused():
    evaluations = new(KnownAccuracies(SMOKE))
    with pytest.raises(ValueError, match="argument `cost`.*'latency'.*'joule'"):
        evaluations.costs("joule", [SMOKE.smallest()])
    with pytest.raises(ValueError, match="Expected one of space"):
        evaluations.accuracies([spaces.small_big_nas().smallest()])
