#!/bin/bash
# Sluice's stack against the kernel's, below SSH: ARP and neighbour discovery both ways, ping, a
# refused port, a listener that answers, also between link-local addresses, and a clean end; over a
# packet socket and over a TAP that was moved.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
[ "$(id -u)" = 0 ] || { echo "namespaces need root"; exit 77; }
: "${SLUICE_BUILD:=$top/build}"
failures=0 pid='' control=''
dir=$(mktemp -d "${TMPDIR:-/tmp}/sluice-net.XXXXXX")
gw=sln-$$-$RANDOM-gw client=sln-$$-$RANDOM-c

check() {
	local what=$1
	shift
	if "$@"; then echo "ok: $what"; else echo "FAILED: $what"; failures=$((failures + 1)); fi
}
stop() {
	[ -n "$pid" ] || return 0
	kill -TERM "$pid" 2>/dev/null
	wait "$pid"
	local rc=$?
	pid=''
	return $rc
}
control_start() {
	: >"$dir/control.log"
	ip netns exec "$gw" env SLUICE_RUN="$dir/run" SLUICE_KEYS_IN_CONTROL=yes "$SLUICE_BUILD/control/sluice-control" \
		-f "$dir/sluice.conf" >>"$dir/control.log" 2>&1 &
	control=$!
	wait_log "$control" "$dir/control.log" 'Server listening'
}
control_stop() {
	[ -n "$control" ] || return 0
	kill -TERM "$control" 2>/dev/null
	wait "$control"
	control=''
}
wait_log() { # pid, file, pattern
	local n=400
	until grep -qs "$3" "$2"; do
		kill -0 "$1" 2>/dev/null && [ $((n -= 1)) -gt 0 ] || { echo "no /$3/ in $2"; exit 1; }
		sleep 0.05
	done
}
finish() {
	local rc=$?
	trap - EXIT
	control_stop
	stop
	if grep -E -A25 'ERROR: (Address|Leak)Sanitizer|runtime error:|Assertion' "$dir"/*.log; then failures=$((failures + 1)); fi
	[ "$failures" = 0 ] && [ $rc = 0 ] || tail -n 30 "$dir"/*.log
	ip netns del "$gw" 2>/dev/null
	ip netns del "$client" 2>/dev/null
	rm -rf -- "$dir"
	[ "$failures" = 0 ] || exit 1
	exit $rc
}
trap finish EXIT
trap 'exit 130' INT TERM

start() { # device string
	mkdir -p "$dir/run"
	[ -f "$dir/host_key" ] || ssh-keygen -q -t ed25519 -N '' -f "$dir/host_key"
	cat >"$dir/sluice.conf" <<-CONF
		Memory 128M
		MaxConnections 1000
		MaxChannels 1000
		Interface outside $1
		InterfaceAddress outside 198.18.0.2/24
		InterfaceAddress outside 2001:db8:1::2/64
		ListenAddress 198.18.0.2:2222
		ListenAddress [::]:2222
		HostKey $dir/host_key
	CONF
	ip netns exec "$gw" env SLUICE_RUN="$dir/run" "$SLUICE_BUILD/dataplane/sluice-dataplane" \
		-f "$dir/sluice.conf" >>"$dir/dataplane.log" 2>&1 &
	pid=$!
	wait_log $pid "$dir/dataplane.log" 'is ready'
}
kernel_end() { # address is put on eth0 of the client's namespace
	ip -n "$client" link set lo up
	ip netns exec "$client" sh -c 'echo 0 >/proc/sys/net/ipv6/conf/eth0/accept_dad'
	ip -n "$client" addr add 198.18.0.1/24 dev eth0
	ip -n "$client" addr add 2001:db8:1::1/64 dev eth0
	ip -n "$client" link set eth0 up
	ip netns exec "$client" ethtool -K eth0 tx off tso off gso off gro off >/dev/null 2>&1
}
peer() { ip netns exec "$client" python3 "$top/tests/interop/net_peer.py" "$@"; }
neighbour_known() { ip -n "$client" neigh show 198.18.0.2 | grep -q lladdr; }
# An answer to ARP that nobody asked for must not be needed: the gateway asks by itself.
gateway_asks() {
	ip -n "$client" neigh flush dev eth0
	peer ping 198.18.0.2 1 && neighbour_known
}
neighbour6_known() { ip -n "$client" -6 neigh show 2001:db8:1::2 | grep -q lladdr; }
gateway_asks6() {
	ip -n "$client" -6 neigh flush dev eth0
	peer ping 2001:db8:1::2 1 && neighbour6_known
}
clean_end() { stop && [ ! -e "$dir/run/link.sock" ] && [ ! -e "$dir/run/shard0.stats" ]; }
idle_below_5() {
	local a b
	ticks() { sed 's/.*) //' "/proc/$pid/stat" | awk '{ print $12 + $13 }'; }
	sleep 0.5
	a=$(ticks)
	sleep 2
	b=$(ticks)
	echo "idle: $(((b - a) * 50 / $(getconf CLK_TCK))) % of a core"
	[ $(((b - a) * 50)) -lt $((5 * $(getconf CLK_TCK))) ]
}
suite() { # name
	check "$1: ping, each size" peer ping 198.18.0.2 56 1 0 1472
	check "$1: kernel learned our MAC" neighbour_known
	check "$1: after a flush" gateway_asks
	check "$1: another address is not answered" peer silent 198.18.0.3
	check "$1: a port without listener is refused" peer refused 198.18.0.2 22
	check "$1: IPv6: ping, each size" peer ping 2001:db8:1::2 56 1 0 1452
	check "$1: IPv6: kernel learned our MAC" neighbour6_known
	check "$1: IPv6: after a flush" gateway_asks6
	check "$1: IPv6: another address is not answered" peer silent 2001:db8:1::3
	check "$1: IPv6: a port without listener is refused" peer refused 2001:db8:1::2 22
	link_local=$(peer find eth0)
	check "$1: IPv6: ping between link-local addresses" peer ping "$link_local" 56 1452
	check "$1: idle below 5 %" idle_below_5
	control_start
	check "$1: a listener answers" peer ident 198.18.0.2 2222
	check "$1: a listener answers over IPv6" peer ident 2001:db8:1::2 2222
	check "$1: a listener answers a link-local peer" peer ident "$link_local" 2222
	check "$1: another port is still refused" peer refused 198.18.0.2 22
	control_stop
	check "$1: without control a connection is still accepted" peer accepted 198.18.0.2 2222
}

ip netns add "$gw" && ip netns add "$client" || exit 1
ip -n "$gw" link add outside type veth peer name eth0 netns "$client" || exit 1
ip netns exec "$gw" sh -c 'echo 1 >/proc/sys/net/ipv6/conf/outside/disable_ipv6; ip link set outside arp off up
	ethtool -K outside tx off tso off gso off gro off >/dev/null'
kernel_end
start net_af_packet0,iface=outside,framesz=2048,framecnt=1024,blocksz=65536
suite af_packet
check "af_packet: clean end" clean_end
ip -n "$gw" link del outside

: >"$dir/dataplane.log"
start net_tap0,iface=sluicetap
ip -n "$gw" link set sluicetap netns "$client" name eth0 || exit 1
kernel_end
suite tap
check "tap: clean end" clean_end
check "tap: interface is gone" sh -c "! ip -n $client link show eth0 2>/dev/null"
