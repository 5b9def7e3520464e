#!/bin/bash
# perf/logins stays alive: a moment of logins at the gateway and at sshd, and of rekeys beside them,
# rows of the agreed shape. Speed is not judged, but that nothing stands still is.
set -u
cd "$(dirname "$0")/../.." || exit 1
: "${SLUICE_BUILD:=$PWD/build}"
export SLUICE_BUILD
out=$(mktemp)
trap 'rm -f "$out"' EXIT
./perf/logins --smoke --json "$out" || exit $?
/usr/bin/python3 - "$out" <<'PY'
import json, sys
rows = json.load(open(sys.argv[1]))
assert [r["what"] for r in rows] == ["machine", "logins curve25519-sha256", "rekey beside logins, longest"], rows
for r in rows:
    assert set(r) == {"what", "unit", "sluice", "peer", "ratio", "note"}, r
assert rows[1]["sluice"] > 0 and rows[1]["peer"] > 0 and rows[1]["ratio"] > 0, rows
assert rows[2]["sluice"] > 0, rows
print(len(rows) - 1, "rows")
PY
