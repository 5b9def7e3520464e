#!/bin/bash
# S-83, F-23: every connection that was accepted has one beginning and one end in the audit log, and every channel
# the bytes that were on its wire: while the log is renamed and SIGHUP comes a hundred times a second, and
# across a control that is killed and starts again. What is told twice has one id. On a disk that fills up while the
# gateway runs AuditFailure does what it says, and both go on by themselves when there is room.
. "$(dirname "$0")/../interop/lib.sh"
mkdir -m 755 "$LAB_DIR/audit"
! id sluice >/dev/null 2>&1 || chown sluice: "$LAB_DIR/audit"
log=$LAB_DIR/audit/audit.log
LAB_CONF="AuditLog $log
PerSourcePenalties no"
start_lab
head -c 300000 /dev/urandom >"$LAB_DIR/www/file"

# What curl has seen of each request is what its channel has carried.
fetch() { # port
	local sizes
	sizes=$(lab_in client curl -s -m 30 -o /dev/null -w '%{size_request} %{size_header} %{size_download}' "http://127.0.0.1:$1/file")
	[ "${sizes##* }" = 300000 ] && echo "$sizes" >>"$LAB_DIR/carried"
}
tunnel() { # port, how often
	: >"$LAB_DIR/ssh.log"
	lab_forward "$1" "$LAB_TARGET_ADDR:8080" || return 1
	local pid=$lab_pid
	for _ in $(seq "$2"); do fetch "$1" || return 1; done
	lab_stop_pid $pid
}

storm() { # a hundred a second by the clock, each behind a rename, for so long at least, until a few were taken and there is a file
	python3 - "$lab_control_pid" "$log" "$storm_seconds" "$LAB_DIR/calm" <<'PY'
import os, signal, sys, time
pid, log, seconds, calm = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
begun, sent, renamed = time.monotonic(), 0, 0
while sent < 100 * seconds or renamed < 25 or not os.path.exists(calm):
    time.sleep(max(0, begun + sent / 100 - time.monotonic()))
    if os.path.exists(log):
        os.rename(log, f"{log}.{sent}")
        renamed += 1
    os.kill(pid, signal.SIGHUP)
    sent += 1
took = time.monotonic() - begun
print(sent, f"{took:.2f}")
PY
}
storm_over() { # as many as its time asks for; of those that came while one was pending one is handled
	local sent took handled
	: >"$LAB_DIR/calm"
	wait $storm_pid && read -r sent took <"$LAB_DIR/storm" || return 1
	for _ in $(seq 400); do [ -e "$log" ] && break; sleep 0.05; done
	handled=$(grep -c 'Received SIGHUP' "$LAB_DIR/control.log")
	echo "   $sent sent in $took s, $handled handled, $(ls "$LAB_DIR/audit" | wc -l) files"
	[ "$sent" -ge $((100 * storm_seconds)) ] && [ "$handled" -gt 20 ] && [ "$handled" -le "$sent" ] && [ -e "$log" ]
}
storm_seconds=2
[ -z "${SLUICE_LONG:-}" ] || storm_seconds=60
storm >"$LAB_DIR/storm" & storm_pid=$!
check "a tunnel in a storm of SIGHUP" tunnel 18001 4
check "another" tunnel 18002 $((2 * storm_seconds))
check "a hundred a second" storm_over
check "rotated often" [ "$(ls "$LAB_DIR/audit" | wc -l)" -gt 20 ]

# One that ends while there is no control.
: >"$LAB_DIR/ssh.log"
lab_forward 18003 "$LAB_TARGET_ADDR:8080"
ssh_pid=$lab_pid
fetch 18003
kill -9 "$lab_control_pid"
wait "$lab_control_pid" 2>/dev/null
lab_stop_pid $ssh_pid
: >"$LAB_DIR/control.log"
lab_spawn gw "$LAB_DIR/control.log" env SLUICE_RUN="$LAB_DIR/run" \
	"$SLUICE_BUILD/control/sluice-control" -f "$LAB_DIR/sluice.conf"
lab_control_pid=$lab_pid
check "a new control attaches" lab_wait_log "$lab_control_pid" "$LAB_DIR/control.log" 'Server listening' 20
check "one more tunnel" tunnel 18004 2

