#!/bin/bash
# perf/load stays alive: a moment of bulk both ways on a few channels, every byte right and none lost,
# rows of the agreed shape. Speed is not judged.
set -u
cd "$(dirname "$0")/../.." || exit 1
out=$(mktemp)
trap 'rm -f "$out"' EXIT
./perf/load --mode both --conns 2 --chans 2 --seconds 0.2 --warmup 0.1 --json "$out" || exit $?
/usr/bin/python3 - "$out" <<'PY'
import json, sys
rows = json.load(open(sys.argv[1]))
by = {r["what"]: r["sluice"] for r in rows}
for r in rows:
    assert set(r) == {"what", "unit", "sluice", "peer", "ratio", "note"}, r
assert by["both goodput up"] > 0 and by["both goodput down"] > 0, by
assert by["both gate busy"] > 0 and by["both gate open"] > 0 and by["both gate seal"] > 0, by
assert by["both wrong"] == by["both lost"] == by["both failed"] == 0, by
print(len(rows), "rows")
PY
