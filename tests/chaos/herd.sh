#!/bin/bash
# F-33 at its full size, by hand: herd.sh [AGENTS [BUSY]] (10,000, none). A gateway as it is deployed, with listeners of its own, in
# namespaces, MaxStartups as in conf/samples/reverse-hub.conf; all its agents are up, it is stopped and started, and while
# they come back people log in one after the other, each until he is in. 1: somebody was back after more than a minute, or
# the slowest hundredth of people took more than two seconds. Ends by itself within fifteen minutes. Wants 3 GB.
# Before that BUSY of them carry requests for thirty seconds while the others are idle: "herd.sh 11000 1000".
agents=${1:-10000} busy=${2:-0}
LAB_MEMORY=1G
LAB_CONF="MaxConnections 12000
MaxStartups 1000:30:5000
RetryAfter 2
DrainTime 1
GatewayPorts clientspecified
MaxListeners 16000
MaxListenersPerUser 16000
MaxListenersPerSource 16000
PermitListen 198.18.0.2:*
TargetRule allow 198.19.0.1/32:8080"
. "$(dirname "$0")/../interop/lib.sh"
start_lab
lab_in client sh -c 'echo 1024 65535 >/proc/sys/net/ipv4/ip_local_port_range'
cat >"$LAB_DIR/herd.conf" <<CONF
UserKnownHostsFile $LAB_DIR/known_hosts
GlobalKnownHostsFile none
IdentityFile $LAB_DIR/id_ed25519
IdentityAgent none
StrictHostKeyChecking yes
Hostname $LAB_GW_OUTSIDE
Port $LAB_PORT
User $LAB_USER
Host herd*
	RemoteForward $LAB_GW_OUTSIDE:0 127.0.0.1:8080
CONF
cd "$LAB_DIR" || exit 1
lab_spawn client herd.log python3 "$top/tests/chaos/tunnel_herd.py" "$SLUICE_BUILD/client/sluice" "$agents" herd.conf $LAB_TARGET_ADDR:8080
herd=$lab_pid
lab_wait_log "$herd" herd.log '^up: ' 400 || exit 1
run_busy() {
	SLUICE_RUN=$LAB_DIR/run "$SLUICE_BUILD/control/sluicectl" --json show listeners |
		python3 -c 'import json, sys; print(*[l["port"] for l in json.load(sys.stdin)["listeners"] if l["kind"] == "client"][:int(sys.argv[1])])' "$busy" >ports
	[ "$(wc -w <ports)" = "$busy" ] && lab_in client python3 "$top/tests/chaos/herd_busy.py" $LAB_GW_OUTSIDE 30 <ports
}
[ "$busy" = 0 ] || check "$busy busy among $agents" run_busy
lab_gateway_stop
for log in dataplane control signer helper; do mv $log.log $log.1.log; done
lab_gateway_start "$SLUICE_BUILD" || exit 1
lab_wait_log "$herd" herd.log '^back: ' 400
cat herd.log
SLUICE_RUN=$LAB_DIR/run "$SLUICE_BUILD/control/sluicectl" show counters |
	awk '/\.name/ { n = $2 } /^control.*\.value/ && (n == "STARTUPS" || n == "UNATTENDED") { print n, $2 }'
read -r back p99 <<<"$(sed -n 's/^back: .* agents in \([0-9.]*\) s,.*p99 \([0-9.]*\) s.*/\1 \2/p' herd.log)"
check "all back within a minute" awk -v t="${back:-999}" 'BEGIN { exit !(t <= 60) }'
check "people log in within two seconds" awk -v t="${p99:-999}" 'BEGIN { exit !(t <= 2) }'
