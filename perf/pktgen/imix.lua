-- perf/pktgen/imix.lua - 64, 594 and 1518 bytes, 7:4:1, of a forwarded flow, from both its ends.
--
-- A tunnel stands (README.md): CLIENT:CLIENT_PORT is its SSH connection, TARGET:TARGET_PORT what the
-- gateway opened for it from FLOW_PORT. The segments carry its addresses and ports and numbers that are
-- not in its window: what is asked is what that costs, and that the tunnel goes on.
package.path = package.path .. ";perf/pktgen/?.lua;?.lua"
local lab = require("lab")

local function number(name, default)
	return tonumber(os.getenv(name) or default)
end

local client = os.getenv("CLIENT") or "198.18.0.1"
local target = os.getenv("TARGET") or "198.19.0.1"
local client_port = number("CLIENT_PORT", 40000)
local target_port, flow_port = number("TARGET_PORT", 80), number("FLOW_PORT", 40001)

local sizes = { 64, 594, 64, 594, 64, 64, 1518, 64, 594, 64, 594, 64 }

local function flow(port, mac, gate_mac, from, from_port, to, to_port)
	for i, size in ipairs(sizes) do
		pktgen.seqTable(i - 1, port, {
			eth_dst_addr = gate_mac, eth_src_addr = mac,
			ip_dst_addr = to, ip_src_addr = from .. "/32",
			sport = from_port, dport = to_port,
			ethType = "ipv4", ipProto = "tcp", vlanid = 1, pktSize = size, gtpu_teid = 0,
		})
	end
	pktgen.set(port, "seq_cnt", #sizes)
	pktgen.set(port, "rate", lab.rate)
end

pktgen.screen("off")
pktgen.reset("all")
flow(lab.out, lab.mac, lab.gate_mac, client, client_port, lab.gate, lab.ssh_port)
flow(lab.inside, lab.mac_in, lab.gate_mac_in, target, target_port, lab.gate_in, flow_port)
pktgen.clr()
pktgen.start(lab.out .. "," .. lab.inside)
pktgen.delay(math.floor(lab.seconds * 1000))
local s = pktgen.portStats("all", "port")
pktgen.stop("all")
for _, port in ipairs({ lab.out, lab.inside }) do
	local p = s[tonumber(port)]
	print(string.format("imix, port %s: %d sent, %d bytes, %d came back", port, p.opackets,
			    p.obytes, p.ipackets))
end
