#!/bin/bash
# S-46: crowds that never log in. Each costs a stated amount at most, a legitimate client logs in
# within a second beside them, and their places are free again at LoginGraceTime +- 1 s.
. "$(dirname "$0")/../interop/lib.sh"
count=300 grace=4
[ -z "${SLUICE_LONG:-}" ] || { count=20000 grace=60; } # five kinds: 100,000
LAB_CONF="MaxStartups 200000:30:200000
LoginGraceTime $grace"
start_lab
echo hello >"$LAB_DIR/www/hello"
lab_in client sh -c 'echo 1024 65535 >/proc/sys/net/ipv4/ip_local_port_range'
mapfile -t opts < <(lab_ssh_opts)

login() { # seconds a login and one small answer take
	local start end
	start=$(date +%s%N)
	printf 'GET /hello HTTP/1.0\r\n\r\n' | lab_in client timeout 20 ssh "${opts[@]}" -W $LAB_TARGET_ADDR:8080 \
		$LAB_USER@$LAB_GW_OUTSIDE 2>>"$LAB_DIR/ssh.log" | grep -qx hello || return 1
	end=$(date +%s%N)
	awk -v n=$((end - start)) 'BEGIN { printf "%.2f", n / 1e9 }'
}
rss() { awk '/^VmRSS/ { print $2 }' "/proc/$1/status"; }
below() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a < b) }'; }
near_grace() { awk -v f="$1" -v l="$2" -v g=$grace 'BEGIN { exit !(f > g - 1 && l < g + 1.5) }'; }

crowd() { # kind, KiB of control's memory each at most
	local kind=$1 cap=$2 before after took line
	before=$(rss "$lab_control_pid")
	lab_spawn client "$LAB_DIR/crowd.$kind" /usr/bin/python3 "$top/tests/chaos/strangers.py" --host $LAB_GW_OUTSIDE \
		--port $LAB_PORT --count $count --kind "$kind" --limit $((grace * 2 + 20))
	local pid=$lab_pid
	lab_wait_log $pid "$LAB_DIR/crowd.$kind" '^open ' 120 || return 1
	took=$(login) || { echo "no login beside $kind"; return 1; }
	after=$(rss "$lab_control_pid")
	echo "$kind: login $took s; control $before -> $after KiB"
	below "$took" 1.0 || [ "${SLUICE_BUILD%-clang}" != "$SLUICE_BUILD" ] && below "$took" 3.0 || { echo "slow login"; return 1; }
	# A sanitizer's allocator keeps a quarantine: memory is judged in the plain build.
	[ "${SLUICE_BUILD%-clang}" != "$SLUICE_BUILD" ] || below $((after - before)) $((count * cap + 8192)) || { echo "too much memory"; return 1; }
	wait $pid || { cat "$LAB_DIR/crowd.$kind"; return 1; }
	line=$(grep '^closed' "$LAB_DIR/crowd.$kind")
	echo "  $line"
	# shellcheck disable=SC2086
	near_grace $(awk '{ print $4, $6 }' <<<"$line") || { echo "not at LoginGraceTime $grace +- 1 s"; return 1; }
}
check "silent" crowd silent 8
check "half a banner" crowd half 8
check "a banner only" crowd banner 16
check "a KEXINIT only" crowd kexinit 64
check "a byte a second" crowd drip 16
check "the gateway is alive" gateway_alive
