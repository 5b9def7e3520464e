#!/bin/bash
# F-04: each program of the gateway stands still for a while (SIGSTOP, then SIGCONT) under tunnels of all
# kinds, one of which changes its keys all the time; F-02: sluice-signer is killed and started again beneath
# that. A control that stands still longer than ControlWait is sent away: data goes on, opens are refused, and it
# comes back. At last the gateway drains, and stops. The audit log has all of it once, and its end. No byte is lost, no tunnel ends, what waited goes on, and nobody comes in without a signature.
# SLUICE_LONG: 1, 10 and 60 seconds.
stops=1 patience=20
[ -z "${SLUICE_LONG:-}" ] || stops="1 10 60" patience=90
. "$(dirname "$0")/kinds.sh" "$@"
LAB_CONF+=$(printf '%s\n' "GatewayPorts clientspecified" "LogLevel VERBOSE" "MaxStartups 100:30:200" "DrainTime 20" "ControlWait $patience")
LAB_CONF="$LAB_CONF
AuditLog $LAB_DIR/audit.json"
start_lab

peer=$top/tests/chaos/restart_peer.py
lab_spawn target "$LAB_DIR/echo.log" /usr/bin/python3 "$peer" echo $LAB_TARGET_ADDR 9100
lab_wait_log "$lab_pid" "$LAB_DIR/echo.log" serving 20
mkfifo "$LAB_DIR/end"
lab_spawn client "$LAB_DIR/peer.log" bash -c "exec /usr/bin/python3 -W ignore '$peer' move $LAB_GW_OUTSIDE $LAB_PORT \
	'$LAB_DIR/id_ed25519' '$LAB_DIR/known_hosts' $LAB_TARGET_ADDR 9100 conns=3 tunnels=6 stall=90000 folder='$LAB_DIR/demo' <'$LAB_DIR/end'"
peer_pid=$lab_pid
exec 7>"$LAB_DIR/end"
check "tunnels move" lab_wait_log "$peer_pid" "$LAB_DIR/peer.log" '^up' 60
head -c 6000000 /dev/urandom >"$LAB_DIR/www/slow"
: >"$LAB_DIR/ssh.log"
lab_forward 18004 "$LAB_TARGET_ADDR:8080" -o RekeyLimit=64K
lab_in client curl -sf -m 900 --limit-rate 1M -o "$LAB_DIR/slow" http://127.0.0.1:18004/slow 7>&- &
curl_pid=$!
for _ in $(seq 400); do [ -s "$LAB_DIR/slow" ] && break; sleep 0.05; done

stands_still() { # pid, seconds…
	local s
	for s in "${@:2}"; do
		kill -STOP "$1"
		sleep "$s"
		kill -CONT "$1"
	done
}
check "control stands still" stands_still "$lab_control_pid" $stops
check "the signer stands still" stands_still "$lab_signer_pid" $stops
check "the helper stands still" stands_still "$lab_helper_pid" $stops
check "the dataplane stands still" stands_still "$lab_dataplane_pid" $stops

signer_starts() {
	: >"$LAB_DIR/signer.log"
	lab_spawn gw "$LAB_DIR/signer.log" env SLUICE_RUN="$LAB_DIR/run" \
		"$SLUICE_BUILD/control/sluice-signer" -f "$LAB_DIR/sluice.conf" 7>&-
	lab_signer_pid=$lab_pid
	lab_wait_log "$lab_signer_pid" "$LAB_DIR/signer.log" "host keys, on" 30
}
lines() { grep -c "$1" "$2"; } # of a log
changes_keys() { [ "$(lines 'SSH2_MSG_KEXINIT sent' "$LAB_DIR/ssh.log")" -gt "$(lines 'SSH2_MSG_NEWKEYS received' "$LAB_DIR/ssh.log")" ]; }
# While there is none, who changes keys waits, and so does who comes.
signer_dies() {
	local opts login
	mapfile -t opts < <(lab_ssh_opts)
	lab_in client curl -sf -m 60 -o "$LAB_DIR/again" http://127.0.0.1:18004/slow 7>&- &
	again_pid=$!
	for _ in $(seq 1000); do [ -s "$LAB_DIR/again" ] && break; sleep 0.02; done
	kill -9 "$lab_signer_pid"
	wait "$lab_signer_pid" 2>/dev/null
	lab_spawn client "$LAB_DIR/login.log" ssh "${opts[@]}" -v -N "$LAB_USER@$LAB_GW_OUTSIDE" 7>&-
	login=$lab_pid
	lab_wait_log "$login" "$LAB_DIR/login.log" 'expecting SSH2_MSG_KEX_ECDH_REPLY' 30 || return 1
	for _ in $(seq 1000); do changes_keys && break; sleep 0.02; done
	changes_keys || { echo "keys are not being changed"; return 1; }
	kill -0 "$login" && ! grep -q 'SSH2_MSG_NEWKEYS' "$LAB_DIR/login.log" || return 1
	signer_starts &&
		lab_wait_log "$login" "$LAB_DIR/login.log" 'Entering interactive session|pledge: ' 30 &&
		lab_stop_pid "$login"
}
again() { wait "$again_pid" && cmp "$LAB_DIR/again" "$LAB_DIR/www/slow"; }
check "the signer is killed and starts again" signer_dies
check "who changed keys meanwhile goes on" again
whole() { wait $curl_pid && cmp "$LAB_DIR/slow" "$LAB_DIR/www/slow"; }
check "keys were exchanged all the while, and no byte is lost" whole
exec 7>&-
check "tunnels: none ended, no byte was wrong, opens and logins went on" wait "$peer_pid"
tail -1 "$LAB_DIR/peer.log"
works() {
	: >"$LAB_DIR/ssh.log"
	lab_forward 18005 "$LAB_TARGET_ADDR:8080" && lab_stop_pid "$lab_pid"
}
check "new logins work" works

