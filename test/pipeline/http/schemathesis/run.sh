#!/bin/sh
# run.sh ARGUMENTS: schemathesis in a virtual environment of its own, which is made if need be. An installation that fails exits with 3.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-$(command -v python3.11 || echo python3)}

stamp="$here/.venv/installed.txt"
if ! cmp -s "$here/requirements.txt" "$stamp"; then
  "$python" -m venv "$here/.venv" || exit 3
  "$here/.venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    --requirement "$here/requirements.txt" >&2 || exit 3
  cp "$here/requirements.txt" "$stamp"
fi
cd "$here/.venv"
exec "$here/.venv/bin/st" "$@"
