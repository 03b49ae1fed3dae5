#!/usr/bin/env bash
# Makes or reuses .venv at the repository root, with keras_nas installed.
#
#   bash tools/setup_venv.sh [EXTRA]
#
# EXTRA is an extra of pyproject.toml, such as "test". Nothing is installed
# when the last installation was of the same pyproject.toml. A new .venv is
# made by python3, or by the interpreter that the variable PYTHON names.
set -euo pipefail

extra="${1:-}"
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
venv="$root/.venv"
python="$venv/bin/python"
log="$venv/install.log"

fail() {
  printf 'setup_venv.sh: %s\n' "$*" >&2
  exit 1
}

# TensorFlow has no packages for Python 3.14 yet.
is_supported() {
  "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
    >/dev/null 2>&1
}

# Prints the name of an interpreter that can make the .venv.
find_python() {
  local name names=(python3 python3.13 python3.12 python3.11 python)
  local without_venv=""
  if [[ -n "${PYTHON:-}" ]]; then
    names=("$PYTHON")
  fi
  for name in "${names[@]}"; do
    if is_supported "$name"; then
      if "$name" -c 'import ensurepip, venv' >/dev/null 2>&1; then
        printf '%s\n' "$name"
        return
      fi
      without_venv="$name"
    fi
  done
  if [[ -n "$without_venv" ]]; then
    fail "$without_venv cannot make virtual environments. Install its venv" \
      "module (Debian, Ubuntu: apt-get install python3-venv)."
  fi
  fail "Python 3.11, 3.12 or 3.13 is needed; none of these is one:" \
    "${names[*]}. Install one, or say where it is:" \
    "PYTHON=/path/to/python3.12 bash $0"
}

make_venv() {
  local found
  found="$(find_python)"
  echo "Making .venv with $("$found" --version) ..."
  "$found" -m venv "$venv"
}

# Prints a dot for each package that pip gets.
show_progress() {
  awk '/^ *(Obtaining|Collecting|Downloading|Using cached)/ { printf "." }
       /^Installing collected packages/ { printf " unpacking" }
       { fflush() }'
}

# Prints what identifies an installation with the extra $1.
fingerprint() {
  "$python" - "$root/pyproject.toml" "$1" <<'END'
import hashlib
import pathlib
import sys

path, extra = sys.argv[1:]
content = pathlib.Path(path).read_bytes()
print(hashlib.sha256(content).hexdigest(), path, sys.version.split()[0], extra)
END
}

is_installed() {
  local stamp="$venv/installed-${1:-plain}"
  [[ -f "$stamp" && "$(cat "$stamp")" == "$(fingerprint "$1")" ]]
}

# An interrupted attempt may have left a .venv without pip.
if ! "$python" -m pip --version >/dev/null 2>&1; then
  make_venv
fi
is_supported "$python" ||
  fail ".venv is of $("$python" --version 2>&1), but 3.11, 3.12 or 3.13 is" \
    "needed. Remove the folder .venv and start again."

# With the extra "test" everything is there that is there without.
if is_installed "$extra" || { [[ -z "$extra" ]] && is_installed test; }; then
  exit 0
fi
printf 'Installing keras_nas into .venv (once, some minutes) '
"$python" -m pip install --disable-pip-version-check --progress-bar off \
  --editable "$root${extra:+[$extra]}" 2>&1 | tee "$log" | show_progress || {
  printf '\n'
  tail -n 20 "$log" >&2
  fail "pip could not install keras_nas; all it said is in .venv/install.log."
}
fingerprint "$extra" >"$venv/installed-${extra:-plain}"
echo " done."
