#!/bin/bash
# perf/wan stays alive: a short run writes rows of the agreed shape. Speed is not judged.
set -u
cd "$(dirname "$0")/../.." || exit 1
[ "$(id -u)" = 0 ] || { echo "namespaces need root"; exit 77; }
: "${SLUICE_BUILD:=$PWD/build}"
export SLUICE_BUILD
out=$(mktemp)
trap 'rm -f "$out"' EXIT
./perf/wan --seconds 1 --rtt 20 --loss 1 --json "$out" || exit 1
/usr/bin/python3 - "$out" <<'PY'
import json, sys
rows = json.load(open(sys.argv[1]))
assert len(rows) == 2, rows
for r in rows:
    assert set(r) == {"what", "unit", "sluice", "peer", "ratio", "note"}, r
    assert r["sluice"] > 0 and r["peer"] > 0, r
print(len(rows), "rows")
PY
