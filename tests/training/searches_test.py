"""Every search on replicas and workers, against itself on one device."""

import functools
import json
import os
import pathlib
import socket
import subprocess
import sys

import numpy as np
import pytest

from tests.searches import SEARCHES

ROOT = pathlib.Path(__file__).parents[2]
BY_WORKERS = ("figs", "big_nas")


def start(*arguments, **environment):
    return subprocess.Popen(
        [sys.executable, "-m", "tests.check_searches", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def results_of(process):
    output, errors = process.communicate(timeout=400)
    assert process.returncode == 0, errors[-3000:]
    return json.loads(output.splitlines()[-1])


@functools.cache
def on_replicas(number):
    # The steps of FP-NAS and BigNAS take long to trace for each replica.
    names = SEARCHES if number < 4 else ("figs", "dmasking")
    return results_of(start("replicas", number, ",".join(names)))


def assert_same(one, other):
    assert one["architecture"] == other["architecture"]
    assert one["history"].keys() == other["history"].keys()
    for key, values in one["history"].items():
        np.testing.assert_allclose(
            values, other["history"][key], rtol=1e-4, atol=1e-6, err_msg=key
        )
    np.testing.assert_allclose(
        one["variables"], other["variables"], rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize("name", SEARCHES)
def test_replicas_go_the_way_of_one_device(name):
    one = on_replicas(1)[name]
    assert len(one["variables"]) > 10
    for number in (2, 4):
        results = on_replicas(number)
        if name in results:
            assert_same(one, results[name])


@pytest.fixture(scope="module")
def workers(tmp_path_factory):
    """Results of each of two workers on loopback, and their folder."""
    folder = tmp_path_factory.mktemp("workers")
    sockets = [socket.socket() for _ in range(2)]
    for one in sockets:
        one.bind(("localhost", 0))
    addresses = [f"localhost:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    processes = [
        start(
            "workers",
            ",".join(BY_WORKERS),
            folder,
            TF_CONFIG=json.dumps(
                {
                    "cluster": {"worker": addresses},
                    "task": {"type": "worker", "index": index},
                }
            ),
        )
        for index in range(2)
    ]
    return [results_of(process) for process in processes], folder


@pytest.mark.parametrize("name", BY_WORKERS)
def test_workers_go_the_way_of_replicas(name, workers):
    results, folder = workers
    for of_worker in results:
        assert_same(on_replicas(2)[name], of_worker[name])
    # The chief alone has written.
    files = sorted(path.name for path in (folder / name).iterdir())
    assert files == ["checkpoint-000003.npz", "checkpoint-000004.npz"]


def test_a_killed_search_ends_as_another(tmp_path):
    output = tmp_path / "resuming.json"
    results = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.check_resuming",
            "--kills=3",
            "--searches=figs",
            f"--output={output}",
        ],
        cwd=ROOT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert results.returncode == 0, results.stderr[-3000:]
    (row,) = json.loads(output.read_text())["searches"]
    assert row["kills"] == 3 and row["same"] == row["ends"] > 0
