#!/bin/bash
# F-40: both processes are killed and leave sockets and files behind; they start cleanly again. A
# second dataplane beside a live one is refused instead of taking its socket.
. "$(dirname "$0")/../interop/lib.sh"
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

# Control alone is killed while a tunnel carries. What flows goes on; a channel more than that needs
# control, and the new one says that it does not know the connection.
head -c 4000000 /dev/urandom >"$LAB_DIR/www/slow"
: >"$LAB_DIR/ssh.log"
lab_forward 18004 "$LAB_TARGET_ADDR:8080"
lab_in client curl -sf -m 60 --limit-rate 1M -o "$LAB_DIR/slow" http://127.0.0.1:18004/slow &
curl_pid=$!
for _ in $(seq 100); do [ -s "$LAB_DIR/slow" ] && break; sleep 0.05; done
kill -9 "$lab_control_pid"
wait "$lab_control_pid" 2>/dev/null
: >"$LAB_DIR/control.log"
lab_spawn gw "$LAB_DIR/control.log" env SLUICE_RUN="$LAB_DIR/run" \
	"$SLUICE_BUILD/control/sluice-control" -f "$LAB_DIR/sluice.conf"
lab_control_pid=$lab_pid
check "a new control attaches" lab_wait_log "$lab_control_pid" "$LAB_DIR/control.log" 'Server listening' 20
whole() {
	kill -0 $curl_pid 2>/dev/null || echo "(it had ended before)"
	wait $curl_pid && cmp "$LAB_DIR/slow" "$LAB_DIR/www/slow"
}
check "an open channel goes on across the restart" whole
told() {
	lab_in client curl -s -m 20 http://127.0.0.1:18004/hello
	for _ in $(seq 100); do
		grep -q 'the gateway was restarted: please connect again' "$LAB_DIR/ssh.log" && return
		sleep 0.05
	done
	return 1
}
check "who needs control then is told why the connection ends" told
check "new logins work" works 18005
