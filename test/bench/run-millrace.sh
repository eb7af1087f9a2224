#!/bin/sh
# Millrace as one of the measured applications: env BROKERS, REGISTRY (optional), IN, OUT, GROUP, MODEL, CLASSES, EOS (0 or 1). Runs until
# SIGTERM. Needs `npm run build`. Extra settings of the worker: SET="batch.maxDelayMs=1 credits.records=4096".
here=$(cd "$(dirname "$0")" && pwd)
exec node ${NODE_FLAGS-} "$here/run-millrace.mjs"
