#!/bin/bash
# perf/attack stays alive: a small flood, rows of the agreed shape, nothing reset, connections by
# cookie. Speed is not judged.
set -u
cd "$(dirname "$0")/../.." || exit 1
out=$(mktemp)
trap 'rm -f "$out"' EXIT
./perf/attack --seconds 0.3 --rate 100000 --max 0 --json "$out" || exit $?
/usr/bin/python3 - "$out" <<'PY'
import json, sys
rows = json.load(open(sys.argv[1]))
assert len(rows) == 1 and rows[0]["what"] == "goodput under SYN flood", rows
for r in rows:
    assert set(r) == {"what", "unit", "sluice", "peer", "ratio", "note"}, r
    assert r["sluice"] > 0 and r["peer"] > 0, r
    assert " 0 by cookie" not in r["note"] and r["note"].endswith(" 0 reset"), r
print(len(rows), "rows")
PY
