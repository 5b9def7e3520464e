#!/bin/bash
# SSH over IPv6 through the gateway: login, targets by address, both families on one port, link-local
# peers and gateways, and a transfer that forged neighbour discovery and ARP leave alone (F-34).
LAB_CONF='
InterfaceAddress outside 2001:db8:1::2/64
InterfaceAddress inside 2001:db8:2::2/64
Route 2001:db8:3::/48 via fe80::99%inside
ListenAddress ::
LogLevel VERBOSE'
. "$(dirname "$0")/lib.sh"

host6() { # namespace, address
	ip netns exec "$LAB-$1" sh -c 'echo 0 >/proc/sys/net/ipv6/conf/eth0/accept_dad'
	ip -n "$LAB-$1" addr add "$2" dev eth0
}
knows() { printf '%s %s\n' "$1" "$(cut -d' ' -f1,2 "$LAB_DIR/host_ed25519.pub")" >>"$LAB_DIR/known_hosts"; }
peer() { lab_in client python3 "$top/tests/interop/net_peer.py" "$@"; }
# What nginx of the target says, by way of the gateway at $1; $2: host:port.
fetch() {
	local opts
	mapfile -t opts < <(lab_ssh_opts)
	printf 'GET /small HTTP/1.0\r\n\r\n' |
		lab_in client timeout 20 ssh "${opts[@]}" -W "$2" "$LAB_USER@$1" 2>>"$LAB_DIR/ssh.log" | grep -q "$word"
}
refused() { ! fetch "$@"; }
prohibited() { : >"$LAB_DIR/ssh.log"; refused "$@" && grep -q 'administratively prohibited' "$LAB_DIR/ssh.log"; }
in_log() { grep -q -- "$1" "$LAB_DIR/control.log"; }
forward_up() { # port: the file comes whole
	lab_in client curl -s -g -m 60 "http://127.0.0.1:$1/big" -o "$LAB_DIR/got" && same_file "$LAB_DIR/got" "$LAB_DIR/www/big"
}

lab_up || exit 1
ip -n "$LAB-target" addr add fe80::99/64 dev eth0 nodad
host6 client 2001:db8:1::1/64
host6 target 2001:db8:2::1/64
ip -n "$LAB-target" addr add 2001:db8:3::1/128 dev lo
ip -n "$LAB-target" -6 route add default via 2001:db8:2::2
lab_configure
word=word$RANDOM$RANDOM
mkdir -p "$LAB_DIR/www"
echo "$word" >"$LAB_DIR/www/small"
lab_random_file "$LAB_DIR/www/big" 50000000
lab_fileserver_start || exit 1
lab_spawn target "$LAB_DIR/peer.log" python3 -m http.server --bind :: --directory "$LAB_DIR/www" 8086
lab_gateway_start "$SLUICE_BUILD" || exit 1
knows 2001:db8:1::2
check "a listener on all of IPv6" lab_wait_log "$lab_control_pid" "$LAB_DIR/control.log" 'Server listening on :: port 22' 10

check "login over IPv6, target over IPv6" fetch 2001:db8:1::2 '[2001:db8:2::1]:8086'
check "login over IPv6, target over IPv4" fetch 2001:db8:1::2 198.19.0.1:8080
check "login over IPv4, target over IPv6" fetch 198.18.0.2 '[2001:db8:2::1]:8086'
check "a target behind a link-local gateway" fetch 2001:db8:1::2 '[2001:db8:3::1]:8086'
check "the gateway's own address is no target" refused 2001:db8:1::2 '[2001:db8:2::2]:22'
# Of its kernel, which was somebody else's until then: that comes to control by itself.
comes_to_be() { for _ in $(seq 40); do "$@" && return 0; sleep 0.5; done; return 1; }
ip -n "$LAB-gw" addr add 2001:db8:3::1/128 dev lo
check "nor is one that its kernel has by now" comes_to_be prohibited 2001:db8:1::2 '[2001:db8:3::1]:8086'
ip -n "$LAB-gw" addr del 2001:db8:3::1/128 dev lo
check "when that is gone it is one again" comes_to_be fetch 2001:db8:1::2 '[2001:db8:3::1]:8086'
check "nor is a link-local one" refused 2001:db8:1::2 '[fe80::99]:8086'
check "nor IPv4's loopback in IPv6's form" refused 2001:db8:1::2 '[::ffff:127.0.0.1]:22'
check "the log has the address" in_log 'Accepted publickey for demo from 2001:db8:1::1 port'

link_local=$(peer find eth0)
knows "$link_local"
check "login between link-local addresses" fetch "$link_local" 198.19.0.1:8080
check "the log has the link" in_log 'Accepted publickey for demo from fe80::[0-9a-f:]*%outside port'

mapfile -t opts < <(lab_ssh_opts)
lab_spawn client "$LAB_DIR/ssh.log" ssh "${opts[@]}" -v -N -o ExitOnForwardFailure=yes \
	-L '127.0.0.1:7001:[2001:db8:2::1]:8086' "$LAB_USER@2001:db8:1::2"
lab_wait_log "$lab_pid" "$LAB_DIR/ssh.log" 'Entering interactive session|pledge: ' 30
check "50 MB over IPv6" forward_up 7001
lab_spawn client "$LAB_DIR/storm.log" python3 "$top/tests/interop/net_peer.py" storm eth0 2001:db8:1::2 198.18.0.2 1000000
storm=$lab_pid
lab_wait_log "$storm" "$LAB_DIR/storm.log" storming 20
check "50 MB while forged frames come" forward_up 7001
check "the storm went on as long" kill -0 "$storm"
lab_stop_pid "$storm"
kill -USR1 "$lab_dataplane_pid"
lab_wait_log "$lab_dataplane_pid" "$LAB_DIR/dataplane.log" 'net ND_ROUTER' 5
check "forged advertisements are counted" grep -q 'net ND_UNASKED' "$LAB_DIR/dataplane.log"
check "forged ARP is counted" grep -q 'net ARP_CONFLICT' "$LAB_DIR/dataplane.log"
check "the gateway answers as before" fetch 2001:db8:1::2 '[2001:db8:2::1]:8086'
grep ' net ' "$LAB_DIR/dataplane.log" | sed 's/^[^:]*: //'
