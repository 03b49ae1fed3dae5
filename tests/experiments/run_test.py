"""A run by one process, or by several of which one is the chief."""

import json
import threading

import pytest

from experiments import flags
from experiments import pipeline
from experiments.figs_presets import FIGS
from experiments.run import Run
from keras_nas import spaces


def _stage_file(folder, name):
    return folder / "stages" / f"{name}.json"


def test_only_the_chief_writes(tmp_path):
    chief = Run(tmp_path, "--seed=0\n")
    other = Run(tmp_path, "--seed=0\n", is_chief=False)
    before = sorted(tmp_path.rglob("*"))
    other.write_json(other.path("results.json"), {})
    other.save(spaces.find_space("smoke_mbconv").smallest(), "a.json")
    assert sorted(tmp_path.rglob("*")) == before
    chief.save(spaces.find_space("smoke_mbconv").smallest(), "a.json")
    assert (tmp_path / "a.json").exists()
    with pytest.raises(ValueError, match="other settings.*--seed=1"):
        Run(tmp_path, "--seed=1\n", is_chief=False)


@pytest.mark.parametrize("alone", [False, True])
def test_others_wait_for_the_facts_of_the_chief(alone, tmp_path):
    chief = Run(tmp_path, "x")
    other = Run(tmp_path, "x", is_chief=False)
    calls, facts = [], []

    def work(who):
        calls.append(who)
        return {"who": who}

    thread = threading.Thread(
        target=lambda: facts.append(
            other.stage("train", lambda: work("other"), alone=alone)
        )
    )
    thread.start()
    thread.join(0.3)
    assert thread.is_alive() and not _stage_file(tmp_path, "train").exists()
    mine = chief.stage("train", lambda: work("chief"), alone=alone)
    thread.join(10)
    assert facts == [mine] and mine["who"] == "chief"
    assert calls == (["chief"] if alone else ["other", "chief"])
    assert json.loads(_stage_file(tmp_path, "train").read_text()) == mine
    # What is finished is not done again, by either.
    assert other.stage("train", lambda: work("other"), alone=alone) == mine


def test_checkpoints_of_a_finished_stage_are_deleted(tmp_path):
    run = Run(tmp_path, "x")
    (tmp_path / "checkpoints" / "model").mkdir(parents=True)

    def fail():
        raise InterruptedError

    with pytest.raises(InterruptedError):
        run.stage("train", fail)
    assert (tmp_path / "checkpoints" / "model").exists()
    run.stage("train", dict)
    assert not (tmp_path / "checkpoints").exists()


@pytest.mark.parametrize(
    "values, named",
    [
        ({"strategy": "multi_worker"}, "--strategy=multi_worker.*TF_CONFIG"),
        ({"replicas": 2}, "--strategy=default.*'mirrored' only"),
    ],
)
def test_strategies_that_cannot_be(values, named, tmp_path, monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(ValueError, match=named):
        pipeline.open_context(
            Run(tmp_path, "x"), FIGS["smoke"], flags.plain(**values)
        )
