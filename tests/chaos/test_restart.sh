#!/bin/bash
# F-40: both processes are killed and leave sockets and files behind; they start cleanly again. A
# second dataplane beside a live one is refused instead of taking its socket.
#
# F-01: control is killed again and again while tunnels of all kinds move keyed bytes: none is lost, no
# tunnel ends, opens and key exchanges wait for the next control and go on, new logins come in, and the
# audit log has each connection, channel and listener once, and its end. No tunnel stands still for long, nobody is kept out for long.
# SLUICE_LONG: ten times with 100 tunnels, then 100 times with 1,000, with bounds for an optimized build whose
# dataplane comes before others. "SLUICE_RESTARTS=CONNS TUNNELS KILLS" does that once, at its size.
# F-06: a restart with a file that is wrong, or half of one, is refused aloud, a reload of one keeps what there is, and
# a control that is killed in a reload is followed by another one; what moves goes on.
. "$(dirname "$0")/kinds.sh" "$@"
LAB_CONF+=$(printf '%s\n' "GatewayPorts clientspecified" "LogLevel VERBOSE" "MaxStartups 100:30:200" \
	"MaxListenersPerUser 4096" "MaxListenersPerSource 4096")
# How long anything takes is told by the optimized build, where there is one.
if [ -n "${SLUICE_LONG:-}" ] && [ -x "$top/build/control/sluice-helper" ] && [ -x "$top/build/perf/pump" ]; then
	SLUICE_BUILD=$top/build
	echo "the programs are those of $SLUICE_BUILD"
fi
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

# What is not written when both are killed nobody knows any more.
audit_closed() { /usr/bin/python3 "$top/tests/chaos/audit_whole.py" "$LAB_DIR/audit.json" 60; }
check "what is over is in the audit log" audit_closed
kill -9 "$lab_dataplane_pid" "$lab_control_pid" "$lab_signer_pid" "$lab_helper_pid"
wait "$lab_dataplane_pid" "$lab_control_pid" "$lab_signer_pid" "$lab_helper_pid" 2>/dev/null
[ -n "$(ls "$LAB_DIR/run")" ] && echo "left behind: $(ls "$LAB_DIR/run" | tr '\n' ' ')"
: >"$LAB_DIR/control.log"
check "starts again over what was left" lab_gateway_start "$SLUICE_BUILD"
check "works again" works 18003

# Milliseconds of a tunnel without an answer, and of nobody who came in: of a sanitized build beside others a
# multiple of what is promised. Half a login is cut off by a kill and tried again.
rounds=("4 10 3") stall=2000 gap=6000
if [ -n "${SLUICE_LONG:-}${SLUICE_RESTARTS:-}" ]; then
	rounds=("10 10 10" "50 20 100") stall=200 gap=2000
	[ -z "${SLUICE_RESTARTS:-}" ] || rounds=("$SLUICE_RESTARTS")
fi
# Client, target and dataplane have machines, or a core, of their own where it matters how long anything takes.
first() { [ $stall != 200 ] || renice -n -15 "$@" >/dev/null; }
first "$lab_dataplane_pid"

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
first "$lab_pid"
mkfifo "$LAB_DIR/end"
peer_starts() { # connections, tunnels of each
	: >"$LAB_DIR/peer.log"
	lab_spawn client "$LAB_DIR/peer.log" bash -c "exec /usr/bin/python3 -W ignore '$peer' move $LAB_GW_OUTSIDE $LAB_PORT \
		'$LAB_DIR/id_ed25519' '$LAB_DIR/known_hosts' $LAB_TARGET_ADDR 9100 conns=$1 tunnels=$2 \
		stall=$stall gap=$gap folder='$LAB_DIR/demo' <'$LAB_DIR/end'"
	peer_pid=$lab_pid
	first "$peer_pid"
	exec 7>"$LAB_DIR/end"
	lab_wait_log "$peer_pid" "$LAB_DIR/peer.log" '^up' 300 || { cat "$LAB_DIR/peer.log"; return 1; }
}
peer_ends() {
	local rc
	exec 7>&-
	wait "$peer_pid"
	rc=$?
	tail -1 "$LAB_DIR/peer.log"
	return $rc
}
all_serve() { # kills: each time somebody comes in before the next
	local i
	for ((i = 0; i < $1; i++)); do
		control_killed
		control_starts
		serving || return 1
		lab_wait_log "$lab_control_pid" "$LAB_DIR/control.log" 'Received disconnect' 20 || return 1
		sleep "0.$((RANDOM % 5))"
	done
}

