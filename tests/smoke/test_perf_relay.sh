#!/bin/bash
# perf/relay stays alive: a short run writes rows of the agreed shape. Speed is not judged.
set -u
cd "$(dirname "$0")/../.." || exit 1
[ "$(id -u)" = 0 ] || { echo "namespaces need root"; exit 77; }
out=$(mktemp)
trap 'rm -f "$out"' EXIT
./perf/relay --size 32 --only aes128-gcm@openssh.com --json "$out" || exit 1
/usr/bin/python3 - "$out" <<'PY'
import json, sys
rows = json.load(open(sys.argv[1]))
assert rows, "no rows"
for r in rows:
    assert set(r) == {"what", "unit", "sluice", "peer", "ratio", "note"}, r
    assert r["sluice"] > 0 and r["peer"] > 0, r
print(len(rows), "rows")
PY
