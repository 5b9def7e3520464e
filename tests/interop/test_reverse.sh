#!/bin/bash
# Reverse forwarding for stock clients: listeners in user space on the gateway's addresses, over two
# shards, and of the kernel on loopback; port 0, cancelling, refusals, the end of the owner, no
# control at all, and a key that is revoked.
. "$(dirname "$0")/lib.sh"
[ "$(nproc)" -lt 2 ] || LAB_LCORE=0,1
LAB_CONF="GatewayPorts clientspecified
PermitListen *:* 198.19.0.2:443
RevokedKeys $LAB_DIR/revoked
LogLevel VERBOSE"
: >"$LAB_DIR/revoked"
lab_own "$LAB_DIR/revoked"
start_lab
here=$(dirname "$0")
lab_spawn client "$LAB_DIR/peer.log" python3 "$here/reverse_peer.py" serve 18999
lab_wait_log "$lab_pid" "$LAB_DIR/peer.log" serving 10 || exit 1
mapfile -t opts < <(lab_ssh_opts)
to=127.0.0.1:18999

talk() { lab_in target python3 "$here/reverse_peer.py" talk $LAB_GW_INSIDE "$@"; }
local_talk() { lab_in gw python3 "$here/reverse_peer.py" talk "$@"; } # on the gateway's loopback
held() { lab_in target python3 "$here/reverse_peer.py" held $LAB_GW_INSIDE "$1"; }
reverse() { # NAME, options: a client with ssh$NAME.log; its pid in $lab_pid
	local name=$1
	shift
	lab_spawn client "$LAB_DIR/ssh$name.log" ssh "${opts[@]}" -v -N "$@" "$LAB_USER@$LAB_GW_OUTSIDE"
}
logs() { lab_wait_log "$1" "$LAB_DIR/$2.log" "$3" 20; } # pid, log, what

# Several, so that both shards have some and are steered to.
for i in 1 2 3 4; do
	reverse $i -R $LAB_GW_INSIDE:$((18100 + i)):$to
	pids[i]=$lab_pid
done
reverse all -R $LAB_GW_INSIDE:443:$to -R "*:0:$to" -R $LAB_GW_INSIDE:18300:127.0.0.1:1 -R 18210:$to -R localhost:0:$to
all=$lab_pid
all_up() {
	local i
	for i in 1 2 3 4; do logs "${pids[i]}" ssh$i 'remote forward success' || return 1; done
	logs "$all" sshall 'remote forward success.*18300'
}
check "clients have listeners" all_up
# Five that are refused: taken, taken by all addresses, the gateway's own, taken on loopback, somebody
# else's.
reverse bad -R $LAB_GW_INSIDE:18101:$to -R 0.0.0.0:18102:$to -R "*:22:$to" -R 127.0.0.1:18210:$to -R 192.0.2.77:18201:$to
for port in 18101 18102 22 18210 18201; do
	check "port $port is refused" logs "$lab_pid" sshbad "remote port forwarding failed for listen port $port"
done
mapfile -t ports < <(sed -n 's/^Allocated port \([0-9]*\) for.*/\1/p' "$LAB_DIR/sshall.log")
port=${ports[0]:-0}
carry() { # ports: at once; 300 kB each way, who is behind the client speaks first
	local p w=() rc=0
	for p; do
		talk "$p" 300000 &
		w+=($!)
	done
	for p in "${w[@]}"; do wait "$p" || rc=1; done
	return $rc
}
check "all of them carry to the last byte, at once" carry 18101 18102 18103 18104 443 "${port:-0}"
loopback() { local_talk 127.0.0.1 18210 300000 && local_talk ::1 18210 1000 && local_talk 127.0.0.1 "${ports[1]:-0}" 1000; }
check "and on the gateway's loopback, both families" loopback
check "whoever comes is reset where nobody listens behind the client" test "$(held 18300)" = reset

# Other clients.
agent() { # NAME PORT
	lab_spawn client "$LAB_DIR/$1.log" /usr/bin/python3 "$here/reverse_clients.py" "$1" --host $LAB_GW_OUTSIDE \
		--port $LAB_PORT --user $LAB_USER --key "$LAB_DIR/id_ed25519" --listen $LAB_GW_INSIDE --want "$2"
}
declare -A apid
want=18500
for peer in paramiko asyncssh; do
	agent $peer $((want += 1))
	apid[$peer]=$lab_pid
