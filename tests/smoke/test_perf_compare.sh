#!/bin/bash
# perf/compare and perf/client stay alive: a short round writes rows of the agreed shape, and the tables in
# docs/performance.md are of the results that lie beside them. Speed is not judged.
set -u
cd "$(dirname "$0")/../.." || exit 1
./perf/compare --check-doc || exit 1
./perf/client --check-doc || exit 1
[ "$(id -u)" = 0 ] || { echo "namespaces need root"; exit 77; }
: "${SLUICE_BUILD:=$PWD/build}"
export SLUICE_BUILD
out=$(mktemp)
command=''
trap 'rm -f "$out"; [ -z "$command" ] || kill "$command" 2>/dev/null' EXIT

# A client that is killed takes its command with it, though that does not read.
"$SLUICE_BUILD/perf/sock" up "$out" -- sleep 60 &
sock=$!
for ((i = 0; i < 100; i++)); do
	read -r command <"/proc/$sock/task/$sock/children"
	[ -n "$command" ] && [ "$(cat "/proc/$command/comm")" = sleep ] && break
	sleep 0.05
done
kill -KILL $sock
wait $sock 2>/dev/null
for ((i = 0; i < 100; i++)); do
	kill -0 "$command" 2>/dev/null || break
	sleep 0.05
done
! kill -0 "$command" 2>/dev/null || { echo "the command of a client outlives it"; exit 1; }
command=''

./perf/compare --smoke --json "$out" || exit 1
/usr/bin/python3 - "$out" <<'PY'
import json, sys
rows = json.load(open(sys.argv[1]))
assert [r["what"] for r in rows] == ["machine", "bulk aes256-gcm mtu 1500 vs sshd loopback", "relay vs copy mtu 1500", "channel open", "throughput kept 200", "p99 at 50 % load"], rows
for r in rows:
    assert set(r) == {"what", "unit", "sluice", "peer", "ratio", "note"}, r
for r in rows[1:]:
    assert r["sluice"] > 0 and r["peer"] > 0 and r["ratio"] > 0, r
print(len(rows) - 1, "rows")
PY

./perf/client --smoke --json "$out" || exit 1
/usr/bin/python3 - "$out" <<'PY'
import json, sys
rows = json.load(open(sys.argv[1]))
assert [r["what"] for r in rows] == ["machine"] + [f"near {k} {w} aes256-gcm@openssh.com" for w in ("up", "down") for k in ("cpu", "rate")], rows
for r in rows[1:]:
    assert r["sluice"] > 0 and r["peer"] > 0 and r["ratio"] > 0, r
print(len(rows) - 1, "rows")
PY