: >"$LAB_DIR/ssh.log"
check "one more comes in" lab_forward 18006 "$LAB_TARGET_ADDR:8080"
lab_in client curl -sf -m 900 --limit-rate 1M -r 0-3999999 -o "$LAB_DIR/moves" http://127.0.0.1:18006/slow 7>&- &
curl_pid=$!
for _ in $(seq 400); do [ -s "$LAB_DIR/moves" ] && break; sleep 0.05; done
still() {
	kill -STOP "$lab_control_pid"
	# Something is to be asked of it: this open is refused when its time is over.
	! lab_in client curl -sf -m $((patience + 40)) -o "$LAB_DIR/none" http://127.0.0.1:18006/slow &&
		grep -q 'link: control detached: it stands still' "$LAB_DIR/dataplane.log" &&
		grep -q 'open failed: resource shortage' "$LAB_DIR/ssh.log"
}
check "a control that stands still longer than ControlWait is sent away, and what was asked of it refused" still
attached() { grep -c 'link: control attached' "$LAB_DIR/dataplane.log"; }
comes_back() {
	local n=$(attached)
	kill -CONT "$lab_control_pid"
	for _ in $(seq 400); do [ "$(attached)" -gt "$n" ] && break; sleep 0.05; done
	lab_in client curl -sf -m 20 -r 0-9999 http://127.0.0.1:18006/slow | cmp -s -n 10000 - "$LAB_DIR/www/slow"
}
check "it comes back, and opens go on" comes_back
moved() { wait "$curl_pid" && cmp -n 4000000 "$LAB_DIR/moves" "$LAB_DIR/www/slow"; }
check "what moved meanwhile lost nothing" moved

ctl() { SLUICE_RUN="$LAB_DIR/run" "$SLUICE_BUILD/control/sluicectl" "$@"; }
nobody() { # comes in, once the shards have heard of it
	local opts i
	mapfile -t opts < <(lab_ssh_opts)
	for ((i = 0; i < 50; i++)); do
		lab_in client timeout 20 ssh "${opts[@]}" -N "$LAB_USER@$LAB_GW_OUTSIDE" 2>"$LAB_DIR/login.log"
		[ $? = 255 ] || return 1
		grep -q 'Connection refused' "$LAB_DIR/login.log" && return
	done
	return 1
}
goes_on() { lab_in client curl -sf -m 20 -r 0-9999 "http://127.0.0.1:$1/slow" | cmp -s -n 10000 - "$LAB_DIR/www/slow"; }
check "the gateway drains" ctl drain
check "nobody comes in" nobody
check "who is in goes on" goes_on 18006
undrains() {
	local n=$(lines 'Server listening' "$LAB_DIR/control.log") i
	ctl undrain || return 1
	for ((i = 0; i < 400; i++)); do
		[ "$(lines 'Server listening' "$LAB_DIR/control.log")" -gt "$n" ] && return
		sleep 0.05
	done
	return 1
}
check "it drains no more" undrains
: >"$LAB_DIR/ssh.log"
check "who comes then is let in" lab_forward 18007 "$LAB_TARGET_ADDR:8080"

told() { # of each of those that are there
	[ "$(grep -c "Received disconnect from $LAB_GW_OUTSIDE port [0-9]*:11: shutting down" "$LAB_DIR/ssh.log")" = "$1" ]
}
stops() {
	local pid
	lab_in client curl -sf -m 60 --limit-rate 1M -r 0-399999 -o "$LAB_DIR/last" http://127.0.0.1:18006/slow &
	pid=$!
	for _ in $(seq 1000); do [ -s "$LAB_DIR/last" ] && break; sleep 0.02; done
	kill -TERM "$lab_dataplane_pid"
	lab_wait_log "$lab_dataplane_pid" "$LAB_DIR/dataplane.log" '3 connections have 20000 ms to end' 20 || return 1
	nobody || return 1
	wait "$pid" && cmp -n 400000 "$LAB_DIR/last" "$LAB_DIR/www/slow" || return 1
	wait "$lab_dataplane_pid"
}
check "the dataplane stops: nobody comes in, what moves has DrainTime to end" stops
all() { for _ in $(seq 400); do told 3 && return; sleep 0.05; done; return 1; }
check "each is told to go" all
audit_whole() { /usr/bin/python3 "$top/tests/chaos/audit_whole.py" "$LAB_DIR/audit.json" 60; }
check "the audit log has each connection, channel and listener once, and its end" audit_whole
kill -0 "$lab_control_pid" && lab_stop_pid "$lab_control_pid"
lab_control_pid=''
