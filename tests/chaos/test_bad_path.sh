#!/bin/bash
# F-14, F-15, F-16: stock ssh through a gateway behind a bad path (perf/middle). Every byte is checked at
# the sink; a connection may be slow, or end with an error where MACs fail, but never say what was not said.
. "$(dirname "$0")/../interop/lib.sh"
long=${SLUICE_LONG:+yes}
limit=${long:+600} # seconds of a scenario; at 30 % loss each way a login alone may take minutes
limit=${limit:-170}
LAB_CONF=${long:+LoginGraceTime 10m}
seed=${SLUICE_SEED:-1}
echo "seed $seed"

# The client's link of the lab, with perf/middle in it: a is the client, b the gateway.
path_up() {
	ip -n "$LAB-gw" link del outside
	mkfifo "$LAB_DIR/path"
	exec 8<>"$LAB_DIR/path"
	"$SLUICE_BUILD/perf/middle" "$LAB-client:eth0" "$LAB-gw:outside" --seed "$seed" \
		--life 1800 <"$LAB_DIR/path" >"$LAB_DIR/middle.log" 2>&1 &
	path_pid=$!
	lab_pids+=("$path_pid")
	lab_wait_log "$path_pid" "$LAB_DIR/middle.log" ready 10 || exit 1
	ip -n "$LAB-gw" link set outside txqueuelen 10000
	ip -n "$LAB-client" link set eth0 txqueuelen 10000
	lab_raw_end outside
	lab_host_end client eth0 $LAB_CLIENT_ADDR
}
clean=(--way both --mbit 0 --delay 0 --jitter 0 --loss 0 --burst 1 --reorder 0 --dup 0 --corrupt 0 --light 0 --dark 0)
path() { # options: all others are as on a good path
	echo "${clean[*]} $*" >&8
}
moved() { # get|put, KiB, seconds
	local opts way=$1 kib=$2 limit=$3
	mapfile -t opts < <(lab_ssh_opts)
	lab_in client timeout "$limit" "$SLUICE_BUILD/perf/pump" "$way" $((kib << 10)) -- ssh "${opts[@]}" \
		-o ConnectTimeout=60 -W $LAB_TARGET_ADDR:9000 "$LAB_USER@$LAB_GW_OUTSIDE" >/dev/null 2>"$LAB_DIR/pump.out"
}
# Both at once, on two connections.
both() { # KiB, seconds
	local rc=0 pid
	moved put "$1" "$2" &
	pid=$!
	moved get "$1" "$2" || rc=1
	wait $pid || rc=1
	return $rc
}
scenario() { # name, KiB, options of the path…
	local name=$1 kib=$2
	shift 2
	path "$@"
	check "F-14 $name" both "$kib" "$limit"
}
carried() { lab_in client awk '$1 == "eth0:" { print int(($2 + $10) / 1024) }' /proc/net/dev; } # KiB, both ways
# What arrives altered with a right checksum, in the middle of a transfer, ends the connection. Altered is the way of
# the data alone: the other end would not understand why it ends, either.
mac_fails() { # get|put, what ssh says
	local pid way=ab before
	[ "$1" = get ] && way=ba
	path --mbit 20 --queue 64000
	before=$(carried)
	moved "$1" 65536 60 &
	pid=$!
	while kill -0 $pid 2>/dev/null && [ "$(carried)" -lt $((before + 1024)) ]; do sleep 0.02; done
	path --way $way --mbit 20 --queue 64000 --corrupt 5 --right 1
	if wait $pid; then echo "nothing ended the connection"; return 1; fi
	grep -qiE -- "$2" "$LAB_DIR/pump.out" || { cat "$LAB_DIR/pump.out"; return 1; }
}
nothing_wrong() { ! grep -H 'wrong bytes' "$LAB_DIR/pump.log" "$LAB_DIR/pump.out"; }
rate_changes() {
	local pid
	path --mbit 100 --queue 64000 --delay 5
	moved get "$1" 170 &
	pid=$!
	for mbit in 5 200 20 1000; do
		sleep 0.3
		path --mbit $mbit --queue 64000 --delay 5
	done
	wait $pid
}

lab_up || exit 1
path_up
lab_configure
lab_gateway_start "$SLUICE_BUILD" || exit 1
start_pump

scenario "loss 1 %, reordering, duplicates, jitter" 1024 --delay 2 --jitter 2 --loss 1 --reorder 1 --reorder-by 5 --dup 1
scenario "bursts of 8, 3 % lost" 512 --delay 2 --loss 3 --burst 8
check "F-14 the rate changes" rate_changes 4096
path --corrupt 2 --right 0
check "F-15 corruption that the checksum sees" both 256 170
check "F-15 corruption that only the MAC sees, to the gateway" mac_fails put 'closed by|reset by|disconnect'
check "F-15 corruption that only the MAC sees, from the gateway" mac_fails get 'MAC|message authentication code'
check "F-15 no altered byte was handed on" nothing_wrong
path
check "F-15 the next connection is well" both 256 60
scenario "F-16 a black hole by turns, from the gateway only" 512 --mbit 8 --queue 64000 --way ba --light 0.4 --dark 0.3
if [ "$long" ]; then
	for loss in 0.1 0.3 3 10; do scenario "loss $loss %" 2048 --delay 5 --loss $loss; done
	scenario "loss 30 %" 64 --delay 5 --loss 30
	for burst in 3 16 64; do scenario "bursts of $burst" 2048 --delay 5 --loss 2 --burst $burst; done
	for by in 1 10 100; do scenario "10 % late by $by ms" 2048 --delay 5 --mbit 50 --reorder 10 --reorder-by $by; done
	scenario "10 % doubled" 4096 --delay 5 --dup 10
	scenario "delay 750 ms" 2048 --delay 375 --jitter 20
	for way in ab ba both; do
		scenario "F-16 5 s on, 2 s off, $way" 16384 --mbit 8 --queue 64000 --way $way --light 5 --dark 2
	done
fi
exec 8>&-
