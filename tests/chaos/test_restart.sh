#!/bin/bash
# F-40: both processes are killed and leave sockets and files behind; they start cleanly again. A
# second dataplane beside a live one is refused instead of taking its socket.
#
# F-01: control is killed again and again while tunnels of all kinds move keyed bytes: none is lost, no
# tunnel ends, opens and key exchanges wait for the next control and go on, new logins come in, and the
# audit log has each connection and channel once. SLUICE_LONG: 100 times, with 1,000 tunnels.
# F-06: a restart with a file that is wrong, or half of one, is refused aloud, and what moves goes on.
LAB_CONF=$(printf '%s\n' "GatewayPorts clientspecified" "LogLevel VERBOSE" "MaxStartups 100:30:200" \
	"MaxListenersPerUser 4096" "MaxListenersPerSource 4096")
. "$(dirname "$0")/../interop/lib.sh"
LAB_CONF="$LAB_CONF
AuditLog $LAB_DIR/audit.json"
start_lab
echo hello >"$LAB_DIR/www/hello"
works() {
	: >"$LAB_DIR/ssh.log"
	lab_forward "$1" "$LAB_TARGET_ADDR:8080" || return 1
	local pid=$lab_pid rc
	lab_in client curl -sf -m 20 "http://127.0.0.1:$1/hello" | grep -qx hello
	rc=$?
	lab_stop_pid $pid
	return $rc
}
check "works at first" works 18001

second() { # refused, and the first goes on
	lab_in gw env SLUICE_RUN="$LAB_DIR/run" timeout 20 "$SLUICE_BUILD/dataplane/sluice-dataplane" \
		-f "$LAB_DIR/sluice.conf" >>"$LAB_DIR/second.log" 2>&1
	[ $? -ne 0 ] && [ $? -ne 124 ]
}
check "a second dataplane in the same run folder is refused" second
check "the first is not disturbed" works 18002

kill -9 "$lab_dataplane_pid" "$lab_control_pid" "$lab_signer_pid" "$lab_helper_pid"
wait "$lab_dataplane_pid" "$lab_control_pid" "$lab_signer_pid" "$lab_helper_pid" 2>/dev/null
[ -n "$(ls "$LAB_DIR/run")" ] && echo "left behind: $(ls "$LAB_DIR/run" | tr '\n' ' ')"
: >"$LAB_DIR/control.log"
check "starts again over what was left" lab_gateway_start "$SLUICE_BUILD"
check "works again" works 18003

conns=4 tunnels=10 kills=3
[ -z "${SLUICE_LONG:-}" ] || conns=50 tunnels=20 kills=100

control_starts() { # what else it says stands in control.log
	lab_spawn gw "$LAB_DIR/control.log" env SLUICE_RUN="$LAB_DIR/run" \
		"$SLUICE_BUILD/control/sluice-control" -f "${1:-$LAB_DIR/sluice.conf}" 7>&-
	lab_control_pid=$lab_pid
}
control_killed() {
	kill -9 "$lab_control_pid"
	wait "$lab_control_pid" 2>/dev/null
	: >"$LAB_DIR/control.log"
}
serving() { lab_wait_log "$lab_control_pid" "$LAB_DIR/control.log" 'Server listening' 20; }

peer=$top/tests/chaos/restart_peer.py
lab_spawn target "$LAB_DIR/echo.log" /usr/bin/python3 "$peer" echo $LAB_TARGET_ADDR 9100
lab_wait_log "$lab_pid" "$LAB_DIR/echo.log" serving 20
mkfifo "$LAB_DIR/end"
lab_spawn client "$LAB_DIR/peer.log" bash -c "exec /usr/bin/python3 -W ignore '$peer' move $LAB_GW_OUTSIDE $LAB_PORT \
	'$LAB_DIR/id_ed25519' '$LAB_DIR/known_hosts' $LAB_TARGET_ADDR 9100 conns=$conns tunnels=$tunnels <'$LAB_DIR/end'"
peer_pid=$lab_pid
exec 7>"$LAB_DIR/end"
check "tunnels move" lab_wait_log "$peer_pid" "$LAB_DIR/peer.log" '^up' 120

# And one that changes its keys all the time.
head -c 6000000 /dev/urandom >"$LAB_DIR/www/slow"
: >"$LAB_DIR/ssh.log"
lab_forward 18004 "$LAB_TARGET_ADDR:8080" -o RekeyLimit=64K
lab_in client curl -sf -m 300 --limit-rate 1M -o "$LAB_DIR/slow" http://127.0.0.1:18004/slow 7>&- &
curl_pid=$!
for _ in $(seq 100); do [ -s "$LAB_DIR/slow" ] && break; sleep 0.05; done

all_serve() {
	local i
	for ((i = 0; i < kills; i++)); do
		control_killed
		control_starts
		serving || return 1
		sleep "0.$((RANDOM % 5))"
	done
}
check "control is killed $kills times, and each new one serves" all_serve
whole() {
	wait $curl_pid && cmp "$LAB_DIR/slow" "$LAB_DIR/www/slow"
}
check "keys were exchanged all the while, and no byte is lost" whole
more() { lab_in client curl -sf -m 20 http://127.0.0.1:18004/hello | grep -qx hello; }
check "a channel more is opened by the new control" more

# F-06: with a file that cannot be it does not start, and says why; what moves goes on.
refused() {
	control_killed
	control_starts "$1"
	wait "$lab_control_pid" && return 1
	grep -q "$2" "$LAB_DIR/control.log"
}
{ cat "$LAB_DIR/sluice.conf"; echo "NoSuchKeyword yes"; } >"$LAB_DIR/wrong.conf"
head -c $(($(stat -c %s "$LAB_DIR/sluice.conf") - 5)) "$LAB_DIR/sluice.conf" >"$LAB_DIR/half.conf"
echo 'Match User' >>"$LAB_DIR/half.conf"
check "a wrong file is refused aloud" refused "$LAB_DIR/wrong.conf" NoSuchKeyword
control_starts # for refused() to kill
check "half a file is refused aloud" refused "$LAB_DIR/half.conf" half.conf
control_starts
check "the old one is served again" serving

exec 7>&-
check "tunnels: none ended, no byte was wrong, opens went on" wait "$peer_pid"
tail -1 "$LAB_DIR/peer.log"
audit_whole() { # each connection and channel that is over once
	lab_stop_pid "$lab_control_pid"
	/usr/bin/python3 - "$LAB_DIR/audit.json" <<-'END'
		import collections, json, sys
		seen, of = {}, collections.defaultdict(collections.Counter)
		for line in open(sys.argv[1]):
		    e = json.loads(line)
		    seen.setdefault(e["id"], e)
		for e in seen.values():
		    what, _, when = e["event"].rpartition(".")
		    if what in ("conn", "chan") and when in ("open", "close"):
		        of[what, when][e.get("conn"), e.get("channel")] += 1
		wrong = [(k, v) for k, v in of.items() if max(v.values()) > 1]
		for what in ("conn", "chan"):
		    missing = of[what, "close"].keys() - of[what, "open"].keys()
		    if missing:
		        wrong.append((what, "close without open", missing))
		print({" ".join(k): len(v) for k, v in of.items()})
		sys.exit(f"{wrong}" if wrong or not of["chan", "close"] else 0)
	END
}
check "the audit log has each connection and channel once" audit_whole
control_starts
serving
check "new logins work" works 18005
