#!/bin/bash
# perf/compare stays alive: a short round writes rows of the agreed shape, and the table in
# docs/performance.md is of the results that lie beside it. Speed is not judged.
set -u
cd "$(dirname "$0")/../.." || exit 1
./perf/compare --check-doc || exit 1
[ "$(id -u)" = 0 ] || { echo "namespaces need root"; exit 77; }
: "${SLUICE_BUILD:=$PWD/build}"
export SLUICE_BUILD
out=$(mktemp)
trap 'rm -f "$out"' EXIT
./perf/compare --smoke --json "$out" || exit 1
/usr/bin/python3 - "$out" <<'PY'
import json, sys
rows = json.load(open(sys.argv[1]))
assert [r["what"] for r in rows] == ["machine", "bulk aes256-gcm mtu 1500 vs sshd loopback", "relay vs copy mtu 1500", "channel open"], rows
for r in rows:
    assert set(r) == {"what", "unit", "sluice", "peer", "ratio", "note"}, r
for r in rows[1:]:
    assert r["sluice"] > 0 and r["peer"] > 0 and r["ratio"] > 0, r
print(len(rows) - 1, "rows")
PY
