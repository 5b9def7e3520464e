#!/bin/bash
# perf/load stays alive: a moment of bulk both ways on a few channels, every byte right and none lost,
# rows of the agreed shape. Speed is not judged. Then some are busy beside ten times as many that are idle, at full size
# 1,000 beside 10,000, and with room for one less it is said why that one is refused.
set -u
cd "$(dirname "$0")/../.." || exit 1
out=$(mktemp) kept=$(mktemp -d)
trap 'rm -rf "$out" "$kept"' EXIT
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

busy=10 idle=100 rate=500 seconds=0.1 memory=256M
[ -z "${SLUICE_LONG:-}" ] || { busy=1000 idle=10000 rate=20000 seconds=10 memory=1G; }
crowd() { # room
	./perf/load --mode requests --rate $rate --conns $busy --idle $idle --seconds $seconds --warmup 0 --setup 600 --logins 64 \
		${SLUICE_LONG:+--memory 1500} --gate-memory $memory --conf "MaxConnections $1" --keep "$kept" --json "$out"
}
crowd $((idle + busy)) || exit 1
/usr/bin/python3 - "$out" <<'PY'
import json, sys
by = {r["what"]: r["sluice"] for r in json.load(open(sys.argv[1]))}
assert by["requests wrong"] == by["requests lost"] == by["requests refused"] == by["requests failed"] == 0, by
PY
crowd $((idle + busy - 1)) && { echo "one more than there is room for"; exit 1; }
grep -q 'CONN_TABLE_FULL 1: connections refused: table full' "$kept/dataplane.log"
