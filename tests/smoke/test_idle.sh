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
share=$(idle_share "$lab_dataplane_pid")
echo "dataplane: $share % of a core"
check "idle dataplane under 5 %" below "$share" 5
share=$(idle_share "$lab_control_pid")
echo "control: $share % of a core"
check "idle control under 1 %" below "$share" 1

# And it wakes up at once: a fetch right after the pause.
echo hello >"$LAB_DIR/www/hello"
took=$(lab_in client curl -sf -o /dev/null -w '%{time_total}' http://127.0.0.1:18001/hello)
echo "first fetch after idling: $took s"
check "first fetch within 200 ms" below "${took:-9}" 0.2
