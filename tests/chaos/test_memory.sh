#!/bin/bash
# F-37: fewer pages or less memory than asked for is a clear refusal to start. F-10: a memory limit is not run over.
. "$(dirname "$0")/../interop/lib.sh"
lab_up || exit 1
start_refused() { # pattern, line of configuration
	local out
	LAB_CONF=$2 lab_configure
	sed -i '/^Memory 512M/d' "$LAB_DIR/sluice.conf"
	out=$(lab_in gw env SLUICE_RUN="$LAB_DIR/run" timeout 30 "$SLUICE_BUILD/dataplane/sluice-dataplane" \
		-f "$LAB_DIR/sluice.conf" 2>&1)
	local rc=$?
	[ $rc -ne 0 ] && [ $rc -ne 124 ] && [ $rc -lt 128 ] && grep -qiE -- "$1" <<<"$out" || { echo "exit $rc: $out" | tail -5; return 1; }
}
check "too little memory" start_refused 'memory' 'Memory 4M'
check "more memory than there is" start_refused 'memory' 'Memory 4096G'
if [ "$(cat /proc/sys/vm/nr_hugepages)" = 0 ]; then
	check "hugepages required, none there" start_refused 'hugepage' 'Memory 512M
Hugepages require'
fi

# F-10: a group's limit below Memory is said at start. The gateway in a memory cgroup that is hardly larger than what it has at rest. A crowd of strangers, a
# target that never reads and clients that go on writing to it are shed by the limits; the OOM killer never comes.
# Of either kind of groups, whichever has the memory controller.
if [ -e /sys/fs/cgroup/memory/memory.limit_in_bytes ]; then
	groups=/sys/fs/cgroup/memory limit=memory.limit_in_bytes none=-1 now=memory.usage_in_bytes most=memory.max_usage_in_bytes events=memory.oom_control
	home=$groups$(sed -n 's/^[0-9]*:memory://p' /proc/self/cgroup)
	at_limit() { cat "$cgroup/memory.failcnt"; }
else
	groups=$(sed -n 's/^[^ ]* \([^ ]*\) cgroup2 .*/\1/p' /proc/mounts | head -1)
	limit=memory.max none=max now=memory.current most=memory.peak events=memory.events
	home=$groups$(sed -n 's/^0:://p' /proc/self/cgroup)
	[ -z "$groups" ] || echo +memory >"$groups/cgroup.subtree_control" 2>/dev/null
	at_limit() { counter max; }
fi
cgroup=$groups/$LAB
{ [ -n "$groups" ] && mkdir "$cgroup" 2>/dev/null && [ -e "$cgroup/$limit" ]; } || {
	rmdir "$cgroup" 2>/dev/null
	[ "$failures" = 0 ] || exit 1
	echo "no memory cgroup: F-10 is not shown"
	exit 77
}
in_group() { # what, limit: in this group
	echo "$2" >"$cgroup/$limit"
	(
		# What "ip netns exec" gives instead of /sys has no groups.
		lab_in() { nsenter --net="/run/netns/$LAB-$1" "${@:2}"; }
		echo $BASHPID >"$cgroup/cgroup.procs" && start_refused "$1" 'Memory 512M'
	)
}
check "F-10: a limit below Memory is refused at start" in_group "control group, 400 MiB in $cgroup/$limit, leaves [0-9]+" 400M
echo $none >"$cgroup/$limit"
counter() { sed -n "s/^$1 //p" "$cgroup/$events"; }
shed() { # how many strangers were, as control counts them
	SLUICE_RUN="$LAB_DIR/run" "$SLUICE_BUILD/control/sluicectl" show limits --json |
		python3 -c 'import json, sys; print(sum(r["refused"] for r in json.load(sys.stdin)["limits"] if r["limit"] == "MaxStartups"))'
}
crowded() {
	local bytes n before after pids=()
	LAB_CONF='MaxStartups 50
PerSourceMaxStartups none
TCPSourceConnections 0' LAB_MEMORY=128M lab_configure
	# What this shell starts in there stays there.
	echo $$ >"$cgroup/cgroup.procs" && lab_gateway_start "$SLUICE_BUILD" || return 1
	echo $$ >"$home/cgroup.procs"
	bytes=$(($(cat "$cgroup/$now") + (${SLUICE_ROOM_MB:-40} << 20)))
	echo $bytes >"$cgroup/$limit" || return 1
	lab_spawn target "$LAB_DIR/backends.log" /usr/bin/python3 -W ignore "$top/tests/chaos/backends.py" serve $LAB_TARGET_ADDR
	lab_wait_log "$lab_pid" "$LAB_DIR/backends.log" serving 10 || return 1
	before=$(shed)
	lab_spawn client "$LAB_DIR/peer.log" /usr/bin/python3 "$top/tests/chaos/strangers.py" --host $LAB_GW_OUTSIDE --port $LAB_PORT \
		--count "$strangers" --kind kexinit --limit 2
	mapfile -t opts < <(lab_ssh_opts)
	for n in $(seq 8); do
		lab_in client timeout 2 ssh "${opts[@]}" -W $LAB_TARGET_ADDR:7002 "$LAB_USER@$LAB_GW_OUTSIDE" \
			< <(head -c 64M /dev/zero) >"$LAB_DIR/deaf.$n" 2>&1 &
		pids+=($!)
	done
	wait "${pids[@]}"
	after=$(shed)
	echo "   $(($(cat "$cgroup/$most") >> 20)) of $((bytes >> 20)) MiB at most, $(at_limit) times at the limit, $((after - before)) shed"
	# The strangers' places are free some time after them.
	for n in $(seq 60); do
		lab_in client ssh "${opts[@]}" -W $LAB_TARGET_ADDR:7006 "$LAB_USER@$LAB_GW_OUTSIDE" </dev/null >"$LAB_DIR/after" && break
		sleep 0.5
	done
	[ "$(stat -c %s "$LAB_DIR/after")" = 60000 ] && [ "$(counter oom_kill)" = 0 ] && [ $((after - before)) -gt 0 ] && [ "$(cat "$cgroup/$most")" -gt $((64 << 20)) ]
}
strangers=300
[ -z "${SLUICE_LONG:-}" ] || strangers=5000
check "a memory limit is not run over" crowded
check "the gateway is alive" gateway_alive
lab_gateway_stop
lab_control_pid=''
rmdir "$cgroup"
