#!/bin/bash
# Reverse forwarding for stock clients: listeners in user space on the gateway's addresses, over two
# shards; port 0, cancelling, refusals, a duplicate, the end of the owner, and no control at all.
. "$(dirname "$0")/lib.sh"
[ "$(nproc)" -lt 2 ] || LAB_LCORE=0,1
LAB_CONF="GatewayPorts clientspecified
PermitListen *:* 198.19.0.2:443
LogLevel VERBOSE"
start_lab
peer=$(dirname "$0")/reverse_peer.py
lab_spawn client "$LAB_DIR/peer.log" python3 "$peer" serve 18999
lab_wait_log "$lab_pid" "$LAB_DIR/peer.log" serving 10 || exit 1
mapfile -t opts < <(lab_ssh_opts)

talk() { lab_in target python3 "$peer" talk $LAB_GW_INSIDE "$@"; }
held() { lab_in target python3 "$peer" held $LAB_GW_INSIDE "$1"; }
reverse() { # NAME, options: a client with ssh$NAME.log; its pid in $lab_pid
	local name=$1
	shift
	lab_spawn client "$LAB_DIR/ssh$name.log" ssh "${opts[@]}" -v -N -o ExitOnForwardFailure=yes "$@" \
		"$LAB_USER@$LAB_GW_OUTSIDE"
}
up() { lab_wait_log "$lab_pid" "$LAB_DIR/ssh$1.log" 'remote forward success' 20; }
refused() { lab_wait_log "$lab_pid" "$LAB_DIR/ssh$1.log" 'remote port forwarding failed' 20; }

# Several, so that both shards have some and are steered to.
for i in 1 2 3 4 5 6; do
	reverse $i -R $LAB_GW_INSIDE:$((18100 + i)):127.0.0.1:18999
	pids[i]=$lab_pid
done
all_up() { local i; for i in 1 2 3 4 5 6; do lab_pid=${pids[i]}; up $i || return 1; done; }
check "six clients have listeners" all_up
carry() { local i; for i in 1 2 3 4 5 6; do talk $((18100 + i)) 300000 || return 1; done; }
check "who speaks first is heard, both ways, to the last byte" carry
check "at all of them at once" eval 'for i in 1 2 3 4 5 6; do talk $((18100 + i)) 1000000 & w[i]=$!; done; wait ${w[*]}'

reverse dup -R $LAB_GW_INSIDE:18101:127.0.0.1:18999
check "a port that is taken is refused" refused dup
reverse wild -R 0.0.0.0:18101:127.0.0.1:18999
check "and on all addresses, too" refused wild
reverse ssh -R '*:22:127.0.0.1:18999'
check "the gateway's own port is not to be had" refused ssh
reverse low -R $LAB_GW_INSIDE:80:127.0.0.1:18999
check "a privileged one is refused" refused low
reverse named -R $LAB_GW_INSIDE:443:127.0.0.1:18999
check "but not where PermitListen names it" up named
check "and it carries" talk 443 1000
reverse local -R 18200:127.0.0.1:18999
check "there is no loopback to listen on" refused local
reverse other -R 192.0.2.77:18200:127.0.0.1:18999
check "nor an address of somebody else" refused other

reverse any -R '*:0:127.0.0.1:18999'
check "any port is granted" up any
port=$(sed -n 's/^Allocated port \([0-9]*\) for.*/\1/p' "$LAB_DIR/sshany.log")
check "and named, and carries on the other address as well" talk "${port:-0}" 1000
any=$lab_pid

# Nobody listens at the client's: the peer is reset.
reverse dead -R $LAB_GW_INSIDE:18300:127.0.0.1:1
check "a listener for nothing" up dead
check "whoever comes is reset" test "$(held 18300)" = reset

# ControlMaster: a forward is added and cancelled on a connection that lives.
lab_in client ssh "${opts[@]}" -f -N -M -S "$LAB_DIR/master" "$LAB_USER@$LAB_GW_OUTSIDE"
master() { lab_in client ssh "${opts[@]}" -S "$LAB_DIR/master" "$@" "$LAB_USER@$LAB_GW_OUTSIDE" 2>&1; }
check "a forward is added to a connection" master -O forward -R $LAB_GW_INSIDE:18400:127.0.0.1:18999
check "it carries" talk 18400 1000
check "it is cancelled" master -O cancel -R $LAB_GW_INSIDE:18400:127.0.0.1:18999
check "nobody listens there any more" test "$(held 18400)" = reset
check "and it can be asked for again" master -O forward -R $LAB_GW_INSIDE:18400:127.0.0.1:18999
check "and carries again" talk 18400 1000
master -O exit >/dev/null

# The owner dies: within a second or so somebody else may have the port.
kill -9 "${pids[1]}"
again() {
	reverse again -o ExitOnForwardFailure=yes -R $LAB_GW_INSIDE:18101:127.0.0.1:18999
	up again && talk 18101 1000
}
check "a port is free once its owner is gone" again

# Control dies: listeners go on.
kill -9 "$lab_control_pid"
wait "$lab_control_pid" 2>/dev/null
check "without control listeners go on" eval 'talk 18102 100000 && talk 18103 100000 && talk "$port" 1000'
: >"$LAB_DIR/control.log"
lab_spawn gw "$LAB_DIR/control.log" env SLUICE_RUN="$LAB_DIR/run" \
	"$SLUICE_BUILD/control/sluice-control" -f "$LAB_DIR/sluice.conf"
lab_control_pid=$lab_pid
check "a new control attaches" lab_wait_log "$lab_control_pid" "$LAB_DIR/control.log" 'Server listening' 20
check "and they go on beside it" eval 'talk 18102 100000 && talk 18103 100000'
reverse late -R $LAB_GW_INSIDE:18102:127.0.0.1:18999
check "their ports are still theirs" refused late
check "the client lives" kill -0 "$any"
