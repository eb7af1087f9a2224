#!/bin/sh
# python.sh ARGUMENTS: Python with the packages of requirements.txt, in a virtual environment beside this file, which is made if need be.
# An installation that fails exits with 3.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-$(command -v python3.11 || echo python3)}

stamp="$here/.venv/installed.txt"
if ! cmp -s "$here/requirements.txt" "$stamp"; then
  "$python" -m venv "$here/.venv" || exit 3
  "$here/.venv/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$here/requirements.txt" >&2 || exit 3
  cp "$here/requirements.txt" "$stamp"
fi
export PYTHONDONTWRITEBYTECODE=1
exec "$here/.venv/bin/python" "$@"
