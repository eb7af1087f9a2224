#!/bin/sh
# run.sh produce|consume: runs the script of that name in a virtual environment with the pinned requirements, which it makes if need be.
# The scripts take their settings from the environment: see their first lines. An installation that fails exits with 3.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-$(command -v python3.11 || echo python3)}
case "${1:-}" in produce | consume) ;; *) echo "usage: run.sh produce|consume" >&2 && exit 2 ;; esac

stamp="$here/.venv/installed.txt"
if ! cmp -s "$here/requirements.txt" "$stamp"; then
  "$python" -m venv "$here/.venv" || exit 3
  "$here/.venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    --requirement "$here/requirements.txt" >&2 || exit 3
  cp "$here/requirements.txt" "$stamp"
fi
export PYTHONDONTWRITEBYTECODE=1
exec "$here/.venv/bin/python" "$here/$1.py"
