#!/bin/bash
# An idle gateway sleeps: under 5 % of a core, with a client logged in and nothing moving.
. "$(dirname "$0")/../interop/lib.sh"
start_lab
lab_forward 18001 "$LAB_TARGET_ADDR:8080" || exit 1

seconds=5
[ -z "${SLUICE_LONG:-}" ] || seconds=60
ticks() { sed 's/.*) //' "/proc/$1/stat" | awk '{ print $12 + $13 }'; }
idle_share() { # pid: percent of a core
	local a b
	a=$(ticks "$1")
	sleep $seconds
	b=$(ticks "$1")
	awk -v d=$((b - a)) -v hz="$(getconf CLK_TCK)" -v s=$seconds 'BEGIN { printf "%.1f", 100 * d / hz / s }'
}
below() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a < b) }'; }
# Beside other work on the same cores waking up costs more: the least of three counts.
rests_below() { # name pid percent
	local share
	for _ in 1 2 3; do
		share=$(idle_share "$2")
		echo "$1: $share % of a core"
		below "$share" "$3" && return 0
	done
	return 1
}
check "idle dataplane under 5 %" rests_below dataplane "$lab_dataplane_pid" 5
check "idle control under 1 %" rests_below control "$lab_control_pid" 1

# And it wakes up at once: a fetch right after the pause.
echo hello >"$LAB_DIR/www/hello"
took=$(lab_in client curl -sf -o /dev/null -w '%{time_total}' http://127.0.0.1:18001/hello)
echo "first fetch after idling: $took s"
check "first fetch within 200 ms" below "${took:-9}" 0.2
