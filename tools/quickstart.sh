#!/usr/bin/env bash
# From a fresh clone to a searched, retrained, exported and verified network.
#
#   bash tools/quickstart.sh [OUTPUT_DIR] [FLAG ...]
#
# OUTPUT_DIR is runs/quickstart of the repository by default. Flags go to
# experiments/figs.py: `bash tools/quickstart.sh runs/smoke --preset=smoke`.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
output="$root/runs/quickstart"
if [[ $# -gt 0 && "$1" != -* ]]; then
  output="$1"
  shift
fi

bash "$root/tools/setup_venv.sh"
export TF_CPP_MIN_LOG_LEVEL="${TF_CPP_MIN_LOG_LEVEL:-3}"
# The repository first, and not what else lies in the working directory.
export PYTHONSAFEPATH=1 PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}"
exec "$root/.venv/bin/python" -m experiments.figs --preset=small \
  --output_dir="$output" "$@"