done
if [ -n "$(command -v dbclient)" ]; then
	dropbearkey -t ed25519 -f "$LAB_DIR/db_key" 2>/dev/null | grep '^ssh-ed25519' >>"$LAB_DIR/authorized_keys/$LAB_USER"
	mkdir -p "$LAB_DIR/home"
	HOME=$LAB_DIR/home lab_spawn client "$LAB_DIR/dropbear.log" dbclient -y -y -N -i "$LAB_DIR/db_key" \
		-R $LAB_GW_INSIDE:18599:$to -p $LAB_PORT $LAB_USER@$LAB_GW_OUTSIDE
	up() { local n=400; until talk 18599 1000; do [ $((n -= 1)) -gt 0 ] || return 1; sleep 0.05; done; }
	check "dropbear's listener carries" up
fi
want=18500
for peer in paramiko asyncssh; do
	check "$peer has two listeners" logs "${apid[$peer]}" $peer '^up'
	check "both carry" carry $((want += 1)) "$(awk '/^up/ {print $3}' "$LAB_DIR/$peer.log")"
	kill -USR1 "${apid[$peer]}"
	check "one is cancelled" logs "${apid[$peer]}" $peer '^cancelled'
	check "and gone" test "$(held $want)" = reset
done

# ControlMaster: a forward is cancelled on a connection that lives, and asked for again.
lab_in client ssh "${opts[@]}" -f -N -M -S "$LAB_DIR/master" "$LAB_USER@$LAB_GW_OUTSIDE"
master() { lab_in client ssh "${opts[@]}" -S "$LAB_DIR/master" -O "$@" "$LAB_USER@$LAB_GW_OUTSIDE" 2>&1; }
again() { master forward -R $LAB_GW_INSIDE:18400:$to -R 18410:$to && talk 18400 1000 && local_talk 127.0.0.1 18410 1000; }
check "a forward is added to a connection" again
check "it is cancelled" master cancel -R $LAB_GW_INSIDE:18400:$to -R 18410:$to
check "nobody listens there any more" test "$(held 18400)" = reset
check "it can be asked for again" again
master exit >/dev/null

# The owner dies: somebody else has the port within a second or so, and meanwhile is not refused.
kill -9 "${pids[1]}"
reverse heir -R $LAB_GW_INSIDE:18101:$to
heir() { logs "$lab_pid" sshheir 'remote forward success' && talk 18101 1000; }
check "a port is free once its owner is gone" heir

# Control dies: listeners go on, and beside the next one.
kill -9 "$lab_control_pid"
wait "$lab_control_pid" 2>/dev/null
check "without control listeners go on" carry 18102 18103 "$port"
check "and the kernel's" loopback
: >"$LAB_DIR/control.log"
lab_spawn gw "$LAB_DIR/control.log" env SLUICE_RUN="$LAB_DIR/run" \
	"$SLUICE_BUILD/control/sluice-control" -f "$LAB_DIR/sluice.conf"
lab_control_pid=$lab_pid
check "a new control attaches" logs "$lab_control_pid" control 'Server listening'
check "and they go on beside it" carry 18102 18103
reverse late -R $LAB_GW_INSIDE:18102:$to
check "their ports are still theirs" logs "$lab_pid" sshlate 'remote port forwarding failed'
check "the clients live" kill -0 "$all" "${pids[2]}"

# The key of all of them is revoked: who is told why has no listener any more, before a control or after.
cp "$LAB_DIR/id_ed25519.pub" "$LAB_DIR/next"
lab_own "$LAB_DIR/next"
began=${EPOCHREALTIME/./}
mv "$LAB_DIR/next" "$LAB_DIR/revoked"
gone() { logs "$2" "$1" 'Received disconnect.*the key that let you in was revoked'; } # log, pid
check "who listens is told that his key was revoked" gone sshall "$all"
check "so is who did before this control" gone ssh2 "${pids[2]}"
echo "  after $(((${EPOCHREALTIME/./} - began) / 1000)) ms"
check "nobody listens for them" test "$(held 18102) $(held 18300)" = "reset reset"
nobody_on_loopback() { ! local_talk 127.0.0.1 18210 1000 2>/dev/null; }
check "nor on loopback" nobody_on_loopback
