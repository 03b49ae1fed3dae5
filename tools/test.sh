#!/usr/bin/env bash
# Lints, checks format and BUILD files, runs tests; arguments go to pytest.
#
#   bash tools/test.sh [PYTEST_ARGUMENT ...]
#
# Paths are relative to the repository root. Without arguments all tests run,
# in two processes, whole files in the order of their names: files with few
# tests may take longest, so they must not wait for the others.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
bash "$root/tools/setup_venv.sh" test
cd "$root"
export TF_CPP_MIN_LOG_LEVEL="${TF_CPP_MIN_LOG_LEVEL:-3}"
python="$root/.venv/bin/python"
"$python" -m ruff check .
"$python" -m ruff format --check .
"$python" tools/check_build.py
if (($# == 0)); then
  set -- --numprocesses=2 --dist=loadfile --no-loadscope-reorder
fi
exec "$python" -m pytest "$@"
