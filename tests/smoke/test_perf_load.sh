#!/bin/bash
# perf/load stays alive: a moment of bulk both ways on a few channels, every byte right and none lost,
# rows of the agreed shape. Speed is not judged. At full size 1,000 connections are busy beside 10,000 that are idle.
set -u
cd "$(dirname "$0")/../.." || exit 1
out=$(mktemp)
trap 'rm -f "$out"' EXIT
./perf/load --mode both --conns 2 --idle 10 --chans 2 --seconds 0.2 --warmup 0.1 --json "$out" || exit $?
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
[ -n "${SLUICE_LONG:-}" ] || exit 0
./perf/load --mode requests --rate 20000 --conns 1000 --idle 10000 --seconds 3 --setup 600 --logins 64 --memory 1500 \
	--gate-memory 1G --conf 'MaxConnections 12000' --json "$out" || exit 1
/usr/bin/python3 - "$out" <<'PY'
import json, sys
by = {r["what"]: r["sluice"] for r in json.load(open(sys.argv[1]))}
assert by["requests wrong"] == by["requests lost"] == by["requests refused"] == by["requests failed"] == 0, by
PY
