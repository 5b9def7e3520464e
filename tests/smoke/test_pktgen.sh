#!/bin/bash
# perf/pktgen: each script is Lua, calls Pktgen with what Pktgen takes, and what it sends has the
# sums it should (pktgen_mock.lua stands in for Pktgen); and the stand-in refuses what is wrong.
set -u
cd "$(dirname "$0")/../.." || exit 1
lua=$(command -v lua5.3 || command -v lua) && luac=$(command -v luac5.3 || command -v luac) ||
	{ echo "no Lua here"; exit 77; }
dir=$(mktemp -d "${TMPDIR:-/tmp}/sluice-pktgen.XXXXXX")
trap 'rm -rf -- "$dir"' EXIT

"$luac" -p perf/pktgen/*.lua tests/smoke/pktgen_mock.lua || exit 1
for f in perf/pktgen/*.lua perf/pktgen/*.pkt; do
	[ "$f" != perf/pktgen/lab.lua ] || continue
	"$lua" tests/smoke/pktgen_mock.lua "$f" || exit 1
done

n=0
refused() { # words of the error, file
	if out=$("$lua" tests/smoke/pktgen_mock.lua "$2" 2>&1); then
		echo "taken: $(cat "$2")"; exit 1
	fi
	grep -qF -- "$1" <<<"$out" || { echo "refused for another reason: $out"; exit 1; }
	n=$((n + 1))
}
while IFS='|' read -r why text; do
	printf '%s\n' "$text" >"$dir/bad.lua"
	refused "$why" "$dir/bad.lua"
done <<'BAD'
pktgen has no strat|pktgen.strat("0")
arguments|pktgen.start()
is no ports|pktgen.start(0)
is no ports|pktgen.start("2")
is no mac|pktgen.set_mac("0", "dst", "02:00:00:00:00")
is no net|pktgen.set_ipaddr("0", "src", "198.18.0.1")
is no ip|pktgen.range.dst_ip("0", "start", "198.18.0.256")
is no u16|pktgen.range.src_port("0", "max", 65536)
is no size|pktgen.range.pkt_size("0", "min", 60)
is no smmi|pktgen.range.src_port("0", "step", 1)
rate cannot be 101|pktgen.set("0", "rate", 101)
there is no speed|pktgen.set("0", "speed", 1)
is no ms|pktgen.delay(0.5)
is no mask|pktgen.rnd("0", 0, 47, "00000002")
is no seq|pktgen.seqTable(16, "0", {})
seqTable: there is no size|pktgen.seqTable(0, "0", {eth_dst_addr="02:00:00:00:00:01", eth_src_addr="02:00:00:00:00:01", ip_dst_addr="198.18.0.1", ip_src_addr="198.18.0.1/32", sport=1, dport=1, ethType="ipv4", ipProto="tcp", vlanid=1, pktSize=64, gtpu_teid=0, size=64})
has no rate|pktgen.start("0")
sends nothing|pktgen.screen("off")
the TCP checksum is not as meant|package.path = "perf/pktgen/?.lua" local lab = require("lab") lab.strangers("0", 64, 64) pktgen.rnd("0", 0, 46, "0101000000000010") pktgen.set("0", "rate", 1) pktgen.start("0")
the IP header's sum is not as meant|package.path = "perf/pktgen/?.lua" local lab = require("lab") lab.strangers("0", 64, 64) pktgen.rnd("0", 0, 14, "0110") pktgen.set("0", "rate", 1) pktgen.start("0")
BAD
while IFS='|' read -r why text; do
	printf '%s\n' "$text" >"$dir/bad.pkt"
	refused "$why" "$dir/bad.pkt"
done <<'BAD'
no command begin|begin 0
is no mac|range 0 dst mac start 02
too many words|set 0 rate 10 20
is no mask|set 0 rnd 0 46 2
BAD
echo "$n refusals"