# One tunnel changes its keys all the time.
head -c 5000000 /dev/urandom >"$LAB_DIR/www/slow"
head -c 2000000 "$LAB_DIR/www/slow" >"$LAB_DIR/www/short"
: >"$LAB_DIR/ssh.log"
lab_forward 18004 "$LAB_TARGET_ADDR:8080" -o RekeyLimit=64K
slow_pid=$lab_pid
fetch_begins() { # file
	rm -f "$LAB_DIR/$1"
	lab_in client curl -sf -m 900 --limit-rate 1M -o "$LAB_DIR/$1" "http://127.0.0.1:18004/$1" 7>&- &
	curl_pid=$!
	for _ in $(seq 400); do [ -s "$LAB_DIR/$1" ] && break; sleep 0.05; done
}
whole() { wait $curl_pid && cmp "$LAB_DIR/$1" "$LAB_DIR/www/$1"; }
more() { lab_in client curl -sf -m 20 http://127.0.0.1:18004/hello | grep -qx hello; }
restarts() { # connections, tunnels of each, kills
	check "$1 connections of $2 tunnels each move" peer_starts "$1" "$2"
	fetch_begins slow
	check "control is killed $3 times, and each new one serves" all_serve "$3"
	check "keys were exchanged all the while, and no byte is lost" whole slow
	check "a channel more is opened by the new control" more
	check "none ended, no byte was wrong, opens went on, none stood still for $stall ms, logins for $gap" peer_ends
}
for round in "${rounds[@]}"; do
	restarts $round
done

listening() { for _ in $(seq 400); do [ "$(grep -c "listener open: .*:1801[01]$" "$LAB_DIR/control.log")" = 2 ] && return; sleep 0.05; done; return 1; }
# Killed before it has written that it listens, perhaps; that ends while there is no control.
listens_and_ends() {
	local pid
	: >"$LAB_DIR/ssh.log"
	lab_forward 18006 "$LAB_TARGET_ADDR:8080" -R "$LAB_GW_OUTSIDE:18010:127.0.0.1:9" -R 18011:127.0.0.1:9
	pid=$lab_pid
	listening || return 1
	control_killed
	lab_stop_pid "$pid"
	control_starts
	serving
}
check "a connection with listeners ends while control is away" listens_and_ends

fetch_begins short
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
cp "$LAB_DIR/sluice.conf" "$LAB_DIR/whole.conf"
reads_again() { # control, until it says this
	kill -HUP "$lab_control_pid"
	lab_wait_log "$lab_control_pid" "$LAB_DIR/control.log" "$1" 20
}
# Killed as soon as it says that it reads, of what is whole and of what somebody is writing.
reloads_cut() {
	local i
	for i in whole half; do
		[ $i = whole ] || cp "$LAB_DIR/half.conf" "$LAB_DIR/sluice.conf"
		[ $i = whole ] || { reads_again 'cannot be read again: .*stays as it was' && more; } || return 1
		: >"$LAB_DIR/control.log"
		reads_again 'Received SIGHUP' || return 1
		control_killed
		cp "$LAB_DIR/whole.conf" "$LAB_DIR/sluice.conf"
		control_starts
		serving || return 1
	done
}
check "control is killed while it reads its file again, and of half a file goes by the old one" reloads_cut
check "a channel more after that" more
check "a wrong file is refused aloud" refused "$LAB_DIR/wrong.conf" NoSuchKeyword
control_starts # for refused() to kill
check "half a file is refused aloud" refused "$LAB_DIR/half.conf" half.conf
control_starts
check "the old one is served again" serving

check "what moved went on" whole short
audit_whole() { # each connection, channel and listener was opened once and closed once
	lab_stop_pid "$slow_pid"
	audit_closed || return 1
	lab_stop_pid "$lab_control_pid"
	/usr/bin/python3 "$top/tests/chaos/audit_whole.py" "$LAB_DIR/audit.json" 0
}
check "the audit log has each connection, channel and listener once, and its end" audit_whole
control_starts
serving
check "new logins work" works 18005
