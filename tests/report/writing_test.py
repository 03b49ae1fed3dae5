import json
import re

import keras
import numpy as np
import pytest

import keras_nas
from keras_nas.export import Verification
from keras_nas.export import verify_export
from keras_nas.report import AtomBlock
from keras_nas.report import NetworkRow
from keras_nas.report import ParetoSeries
from keras_nas.report import Report
from keras_nas.report import environment
from keras_nas.report import write_report


@pytest.fixture(scope="module")
def sliced():
    """Returns a small model with masks, sliced, and the slicer's report."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((8,)),
            keras.layers.Dense(16, activation="relu", name="hidden"),
            keras_nas.FiGSMask(name="mask"),
            keras.layers.Dense(3, name="classifier"),
        ]
    )
    chosen = keras_nas.Architecture("", {"mask": [0, 2, 5, 7]})
    return keras_nas.slice_model(model, chosen, return_report=True)


@pytest.fixture(scope="module")
def full_report(sliced):
    small, slice_report = sliced
    samples = np.random.default_rng(0).normal(size=(16, 8))
    return Report(
        title="FiGS on a test",
        rows=[
            NetworkRow("full", 176, 195, 0.9, 3000, 0.01),
            NetworkRow("FiGS", 44, 51, 0.85, 1500, 0.008),
        ],
        command="python -m experiments.figs --preset=smoke",
        settings={"preset": "smoke", "splits": {"test": "a", "train": "b"}},
        history={"expected_cost": [0.9, 0.3], "val_accuracy": [0.5, 0.6]},
        target=0.25,
        slice_report=slice_report,
        verification=verify_export(small, small, samples),
        atoms=[AtomBlock("block", {3: 2, 5: 0}, {3: 4, 5: 4})],
        pareto=[ParetoSeries("coarse", [44, 176], [0.85, 0.9])],
        budgets=[100],
        notes=["One seed only.", "A note\nover two lines."],
    )


def test_the_report_has_everything(full_report, tmp_path):
    folder = tmp_path / "new" / "folder"
    path = write_report(folder, full_report)
    text = path.read_text()
    assert text.startswith(
        "# FiGS on a test\n\n- preset: smoke\n- splits: test = a, train = b\n\n"
    )
    assert "```sh\npython -m experiments.figs --preset=smoke\n```" in text
    titles = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert titles == [
        "Networks",
        "Search",
        "Selection",
        "Atomic blocks",
        "Channels kept",
        "Verification",
        "Notes",
        "Environment",
    ]
    assert "44 (0.25x)" in text
    assert re.search(r"\| hidden +\| Dense \| +4 \| +16 \|", text)
    assert "| block | 2 of 4 | 0 of 4 | 2 of 8 |" in text
    assert isinstance(full_report.verification, Verification)
    assert "Computes the same on 16 samples." in text
    assert "- One seed only.\n- A note over two lines.\n" in text
    for fact in environment()["versions"].values():
        assert str(fact) in text
    assert environment()["machine"]["processor"] in text
    assert text.endswith("|\n") and "\n\n\n" not in text


def test_pictures_are_linked_by_relative_names(full_report, tmp_path):
    path = write_report(tmp_path, full_report)
    links = re.findall(r"!\[[^]]+\]\(([^)]+)\)", path.read_text())
    assert links == [
        "comparison.png",
        "search.png",
        "pareto.png",
        "atoms.png",
        "kept_channels.png",
    ]
    files = sorted(item.name for item in tmp_path.iterdir())
    assert files == sorted([*links, "report.md"])
    assert str(tmp_path) not in path.read_text()


def test_sections_without_content_are_left_out(tmp_path):
    text = write_report(tmp_path, Report("Nothing yet")).read_text()
    assert re.findall("^#.*$", text, re.MULTILINE) == [
        "# Nothing yet",
        "## Environment",
    ]
    assert [item.name for item in tmp_path.iterdir()] == ["report.md"]


def test_networks_without_accuracy_have_no_picture(tmp_path):
    report = Report("Counts", [NetworkRow("full", 10, 2)])
    assert "![" not in write_report(tmp_path, report).read_text()


def test_the_cost_of_a_selection_has_its_name(drawn, tmp_path):
    series = [ParetoSeries("fine", [0.4, 0.9], [0.7, 0.8])]
    report = Report("x", pareto=series, budgets=[0.5], cost_label="ms")
    write_report(tmp_path, report)
    (axes,) = drawn[0].axes
    assert axes.get_xlabel() == "ms"
    assert [text.get_text() for text in axes.texts] == ["0.5"]


def test_an_older_report_is_replaced(full_report, tmp_path):
    write_report(tmp_path, Report("Old"))
    first = write_report(tmp_path, full_report).read_text()
    assert write_report(tmp_path, full_report).read_text() == first


def test_text_with_fences_does_not_break_out(tmp_path):
    report = Report("Fences", verification="a\n```\n# b")
    text = write_report(tmp_path, report).read_text()
    assert "\n````\na\n```\n# b\n````\n" in text


def test_the_environment_of_another_machine_can_be_passed(tmp_path):
    facts = {"versions": {"keras": None}, "machine": {"processor": "A chip"}}
    text = write_report(tmp_path, Report("x", environment=facts)).read_text()
    assert re.search(r"\| keras +\| not installed \|", text)
    assert re.search(r"\| processor +\| A chip +\|", text)


def test_environment_is_plain_data():
    facts = environment()
    assert json.loads(json.dumps(facts)) == facts
    assert facts["versions"]["keras"] == keras.__version__
    assert facts["versions"]["keras_nas"] == keras_nas.__version__
    assert facts["versions"]["numpy"] == np.__version__
    assert all(facts["versions"].values())
    assert facts["machine"]["num_cpus"] >= 1
    assert all(facts["machine"].values())
