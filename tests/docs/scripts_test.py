"""The shell scripts, as far as they go without the network."""

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRIPTS = sorted((ROOT / "tools").glob("*.sh")) + [ROOT / ".ci" / "run"]


def run(script, *arguments, **variables):
    return subprocess.run(
        ["bash", str(script), *arguments],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def setup(tmp_path):
    """Returns the path of `setup_venv.sh` in an empty repository."""
    (tmp_path / "a repository" / "tools").mkdir(parents=True)
    script = tmp_path / "a repository" / "tools" / "setup_venv.sh"
    shutil.copy(ROOT / "tools" / "setup_venv.sh", script)
    return script


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_can_be_started_and_stop_at_errors(script):
    assert os.access(script, os.X_OK)
    text = script.read_text()
    assert text.startswith("#!/usr/bin/env bash\n")
    assert "\nset -euo pipefail\n" in text
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0


def test_missing_python_is_told(setup):
    result = run(setup, PYTHON="no-python")
    assert result.returncode == 1
    assert "Python 3.11, 3.12 or 3.13 is needed" in result.stderr
    assert "no-python" in result.stderr
    assert not (setup.parents[1] / ".venv").exists()


def test_missing_venv_module_is_told(setup, tmp_path):
    python = tmp_path / "python"
    python.write_text(
        '#!/bin/sh\ncase "$2" in *ensurepip*) exit 1;; esac\n'
        f'exec "{sys.executable}" "$@"\n'
    )
    python.chmod(0o755)
    result = run(setup, PYTHON=str(python))
    assert result.returncode == 1
    assert "cannot make virtual environments" in result.stderr


@pytest.fixture
def pip(setup):
    """Makes a .venv whose pip only writes down what it is asked for."""
    root = setup.parents[1]
    (root / "pyproject.toml").write_text("[project]")
    (root / ".venv" / "bin").mkdir(parents=True)
    python, calls = root / ".venv" / "bin" / "python", root / "calls"
    calls.write_text("")
    python.write_text(
        '#!/bin/sh\ncase "$*" in\n"-m pip --version") exit 0;;\n'
        f'"-m pip install"*) echo "$*" >>"{calls}"\n'
        'echo "Collecting something"; exit "${PIP_STATUS:-0}";;\nesac\n'
        f'exec "{sys.executable}" "$@"\n'
    )
    python.chmod(0o755)
    return calls


def test_installs_once_for_each_pyproject(setup, pip):
    root = setup.parents[1]
    first = run(setup, "test")
    assert first.returncode == 0, first.stderr
    assert first.stdout.endswith(" . done.\n")
    assert pip.read_text().endswith(f"--editable {root}[test]\n")
    for extra in ("test", ""):
        assert run(setup, extra).stdout == ""
    assert len(pip.read_text().splitlines()) == 1
    (root / "pyproject.toml").write_text("[project]\nname = 'other'")
    run(setup)
    assert pip.read_text().endswith(f"--editable {root}\n")
    run(setup, "test")
    assert len(pip.read_text().splitlines()) == 3


def test_what_pip_says_is_shown_when_it_fails(setup, pip):
    result = run(setup, "test", PIP_STATUS="7")
    assert result.returncode == 1
    assert "Collecting something\n" in result.stderr
    assert "pip could not install keras_nas" in result.stderr
    assert not list(setup.parents[1].glob(".venv/installed-*"))
