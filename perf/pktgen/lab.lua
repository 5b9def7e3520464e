-- perf/pktgen/lab.lua - what the scripts beside it share: who is who, and frames of strangers.
--
-- Pktgen writes TCP headers with ACK alone, computes the checksums when a port starts, and lays its
-- bit masks over the finished frame. So what a mask takes from one word covered by a sum it must give
-- to another: balance() does that with the urgent pointer, which nobody reads without URG
-- (RFC 9293 section 3.1), and with the TTL.
local lab = {}

local function env(name, default)
	local v = os.getenv(name)
	return v ~= nil and v ~= "" and v or default
end

lab.out = env("PORT_OUT", "0") -- Pktgen's port towards the gateway's clients' side
lab.inside = env("PORT_IN", "1") -- and towards its targets' side
lab.gate_mac = env("GATE_MAC", "02:00:00:00:00:02")
lab.gate_mac_in = env("GATE_MAC_IN", lab.gate_mac)
lab.gate = env("GATE", "198.18.0.2")
lab.gate_in = env("GATE_IN", "198.19.0.2")
lab.ssh_port = tonumber(env("SSH_PORT", "22"))
lab.mac = env("OWN_MAC", "02:00:00:00:00:01")
lab.mac_in = env("OWN_MAC_IN", "02:00:00:00:01:01")
lab.seconds = tonumber(env("SECONDS", "10"))
lab.rate = tonumber(env("RATE", "10")) -- percent of the link

-- Offsets in an untagged frame of IPv4 without options.
lab.at = { version = 14, total = 16, fragment = 20, ttl = 22, source = 26,
	   data_offset = 46, flags = 46, cksum = 50, urgent = 52 }
lab.TCP_WORD = 0x5010 -- data offset 5, ACK: as Pktgen writes it
lab.TTL = 64

function lab.bits(value, n)
	local s = {}
	for i = n - 1, 0, -1 do
		s[#s + 1] = (value >> i) & 1
	end
	return table.concat(s)
end

-- What makes up for a word that was `was` and is `is` in a ones' complement sum (RFC 1071),
-- added to a word that is `base`.
function lab.balance(was, is, base)
	local sum = base + was + (~is & 0xffff)
	while sum > 0xffff do
		sum = (sum & 0xffff) + (sum >> 16)
	end
	return sum
end

-- Masks that make of Pktgen's ACK what has these flags (and data offset), its checksum right.
function lab.tcp_masks(flags, words)
	local is = (words or 5) << 12 | flags
	return { { lab.at.flags, lab.bits(is, 16) },
		 { lab.at.urgent, lab.bits(lab.balance(lab.TCP_WORD, is, 0), 16) } }
end

-- Lays masks over all frames of a port; slots that are not used are emptied.
local SLOTS = 8
function lab.masks(port, list)
	for i = 1, SLOTS do
		if list[i] ~= nil then
			pktgen.rnd(port, i - 1, list[i][1], list[i][2])
		else
			pktgen.rnd(port, i - 1, 0, "off")
		end
	end
end

-- Frames to the SSH port, their sources and ports counted through, sums right.
function lab.strangers(port, size_min, size_max)
	local r = pktgen.range
	pktgen.set(port, "count", 0)
	pktgen.set(port, "ttl", lab.TTL)
	pktgen.set_type(port, "ipv4")
	pktgen.set_proto(port, "tcp")
	r.ip_proto(port, "tcp")
	r.dst_mac(port, "start", lab.gate_mac)
	r.src_mac(port, "start", lab.mac)
	for _, k in ipairs({ "start", "min", "max" }) do
		r.dst_ip(port, k, lab.gate)
		r.dst_port(port, k, lab.ssh_port)
		r.ttl(port, k, lab.TTL)
	end
	r.dst_ip(port, "inc", "0.0.0.0")
	r.dst_port(port, "inc", 0)
	r.ttl(port, "inc", 0)
	r.src_ip(port, "start", "198.18.1.1")
	r.src_ip(port, "min", "198.18.1.1")
	r.src_ip(port, "max", "198.18.255.254")
	r.src_ip(port, "inc", "0.0.0.1")
	r.src_port(port, "start", 1024)
	r.src_port(port, "min", 1024)
	r.src_port(port, "max", 65535)
	r.src_port(port, "inc", 7)
	r.pkt_size(port, "start", size_min)
	r.pkt_size(port, "min", size_min)
	r.pkt_size(port, "max", size_max)
	r.pkt_size(port, "inc", size_max > size_min and 1 or 0)
	pktgen.set_range(port, "on")
end

-- Sends for so long and says what went and what came back.
function lab.run(port, seconds, what)
	pktgen.clr()
	pktgen.start(port)
	pktgen.delay(math.floor(seconds * 1000))
	local s = pktgen.portStats(port, "port")[tonumber(port)]
	pktgen.stop(port)
	pktgen.delay(100)
	print(string.format("%s: %d sent (%.0f/s), %d came back, %d not sent", what, s.opackets,
			    s.opackets / seconds, s.ipackets, s.oerrors))
	return s
end

return lab
