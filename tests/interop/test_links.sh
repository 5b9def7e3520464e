#!/bin/bash
# Links for real: a TAP that goes down and comes back under a download (F-12), a VLAN on it beside its
# untagged interface, and what the operator sees of both.
. "$(dirname "$0")/lib.sh"
lab_up || exit 1
LAB_OUTSIDE=net_tap0,iface=sltap
LAB_CONF="Interface ten net_tap0,iface=sltap vlan=10 mtu=1400
InterfaceAddress ten 198.19.10.2/24"
lab_configure
lab_fileserver_start || exit 1
lab_spawn gw "$LAB_DIR/dataplane.log" env SLUICE_RUN="$LAB_DIR/run" "$SLUICE_BUILD/dataplane/sluice-dataplane" \
	-f "$LAB_DIR/sluice.conf"
lab_dataplane_pid=$lab_pid
lab_wait_log "$lab_pid" "$LAB_DIR/dataplane.log" 'is ready' 30 || exit 1
# The kernel's end of the TAP is the client, in the gateway's own namespace.
ip -n "$LAB-gw" addr add $LAB_CLIENT_ADDR/24 dev sltap
lab_spawn gw "$LAB_DIR/control.log" env SLUICE_RUN="$LAB_DIR/run" SLUICE_KEYS_IN_CONTROL=yes "$SLUICE_BUILD/control/sluice-control" \
	-f "$LAB_DIR/sluice.conf"
lab_control_pid=$lab_pid
lab_wait_log "$lab_pid" "$LAB_DIR/control.log" 'Server listening' 30 || exit 1

vlan() { lab_in gw python3 "$top/tests/interop/vlan_peer.py" sltap "$1" "$2" "$3"; }
answers() { [[ $(vlan "$1" "$2" "$3") = "$3 "* ]]; }
silent() { [ "$(vlan "$1" "$2" "$3")" = silent ]; }
check "the tag's address answers with the tag" answers 198.19.10.1 198.19.10.2 10
check "without a tag the other one does" answers $LAB_CLIENT_ADDR $LAB_GW_OUTSIDE 0
check "an address does not answer behind another tag" silent 198.19.10.1 198.19.10.2 0
check "nobody answers a tag that is no interface's" silent 198.19.10.1 198.19.10.2 11

counter() { # room, object, name
	python3 -c '
import json, socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(b"show counters\n")
for c in json.loads(s.makefile().readline())["shards"][0]["counters"]:
    if [c["room"], c.get("object", ""), c["name"]] == sys.argv[2:]:
        print(c["value"])' "$LAB_DIR/run/control.sock" "$@"
}
above() { local v; v=$(counter "$2" "$3" "$4"); [ -n "$v" ] && [ "$v" -gt "$1" ]; }
check "the tag was counted" above 0 net '' VLAN

lab_random_file "$LAB_DIR/www/file" 5000000
mapfile -t opts < <(lab_ssh_opts)
lab_spawn gw "$LAB_DIR/ssh.log" ssh "${opts[@]}" -v -N -L "127.0.0.1:18080:$LAB_TARGET_ADDR:8080" \
	"$LAB_USER@$LAB_GW_OUTSIDE"
lab_wait_log "$lab_pid" "$LAB_DIR/ssh.log" 'Entering interactive session|pledge: ' 30 || exit 1
# A reader with a pace of its own: 5 MB in no less than 4 s.
lab_in gw python3 -c '
import sys, time, urllib.request
with urllib.request.urlopen("http://127.0.0.1:18080/file", timeout=60) as r, open(sys.argv[1], "wb", 0) as f:
    while b := r.read(62500):
        f.write(b)
        time.sleep(0.05)' "$LAB_DIR/file" &
reader_pid=$!
for _ in $(seq 400); do [ -s "$LAB_DIR/file" ] && break; sleep 0.05; done
said() { [ "$(grep -c "interface outside: link $1" "$LAB_DIR/dataplane.log")" -ge "$2" ]; }
until_said() { local i; for ((i = 0; i < 400; i++)); do said "$@" && return; sleep 0.05; done; }
link() { ip -n "$LAB-gw" link set sltap "$1"; }
link down # shorter than what looks for it
sleep 0.02
link up
sleep 0.3
seen=$(grep -c 'interface outside: link down' "$LAB_DIR/dataplane.log")
for n in 1 2 3; do
	link down
	until_said down $((seen + n))
	sleep 0.2
	link up
	until_said up $((seen + n))
done
whole() {
	kill -0 $reader_pid 2>/dev/null || echo "(it had ended before)"
	wait $reader_pid && same_file "$LAB_DIR/file" "$LAB_DIR/www/file"
}
check "a download outlives a link that goes four times" whole
check "the log says when it went" said down 3
check "and when it came" said up 3
check "the operator sees how often" above 2 port outside LINK_DOWN
check "the gateway is alive" gateway_alive
