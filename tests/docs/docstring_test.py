"""Every example of a docstring runs, and every public name is described."""

import contextlib
import dataclasses
import doctest
import importlib
import inspect
import io
import pkgutil
import tempfile

import keras
import pytest

import keras_nas
from keras_nas.data.builders import find_builder

MODULES = [
    importlib.import_module(module.name)
    for module in pkgutil.walk_packages(keras_nas.__path__, "keras_nas.")
]
EXAMPLES = [
    test
    for module in [keras_nas, *MODULES]
    for test in doctest.DocTestFinder(exclude_empty=True).find(module)
    if test.examples
]
PUBLIC = sorted(
    {
        f"{module.__name__}.{name}": getattr(module, name)
        for module in [keras_nas, *MODULES]
        for name in getattr(module, "__all__", ())
    }.items()
)
CALLABLES = [(name, value) for name, value in PUBLIC if callable(value)]


@pytest.fixture(scope="module", autouse=True)
def _embedded_data():
    """Makes the embedded data set, which says so at its first use."""
    with contextlib.redirect_stdout(io.StringIO()):
        find_builder("photo_patches")


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda test: test.name)
def test_example_runs(example, tmp_path, monkeypatch):
    # What it writes goes where pytest removes it; its layers get first names.
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    keras.backend.clear_session(free_memory=False)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    told = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()):
        runner.run(example, out=told.write, clear_globs=False)
    assert not runner.failures, told.getvalue()


def test_there_are_examples():
    names = [test.name for test in EXAMPLES]
    assert "keras_nas.slicing.slicer.slice_model" in names
    assert "keras_nas.report.tables.comparison_table" in names


@pytest.mark.parametrize("name, value", PUBLIC, ids=[n for n, _ in PUBLIC])
def test_public_name_exists_and_is_described(name, value):
    if callable(value) or inspect.ismodule(value):
        own = value.__doc__ or ""
        assert own.strip(), f"{name} has no docstring."
        if dataclasses.is_dataclass(value):
            generated = f"{value.__name__}("
            assert not own.startswith(generated), f"{name} has no docstring."


@pytest.mark.parametrize(
    "name, value", CALLABLES, ids=[n for n, _ in CALLABLES]
)
def test_public_name_describes_its_arguments(name, value):
    parameters = _parameters(value)
    if not parameters:
        return
    text = inspect.getdoc(value)
    titles = ["Args:"]
    if dataclasses.is_dataclass(value) or _is_exception(value):
        titles.append("Attributes:")  # Users read these; they make none.
    lines = [line.strip() for line in text.splitlines()]
    assert set(titles) & set(lines), f"{name} does not describe its arguments."
    for parameter in parameters:
        assert f"{parameter}:" in text, f"{name} does not describe {parameter}."


def _parameters(value):
    """Returns the names that a caller passes, with stars."""
    if inspect.isclass(value) and "__init__" not in vars(value):
        return []  # Those of its parent.
    stars = {
        inspect.Parameter.VAR_POSITIONAL: "*",
        inspect.Parameter.VAR_KEYWORD: "**",
    }
    parameters = inspect.signature(value).parameters.values()
    return [stars.get(p.kind, "") + p.name for p in parameters]


def _is_exception(value):
    return inspect.isclass(value) and issubclass(value, Exception)
