#!/bin/bash
# Targets that misbehave are mirrored as they are (F-25), a target that speaks first loses nothing, and forty
# channels at once of one ControlMaster are forty channels.
. "$(dirname "$0")/../interop/lib.sh"
start_lab
lab_spawn target "$LAB_DIR/backends.log" /usr/bin/python3 -W ignore "$top/tests/chaos/backends.py" serve $LAB_TARGET_ADDR
lab_wait_log "$lab_pid" "$LAB_DIR/backends.log" serving 10 || exit 1
check "targets that misbehave" lab_in client /usr/bin/python3 -W ignore "$top/tests/chaos/backends.py" drive \
	--host $LAB_GW_OUTSIDE --port $LAB_PORT --user $LAB_USER --key "$LAB_DIR/id_ed25519" --target $LAB_TARGET_ADDR

mapfile -t opts < <(lab_ssh_opts)
gw=$LAB_USER@$LAB_GW_OUTSIDE
forty() {
	local n pids=() bad=0
	lab_in client ssh "${opts[@]}" -M -S "$LAB_DIR/mux" -f -N "$gw" || return 1
	for n in $(seq 40); do
		lab_in client timeout 30 ssh "${opts[@]}" -S "$LAB_DIR/mux" -W $LAB_TARGET_ADDR:7006 "$gw" </dev/null >"$LAB_DIR/mux.$n" &
		pids+=($!)
	done
	for n in "${pids[@]}"; do
		wait "$n" || bad=$((bad + 1))
	done
	lab_in client ssh "${opts[@]}" -S "$LAB_DIR/mux" -O exit "$gw" 2>>"$LAB_DIR/ssh.log"
	[ "$(sha256sum "$LAB_DIR"/mux.[0-9]* | cut -d' ' -f1 | sort -u | wc -l)" = 1 ] && [ "$(stat -c %s "$LAB_DIR/mux.1")" = 60000 ] && [ $bad = 0 ]
}
check "forty channels of one ControlMaster" forty
check "the gateway is alive" gateway_alive
