#!/bin/bash
# perf/idle stays alive: a few logins, and a row of the agreed shape. Nothing is judged.
set -u
cd "$(dirname "$0")/../.." || exit 1
: "${SLUICE_BUILD:=$PWD/build}"
out=$(mktemp)
trap 'rm -f "$out"' EXIT
"$SLUICE_BUILD/perf/idle" --smoke --json "$out" || exit 1
/usr/bin/python3 - "$out" <<'PY'
import json, sys
rows = json.load(open(sys.argv[1]))
assert len(rows) == 1 and set(rows[0]) == {"what", "unit", "sluice", "peer", "ratio", "note"}, rows
assert rows[0]["what"] == "idle memory by owner" and rows[0]["sluice"] > 0, rows
PY
