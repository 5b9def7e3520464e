#!/bin/bash
# F-30: others take nine tenths of the gateway's processor, in pieces longer than its own keep-alives are
# apart. All is slow; nobody is taken for dead, neither connections that are idle nor those that move, no
# byte is lost, and when the processor is back all is as fast as ever.
. "$(dirname "$0")/../interop/lib.sh"
seconds=${SLUICE_LONG:+60}
seconds=${seconds:-4}
# A client that does not answer two of them is dead after some three seconds.
LAB_CONF="ClientAliveInterval 1
ClientAliveCountMax 2"
start_lab
start_pump || exit 1
n=4
forwards=()
for ((i = 0; i < n; i++)); do
	lab_forward $((18400 + i)) "$LAB_TARGET_ADDR:8080" -o ServerAliveInterval=1 -o ServerAliveCountMax=8 || exit 1
	forwards+=("$lab_pid")
done
mapfile -t opts < <(lab_ssh_opts)
move() { # get|put
	lab_in client "$SLUICE_BUILD/perf/pump" "$1" $((${SLUICE_LONG:+256} + 16 << 20)) -- ssh "${opts[@]}" \
		-W $LAB_TARGET_ADDR:9000 "$LAB_USER@$LAB_GW_OUTSIDE" >/dev/null 2>"$LAB_DIR/$1.out"
}
movers=()
for way in get put; do
	move $way &
	movers+=($!)
done

ran() { # pid: ticks of a processor it had
	sed 's/.*) //' "/proc/$1/stat" | awk '{ print $12 + $13 }'
}
steal() { # seconds: nine tenths, a second each time
	local end=$((SECONDS + $1))
	while [ $SECONDS -lt $end ]; do
		kill -STOP "$lab_dataplane_pid" "$lab_control_pid"
		sleep 0.9
		kill -CONT "$lab_dataplane_pid" "$lab_control_pid"
		sleep 0.1
	done
}
before=$(($(ran "$lab_dataplane_pid") + $(ran "$lab_control_pid")))
steal "$seconds"
had=$(($(ran "$lab_dataplane_pid") + $(ran "$lab_control_pid") - before))
share=$((had * 100 / (seconds * $(getconf CLK_TCK))))
echo "the gateway had $share % of a processor for $seconds s"
check "it had little, and made something of it" test "$had" -gt 0 -a "$share" -lt 50

all_live() { kill -0 "${forwards[@]}"; }
check "nobody was taken for dead" all_live
whole() {
	local rc=0 p
	for p in "${movers[@]}"; do wait "$p" || rc=1; done
	return $rc
}
check "what was moved is whole" whole
echo hello >"$LAB_DIR/www/hello"
quick() {
	local i
	for ((i = 0; i < n; i++)); do
		lab_in client curl -sf -m 5 -o "$LAB_DIR/hello" "http://127.0.0.1:$((18400 + i))/hello" &&
			same_file "$LAB_DIR/hello" "$LAB_DIR/www/hello" || return 1
	done
}
check "and all of them go on" quick
login() { lab_forward 18450 "$LAB_TARGET_ADDR:8080"; }
check "a new one logs in" login
