#!/bin/bash
# Two shards on two lcores: stock ssh connections with forwards spread over both, each packet finds its
# shard, what is open outlives a control. The outer port has a queue for each shard and a kernel that
# deals flows out by a hash of its own; the inner one has one queue, that of the first shard (T-42).
. "$(dirname "$0")/lib.sh"
[ "$(nproc)" -ge 2 ] || { echo "one processor"; exit 77; }
LAB_LCORE=0,1
LAB_OUTSIDE=net_af_packet0,iface=outside,qpairs=2,framesz=2048,framecnt=1024,blocksz=65536
start_lab
mib=1
[ -z "${SLUICE_LONG:-}" ] || mib=64
n=8
lab_random_file "$LAB_DIR/www/file" $((mib << 20))

ask() { # request, expression of Python over v, the answer: prints its value
	python3 -c '
import json, socket, sys
s = socket.socket(socket.AF_UNIX)
s.settimeout(10)
s.connect(sys.argv[1])
s.sendall(sys.argv[2].encode() + b"\n")
v = json.loads(s.makefile().readline())
print(eval(sys.argv[3]))' "$LAB_DIR/run/control.sock" "$@"
}

counter() { # shard, room, name, interface or none: the sum
	ask 'show counters' "sum(c['value'] for s in v['shards'] if s['shard'] == $1
		for c in s['counters'] if c['room'] == '$2' and c['name'] == '$3'
		and c.get('object', '').startswith('${4:-}'))"
}

check "both shards are known" \
	test "$(ask 'show info' "v['dataplanes'][0]['shards']")" = 2

# Each with a forward of its own; ssh.log of each apart.
mapfile -t opts < <(lab_ssh_opts)
begin() {
	local i pids=()
	for ((i = 0; i < n; i++)); do
		lab_spawn client "$LAB_DIR/ssh$i.log" ssh "${opts[@]}" -v -N -o ExitOnForwardFailure=yes \
			-L "127.0.0.1:$((18200 + i)):$LAB_TARGET_ADDR:8080" "$LAB_USER@$LAB_GW_OUTSIDE"
		pids+=("$lab_pid")
	done
	for ((i = 0; i < n; i++)); do
		lab_wait_log "${pids[i]}" "$LAB_DIR/ssh$i.log" 'Entering interactive session|pledge: ' 30 || return 1
	done
}
check "$n connections log in" begin

both_ways() { # all at once
	local i pids=() rc=0
	for ((i = 0; i < n; i++)); do
		(
			lab_in client curl -sf -m 60 -o "$LAB_DIR/got$i" "http://127.0.0.1:$((18200 + i))/file" &&
				same_file "$LAB_DIR/got$i" "$LAB_DIR/www/file" &&
				lab_in client curl -sf -m 60 -T "$LAB_DIR/www/file" "http://127.0.0.1:$((18200 + i))/up/copy$i" &&
				same_file "$LAB_DIR/www/up/copy$i" "$LAB_DIR/www/file"
		) &
		pids+=($!)
	done
	for i in "${pids[@]}"; do wait "$i" || rc=1; done
	return $rc
}
check "all of them carry both ways at once" both_ways

# That all fall to one side is one chance in 128, and no fault: then more of them are made.
spread() {
	[ "$(ask 'show connections' "len({c['shard'] for c in v['connections']})")" = 2 ]
}
for _ in 1 2 3 4; do
	spread && break
	lab_forward $((18300 + RANDOM % 500)) "$LAB_TARGET_ADDR:8080" >/dev/null
done
check "show connections has both shards" spread
check "no two have one uid" \
	test "$(ask 'show connections' "len({c['uid'] for c in v['connections']}) - len(v['connections'])")" = 0
handed() { counter "$1" port STEERED "$2"; }
check "of the port of one queue only the first did" \
	test "$(handed 0 inside)" -gt 0 -a "$(handed 1 inside)" = 0
# A shard whose core somebody else has takes nothing meanwhile: what is too much for the ring is TCP's to send again.
check "hardly a packet was lost between them" \
	test "$((($(counter 0 port STEER_FULL) + $(counter 1 port STEER_FULL)) * 100))" -le "$(handed 0 inside)"
check "no segment came to the wrong one" test "$(($(counter 0 tcp DROP_NO_CONN) + $(counter 1 tcp DROP_NO_CONN)))" = 0

# What flows goes on without control, in both shards, and beside the new one.
slow=()
for ((i = 0; i < n; i++)); do
	lab_in client curl -sf -m 60 --limit-rate $((mib << 19)) -o "$LAB_DIR/slow$i" "http://127.0.0.1:$((18200 + i))/file" &
	slow+=($!)
done
# Each has its channel: what is only asked for may be refused by a control that goes.
under_way() {
	local i tries=1000
	for ((i = 0; i < n; i++)); do
		until [ -s "$LAB_DIR/slow$i" ]; do
			[ $((tries -= 1)) -gt 0 ] || return 1
			sleep 0.02
		done
	done
	kill -0 "${slow[@]}"
}
check "transfers are under way" under_way
kill -9 "$lab_control_pid"
wait "$lab_control_pid" 2>/dev/null
: >"$LAB_DIR/control.log"
lab_spawn gw "$LAB_DIR/control.log" env SLUICE_RUN="$LAB_DIR/run" \
	"$SLUICE_BUILD/control/sluice-control" -f "$LAB_DIR/sluice.conf"
lab_control_pid=$lab_pid
check "a new control attaches to both" lab_wait_log "$lab_control_pid" "$LAB_DIR/control.log" 'Server listening' 20
check "both shards are ready again" test "$(grep -c 'shard [01] ready' "$LAB_DIR/control.log")" = 2
whole() {
	local i rc=0
	for ((i = 0; i < n; i++)); do
		wait "${slow[i]}" && same_file "$LAB_DIR/slow$i" "$LAB_DIR/www/file" || rc=1
	done
	return $rc
}
check "what was open goes on across the restart" whole