complete() {
	python3 - "$LAB_DIR" <<'PY'
import collections, glob, json, sys, time
folder = sys.argv[1]
carried = sorted((int(a), int(b) + int(c)) for a, b, c in map(str.split, open(folder + "/carried")))

def look():
    unique, torn = {}, 0
    for name in glob.glob(folder + "/audit/audit.log*"):
        for line in open(name, "rb"):
            try:
                r = json.loads(line)
            except ValueError:
                torn += 1
                continue
            unique[r["id"]] = r
    assert torn == 0, f"{torn} lines that are none"
    of = collections.defaultdict(list)
    for r in unique.values():
        of[r["event"]].append(r)
    return of

for _ in range(100):  # the last end comes a moment after its client has gone
    of = look()
    begun = collections.Counter(r["conn"] for r in of["conn.open"])
    ended = collections.Counter(r["conn"] for r in of["conn.close"])
    if begun == ended and len(of["chan.close"]) >= len(carried):
        break
    time.sleep(0.05)
assert set(begun.values()) == {1} and begun == ended, (begun, ended)
assert len(begun) == 4, begun
accepted = of["auth.ok"]
assert sorted(r["conn"] for r in accepted) == sorted(begun), "each has logged in once"
assert all(r["key"].startswith("SHA256:") for r in accepted)
closed = sorted((r["bytes_in"], r["bytes_out"]) for r in of["chan.close"])
assert closed == carried, (closed, carried)
assert len(of["chan.open"]) == len(carried)
assert all(r["address"] and r["address_port"] == 8080 for r in of["chan.open"])
tries = collections.Counter((r["conn"], r["method"], r["outcome"]) for r in of["auth.try"])
for r in accepted:  # OpenSSH asks what there is, asks about its key, and signs
    for method, outcome in ("none", "refused"), ("publickey", "acceptable"), ("publickey", "accepted"):
        assert tries[r["conn"], method, outcome] == 1, tries
services = collections.Counter((r["conn"], r["request"]) for r in of["service"])
assert set(services.values()) == {1} and len(services) == 2 * len(begun), services
ends = {(r["conn"], r["channel"]): r for r in of["chan.close"]}
eofs = collections.Counter((r["conn"], r["channel"], r["direction"]) for r in of["chan.eof"])
assert len(eofs) >= len(ends) and set(eofs.values()) == {1}, eofs
for r in of["chan.eof"]:
    way = "bytes_" + r["direction"]
    assert r[way] == ends[r["conn"], r["channel"]][way], r
assert not of["log.gap"] and not of["log.suppressed"]
wire = collections.Counter()
for r in of["chan.close"]:
    wire[r["conn"]] += r["bytes_out"]
for r in of["conn.close"]:
    assert r["bytes_out"] > wire[r["conn"]], r
print(len(begun), "connections,", len(closed), "channels,", len(glob.glob(folder + "/audit/*")), "files")
PY
}
check "one beginning, one end, and the bytes of the wire" complete

# The filter for fail2ban finds those who fail, whatever they call themselves, and nobody else.
fails() {
	for user in nobody-here nor-here; do
		lab_in client timeout 10 ssh -F none -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
			-o IdentitiesOnly=yes -i "$LAB_DIR/wrong" -p "$LAB_PORT" -l $user "$LAB_GW_OUTSIDE" true 2>/dev/null
	done
	for _ in $(seq 400); do
		[ "$(cat "$log"* | grep -c '"event":"auth.fail"')" -ge 2 ] && return
		sleep 0.05
	done
	return 1
}
ssh-keygen -q -t ed25519 -N '' -f "$LAB_DIR/wrong"
check "logins that fail" fails
banned() { # mode
	cat "$log"* >"$LAB_DIR/all.log"
	# One who is let in, and calls himself and his program what would have another one banned.
	echo '{"v":1,"id":"1-1","time":"2026-11-22T10:00:04.000001Z","mono_us":5,"event":"auth.ok","conn":"1-2","user":"x\",\"event\":\"auth.fail\",\"conn\":\"1-2\",\"from\":\"203.0.113.1","from":"203.0.113.2","from_port":9,"version":"x\",\"event\":\"auth.fail","method":"password"}' >>"$LAB_DIR/all.log"
	fail2ban-regex -o '<ip>' "$LAB_DIR/all.log" "$top/conf/fail2ban-sluice.conf[mode=$1]" | sort | uniq -c | tr -s ' '
}
client=$(sed -n 's/.*"event":"auth.fail".*"from":"\([0-9.]*\)".*/\1/p' "$log"* | tail -1)
only_the_client() { [ "$(banned normal)" = " $(cat "$log"* | grep -c '"event":"auth.fail"') $client" ]; }
if command -v fail2ban-regex >/dev/null; then
	check "fail2ban finds them" only_the_client || banned normal
fi

