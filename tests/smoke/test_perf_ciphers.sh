#!/bin/bash
# perf/ciphers stays alive: each suite in each way, rows of the agreed shape. Speed is not judged.
set -u
cd "$(dirname "$0")/../.." || exit 1
: "${SLUICE_BUILD:=build}"
out=$(mktemp)
trap 'rm -f "$out"' EXIT
"$SLUICE_BUILD/perf/ciphers" --smoke --json "$out" || exit $?
/usr/bin/python3 - "$out" <<'PY'
import json, sys
rows = json.load(open(sys.argv[1]))
assert len({r["what"] for r in rows}) == len(rows) == 54, len(rows)
for r in rows:
    assert set(r) == {"what", "unit", "sluice", "peer", "ratio", "note"}, r
    assert r["sluice"] > 0 and r["peer"] > 0, r
print(len(rows), "rows")
PY
