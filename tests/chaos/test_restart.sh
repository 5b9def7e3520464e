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

kill -9 "$lab_dataplane_pid" "$lab_control_pid"
wait "$lab_dataplane_pid" "$lab_control_pid" 2>/dev/null
[ -n "$(ls "$LAB_DIR/run")" ] && echo "left behind: $(ls "$LAB_DIR/run" | tr '\n' ' ')"
: >"$LAB_DIR/control.log"
check "starts again over what was left" lab_gateway_start "$SLUICE_BUILD"
check "works again" works 18003

# Control alone is killed: the dataplane stays, a new control attaches.
kill -9 "$lab_control_pid"
wait "$lab_control_pid" 2>/dev/null
: >"$LAB_DIR/control.log"
lab_spawn gw "$LAB_DIR/control.log" env SLUICE_RUN="$LAB_DIR/run" \
	"$SLUICE_BUILD/control/sluice-control" -f "$LAB_DIR/sluice.conf"
lab_control_pid=$lab_pid
check "a new control attaches" lab_wait_log "$lab_control_pid" "$LAB_DIR/control.log" 'Server listening' 20
check "new logins work" works 18004