# One MiB is all the disk there is, in a namespace of control's own.
mkdir "$LAB_DIR/full"
on_small_disk() { # AuditFailure
	lab_stop_pid "$lab_control_pid"
	sed -i "/^Audit/d" "$LAB_DIR/sluice.conf"
	printf '%s\n' "AuditLog $LAB_DIR/full/log" "AuditFailure $1" "AuditSpool 64K" "AuditSourceRate 0" >>"$LAB_DIR/sluice.conf"
	: >"$LAB_DIR/control.log"
	: >"$LAB_DIR/carried"
	lab_spawn gw "$LAB_DIR/control.log" unshare -m sh -c 'mount -t tmpfs -o size=1m,mode=1777 none "$0" && exec "$@"' \
		"$LAB_DIR/full" env SLUICE_RUN="$LAB_DIR/run" "$SLUICE_BUILD/control/sluice-control" -f "$LAB_DIR/sluice.conf"
	lab_control_pid=$lab_pid
	full=/proc/$lab_control_pid/root$LAB_DIR/full
	lab_wait_log "$lab_control_pid" "$LAB_DIR/control.log" 'Server listening' 20
}
fill() { ! cat /dev/zero >"$full/filler" 2>/dev/null; }
said() { lab_wait_log "$lab_control_pid" "$LAB_DIR/control.log" "AuditLog $LAB_DIR/full/log $1" 20; }
counted() { # name: more than none
	lab_in gw env SLUICE_RUN="$LAB_DIR/run" "$SLUICE_BUILD/control/sluicectl" --json show counters |
		python3 -c 'import json, sys; sys.exit(0 if any(c["name"] == sys.argv[1] and c["value"] > 0 for c in json.load(sys.stdin)["control"]) else 1)' "$1"
}
strangers() { # how many
	lab_in client python3 - "$LAB_GW_OUTSIDE" "$LAB_PORT" "$1" <<-'END'
		import socket, sys
		for _ in range(int(sys.argv[3])):
		    with socket.create_connection((sys.argv[1], int(sys.argv[2])), 20) as s:
		        s.settimeout(20)
		        s.sendall(b"SSH-2.0-stranger\r\n")
		        s.recv(1)
	END
}
kept() { # python: an assertion about of, by event, of all that is in the log by now; carried, and wire, which has it by that
	python3 - "$full/log" "$1" "$LAB_DIR/carried" <<-'END'
		import collections, json, sys, time
		carried = sorted((int(a), int(b) + int(c)) for a, b, c in map(str.split, open(sys.argv[3])))
		for _ in range(400):
		    of, unique = collections.defaultdict(list), {}
		    for line in open(sys.argv[1]):
		        try:
		            r = json.loads(line)
		        except ValueError:  # torn by a full disk: it stands there again
		            continue
		        unique.setdefault(r["id"], r)
		    for r in unique.values():
		        of[r["event"]].append(r)
		    begun = {r["conn"] for r in of["conn.open"] if "late" not in r}
		    wire = sorted((r["bytes_in"], r["bytes_out"]) for r in of["chan.close"] if r["conn"] in begun)
		    if eval(sys.argv[2]):
		        sys.exit(0)
		    time.sleep(0.05)
		sys.exit(str(({e: len(r) for e, r in of.items()}, carried, wire)))
	END
}
open_tunnel() { : >"$LAB_DIR/ssh.log" && lab_forward "$1" "$LAB_TARGET_ADDR:8080"; }

lost() { for n in 90 20 20 20 100 100; do strangers $n && counted AUDIT_LOST && return; done; return 1; }
check "AuditFailure count: control has a small disk" on_small_disk count
check "it fills up" fill
check "a tunnel begins all the same" open_tunnel 18005
check "and carries" fetch 18005
lab_stop_pid "$lab_pid"
check "that the log cannot be written is said" said 'cannot be written: No space left'
check "what finds no room is lost, and counted" lost
rm "$full/filler"
check "with room it is written again" said 'is written again'
check "and says how many are not there, in their place" kept 'sum(r["n"] for r in of["log.gap"]) > 0'
check "what was carried meanwhile is there, each byte of the wire" kept 'wire == carried and len(wire) == 1'

refused() { ! lab_in client timeout 20 ssh "${opts[@]}" -N "$LAB_USER@$LAB_GW_OUTSIDE" 2>/dev/null && counted AUDIT_REFUSED; }
mapfile -t opts < <(lab_ssh_opts)
check "AuditFailure refuse: control has a small disk" on_small_disk refuse
check "a tunnel" open_tunnel 18006
tunnel_pid=$lab_pid
check "carries" fetch 18006
check "the disk fills up" fill
strangers 1 # by whom it is seen
check "that is said" said 'cannot be written: No space left.*nothing new is begun'
check "nobody comes in, and it is counted" refused
no_channel() { ! fetch 18006; }
check "who is in has no new channel" no_channel
check "and stays" kill -0 "$tunnel_pid"
rm "$full/filler"
check "with room it is written again" said 'is written again'
check "who was in has channels" fetch 18006
check "somebody comes in" open_tunnel 18007
lab_stop_pid "$lab_pid"
lab_stop_pid "$tunnel_pid"
check "and nothing is missing" kept 'not of["log.gap"] and len(of["conn.open"]) >= 2 and {r["conn"] for r in of["conn.open"]} == {r["conn"] for r in of["conn.close"]}'
check "nor a byte of the wire" kept 'wire == carried and len(wire) == 2'
