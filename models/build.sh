#!/bin/sh
# Trains the example models, exports them and packs them. Writes data/, bundles/ and accuracy.json beside itself, and prints the accuracies.
# Needs Python 3.11 and the project's own dependencies (npm ci).
set -eu
cd "$(dirname "$0")"

python=${PYTHON:-python3.11}
command -v "$python" >/dev/null || {
  echo "models/build.sh: $python is not installed; install Python 3.11, or name one in PYTHON" >&2
  exit 1
}

# One thread and one kind of kernel, so that sums are added up in one order and the same model comes out every time.
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 OPENBLAS_CORETYPE=Haswell MKL_NUM_THREADS=1

rm -rf build bundles
(cd .. && npm run --silent build)
PYTHON="$python" sh python.sh -m recipe
node pack.mjs build/exports build/folders bundles
