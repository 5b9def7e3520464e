-- perf/pktgen/malformed.lua - SYNs with one thing wrong, one kind after the other, SECONDS in all.
package.path = package.path .. ";perf/pktgen/?.lua;?.lua"
local lab = require("lab")
local at = lab.at

-- The header's sum stays right: what the version word gains, the TTL loses.
local function ip_word(offset, was, is)
	local ttl = lab.balance(was, is, lab.TTL << 8 | 6)
	return { { offset, lab.bits(is, 16) }, { at.ttl, lab.bits(ttl, 16) } }
end

local function syn_and(more)
	local m = lab.tcp_masks(0x02)
	for _, v in ipairs(more) do
		m[#m + 1] = v
	end
	return m
end

local kinds = {
	{ "ip version 6 in an IPv4 frame", ip_word(at.version, 0x4500, 0x6500) },
	{ "ip header of 16 bytes", ip_word(at.version, 0x4500, 0x4400) },
	{ "ip header longer than the packet", ip_word(at.version, 0x4500, 0x4f00) },
	{ "ip total length 1500 in a small frame", syn_and(ip_word(at.total, 46, 1500)) },
	{ "ip total length below its header", syn_and(ip_word(at.total, 46, 19)) },
	{ "ip header checksum", syn_and({ { 24, lab.bits(0xdead, 16) } }) },
	{ "fragments at offset 8 that never end", syn_and(ip_word(at.fragment, 0, 0x2001)) },
	{ "source of a multicast group", syn_and({ { at.source, "1110" } }) },
	{ "tcp checksum", syn_and({ { at.cksum, lab.bits(0xdead, 16) } }) },
	{ "tcp header of 16 bytes", lab.tcp_masks(0x02, 4) },
	{ "tcp header longer than the segment", lab.tcp_masks(0x02, 15) },
	{ "no flag", lab.tcp_masks(0x00) },
	{ "all flags", lab.tcp_masks(0xff) },
	{ "SYN and FIN", lab.tcp_masks(0x03) },
	{ "SYN and RST", lab.tcp_masks(0x06) },
}

pktgen.screen("off")
pktgen.reset(lab.out)
lab.strangers(lab.out, 64, 64)
pktgen.set(lab.out, "rate", lab.rate)
for _, k in ipairs(kinds) do
	lab.masks(lab.out, k[2])
	lab.run(lab.out, lab.seconds / #kinds, k[1])
end
