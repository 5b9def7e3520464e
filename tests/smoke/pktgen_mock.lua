-- tests/smoke/pktgen_mock.lua - Pktgen's Lua API as its documentation and its own scripts show it:
-- names, numbers of arguments, types, ranges. Anything else is an error. What a script has set
-- up when a port starts is built into a frame, with its sums, and shown to check_frame().
--
-- usage: lua pktgen_mock.lua SCRIPT.lua|COMMANDS.pkt...
local PORTS = 2
local port = {} -- by number: what was set
local calls = 0

local function fail(...)
	error(string.format(...), 3)
end

-- --- arguments -----------------------------------------------------------------------------------

local check = {}

local function ports_of(list)
	local t = {}
	if list == "all" then
		for p = 0, PORTS - 1 do t[#t + 1] = p end
		return t
	end
	for item in (list .. ","):gmatch("([^,]*),") do
		local a, b = item:match("^(%d+)%-(%d+)$")
		a, b = tonumber(a or item), tonumber(b or item)
		if a == nil or b == nil or a > b or b >= PORTS then return nil end
		for p = a, b do t[#t + 1] = p end
	end
	return t
end

function check.ports(v) return type(v) == "string" and ports_of(v) ~= nil end
function check.state(v) return ({ on = 1, off = 1, enable = 1, disable = 1 })[v] ~= nil end
function check.str(v) return type(v) == "string" end
function check.file(v) return type(v) == "string" and v ~= "" end
function check.proto(v) return v == "tcp" or v == "udp" or v == "icmp" end
function check.type(v) return v == "ipv4" or v == "ipv6" or v == "vlan" or v == "arp" end
function check.end_(v) return v == "src" or v == "dst" end
function check.smmi(v) return v == "start" or v == "min" or v == "max" or v == "inc" end
function check.fill(v) return v == "abc" or v == "none" or v == "zero" or v == "user" end
function check.stats(v) return v == "port" or v == "rate" end
function check.user(v) return type(v) == "string" and #v >= 1 and #v <= 16 end
function check.mac(v)
	return type(v) == "string" and (v:match("^%x%x:%x%x:%x%x:%x%x:%x%x:%x%x$") ~= nil or
					v:match("^%x%x%x%x:%x%x%x%x:%x%x%x%x$") ~= nil)
end
local function address(v)
	local n = 0
	for part in (v .. "."):gmatch("(%d+)%.") do
		if tonumber(part) > 255 then return false end
		n = n + 1
	end
	return n == 4 and v:match("^%d+%.%d+%.%d+%.%d+$") ~= nil
end
function check.ip(v) return type(v) == "string" and address(v) end
function check.net(v)
	local a, len = tostring(v):match("^([%d.]+)/(%d+)$")
	return a ~= nil and address(a) and tonumber(len) <= 32
end
local function int(from, to)
	return function(v) return math.type(v) == "integer" and v >= from and v <= to end
end
check.u16 = int(0, 65535)
check.ttl = int(0, 255)
check.size = int(64, 1518)
check.size_inc = int(0, 1518)
check.ms = int(1, 3600 * 1000)
check.slot = int(0, 31)
check.offset = int(0, 255)
check.seq = int(0, 15)
check.vlan = int(1, 4095)
check.teid = int(0, 0xffffffff)
function check.mask(v)
	return v == "off" or type(v) == "string" and #v >= 1 and #v <= 32 and v:match("^[01.Xx]+$") ~= nil
end
function check.rate(v) return type(v) == "number" and v > 0 and v <= 100 end

-- name of a value of set(): what it takes
local settable = {
	count = int(0, 2 ^ 32 - 1), size = check.size, rate = check.rate, burst = int(1, 256),
	sport = check.u16, dport = check.u16, ttl = check.ttl, seq_cnt = int(0, 16), prime = int(1, 1024),
}

local function args(name, kinds, ...)
	local n = select("#", ...)
	calls = calls + 1
	if n ~= #kinds then fail("%s: %d arguments, %d are wanted", name, n, #kinds) end
	for i, k in ipairs(kinds) do
		local v = select(i, ...)
		if not check[k](v) then fail("%s: argument %d, %s, is no %s", name, i, tostring(v), k) end
	end
end

-- --- frames: what is sent once masks lie over it -----------------------------------------------------

local function bytes_of(value, n)
	local t = {}
	for i = n - 1, 0, -1 do t[#t + 1] = value >> 8 * i & 0xff end
	return t
end

local function ip_bytes(v)
	local t = {}
	for part in v:gmatch("%d+") do t[#t + 1] = tonumber(part) end
	return t
end

local function sum(frame, from, to, start)
	local s = start
	for i = from, to, 2 do s = s + (frame[i] << 8) + (i < to and frame[i + 1] or 0) end
	while s > 0xffff do s = (s & 0xffff) + (s >> 16) end
	return s
end

local IP, TCP = 15, 35 -- where they begin in a table that begins at 1

local function put(frame, at, list)
	for i, b in ipairs(list) do frame[at + i - 1] = b end
end

local function tcp_sum(f, last)
	return sum(f, TCP, last, sum(f, IP + 12, IP + 19, 6 + last - TCP + 1))
end

-- As Pktgen builds it: without the check sequence, ACK alone, no options, urgent pointer 0.
local function build(p)
	local r, f = p.range, {}
	local last = r.pkt_size.start - 4
	for i = 1, last do f[i] = 0x61 end
	put(f, 13, { 8, 0 })
	put(f, IP, { 0x45, 0 })
	put(f, IP + 2, bytes_of(last - 14, 2))
	put(f, IP + 4, { 0x12, 0x34, 0, 0, p.ttl, 6, 0, 0 })
	put(f, IP + 12, ip_bytes(r.src_ip.start))
	put(f, IP + 16, ip_bytes(r.dst_ip.start))
	put(f, IP + 10, bytes_of(~sum(f, IP, IP + 19, 0) & 0xffff, 2))
	put(f, TCP, bytes_of(r.src_port.start, 2))
	put(f, TCP + 2, bytes_of(r.dst_port.start, 2))
	put(f, TCP + 4, { 0x12, 0x34, 0x56, 0x78, 0x12, 0x34, 0x56, 0x90, 0x50, 0x10, 0x20, 0, 0, 0, 0, 0 })
	put(f, TCP + 16, bytes_of(~tcp_sum(f, last) & 0xffff, 2))
	return f
end

local function lay(f, masks)
	for _, m in pairs(masks) do
		for i = 1, #m.mask do
			local c, bit = m.mask:sub(i, i), (i - 1) % 8
			local at = m.offset + 1 + (i - 1) // 8
			if f[at] == nil then fail("rnd: offset %d is behind the frame", m.offset) end
			if c == "0" then f[at] = f[at] & ~(0x80 >> bit)
			elseif c == "1" then f[at] = f[at] | 0x80 >> bit end
		end
	end
	return f
end

-- Where a mask did not mean to break a sum, it is right.
local function check_frame(p)
	local f, broken = lay(build(p), p.masks), { ip = false, tcp = false }
	for _, m in pairs(p.masks) do
		broken.ip = broken.ip or m.offset == 24
		broken.tcp = broken.tcp or m.offset == 50 or m.offset == 26
		broken.ip = broken.ip or m.offset == 26
	end
	if (sum(f, IP, IP + 19, 0) == 0xffff) == broken.ip then fail("the IP header's sum is not as meant") end
	if (tcp_sum(f, #f) == 0xffff) == broken.tcp then fail("the TCP checksum is not as meant") end
	return f
end

-- --- the API ---------------------------------------------------------------------------------------

local function fresh() return { masks = {}, seq = {}, range = {}, ttl = 64, set = {} } end
for p = 0, PORTS - 1 do port[p] = fresh() end

local function each(list, fn)
	for _, p in ipairs(ports_of(list)) do fn(port[p], p) end
end

local started = {} -- frames, or sequences, as ports began to send them

local function start(p, n)
	if p.set.rate == nil then fail("start: port %d has no rate", n) end
	if p.sending then fail("start: port %d sends already", n) end
	p.sending = true
	if p.ranged then
		started[#started + 1] = check_frame(p)
	elseif p.set.seq_cnt ~= nil then
		for i = 0, p.set.seq_cnt - 1 do
			if p.seq[i] == nil then fail("start: sequence %d is not set", i) end
		end
		started[#started + 1] = p.seq
	else
		fail("start: port %d has nothing to send", n)
	end
end

local function stats(list)
	local t = { n = 0 }
	each(list, function(_, n)
		t[n] = { ipackets = 10, opackets = 1000, ibytes = 600, obytes = 64000, ierrors = 0,
			 oerrors = 0, rx_nombuf = 0, imissed = 0 }
		t.n = t.n + 1
	end)
	return t
end

local function plain(name, kinds, fn)
	return function(...)
		args(name, kinds, ...)
		if fn ~= nil then return fn(...) end
	end
end

local function ranged(name, kind, inc)
	return function(...)
		local v = select(2, ...)
		args("range." .. name, { "ports", "smmi", v == "inc" and inc or kind }, ...)
		local list, smmi, value = ...
		each(list, function(p)
			p.range[name] = p.range[name] or {}
			p.range[name][smmi] = value
		end)
	end
end

local strict = { __index = function(_, k) error("pktgen has no " .. tostring(k), 2) end }

pktgen = setmetatable({
	set = function(...)
		local n = select("#", ...)
		local list, what, value = ...
		calls = calls + 1
		if n ~= 3 then fail("set: %d arguments", n) end
		if not check.ports(list) then fail("set: no port list: %s", tostring(list)) end
		if settable[what] == nil then fail("set: there is no %s", tostring(what)) end
		if not settable[what](value) then fail("set: %s cannot be %s", what, tostring(value)) end
		each(list, function(p)
			p.set[what] = value
			if what == "ttl" then p.ttl = value end
		end)
	end,
	set_mac = plain("set_mac", { "ports", "end_", "mac" }),
	set_ipaddr = function(...)
		args("set_ipaddr", { "ports", "end_", select(2, ...) == "src" and "net" or "ip" }, ...)
	end,
	set_proto = plain("set_proto", { "ports", "proto" }),
	set_type = plain("set_type", { "ports", "type" }),
	set_range = plain("set_range", { "ports", "state" }, function(list, state)
		each(list, function(p) p.ranged = state == "on" or state == "enable" end)
	end),
	pattern = plain("pattern", { "ports", "fill" }),
	userPattern = plain("userPattern", { "ports", "user" }),
	rnd = plain("rnd", { "ports", "slot", "offset", "mask" }, function(list, slot, offset, mask)
		each(list, function(p)
			if mask == "off" then p.masks[slot] = nil
			else p.masks[slot] = { offset = offset, mask = mask } end
		end)
	end),
	seqTable = plain("seqTable", { "seq", "ports", "table_" }, function(n, list, t)
		each(list, function(p) p.seq[n] = t end)
	end),
	start = plain("start", { "ports" }, function(list) each(list, start) end),
	stop = plain("stop", { "ports" }, function(list)
		each(list, function(p) p.sending = false end)
	end),
	reset = plain("reset", { "ports" }, function(list)
		for _, n in ipairs(ports_of(list)) do port[n] = fresh() end
	end),
	screen = plain("screen", { "state" }),
	delay = plain("delay", { "ms" }),
	clr = plain("clr", {}),
	clear = plain("clear", { "ports" }),
	portStats = plain("portStats", { "ports", "stats" }, stats),
	range = setmetatable({
		dst_mac = ranged("dst_mac", "mac", "mac"), src_mac = ranged("src_mac", "mac", "mac"),
		dst_ip = ranged("dst_ip", "ip", "ip"), src_ip = ranged("src_ip", "ip", "ip"),
		dst_port = ranged("dst_port", "u16", "u16"), src_port = ranged("src_port", "u16", "u16"),
		ttl = ranged("ttl", "ttl", "ttl"), pkt_size = ranged("pkt_size", "size", "size_inc"),
		ip_proto = plain("range.ip_proto", { "ports", "proto" }),
	}, strict),
}, strict)

local seq_fields = {
	eth_dst_addr = check.mac, eth_src_addr = check.mac, ip_dst_addr = check.ip, ip_src_addr = check.net,
	sport = check.u16, dport = check.u16, ethType = check.type, ipProto = check.proto,
	vlanid = check.vlan, pktSize = check.size, gtpu_teid = check.teid,
}
function check.table_(t)
	if type(t) ~= "table" then return false end
	for k, ok in pairs(seq_fields) do
		if not ok(t[k]) then fail("seqTable: %s cannot be %s", k, tostring(t[k])) end
	end
	for k in pairs(t) do
		if seq_fields[k] == nil then fail("seqTable: there is no %s", k) end
	end
	return true
end

-- --- command files: the same through the same functions ---------------------------------------------

local range_name = { ["dst mac"] = "dst_mac", ["src mac"] = "src_mac", ["dst ip"] = "dst_ip",
		     ["src ip"] = "src_ip", ["dst port"] = "dst_port", ["src port"] = "src_port" }
local function value_of(word) return math.tointeger(tonumber(word)) or tonumber(word) or word end

local command = {}
function command.disable(what) assert(what == "screen", "disable " .. what) end
function command.enable(list, what)
	if what == "range" then pktgen.set_range(list, "on")
	else assert(what == "random", "enable " .. tostring(what)) end
end
function command.set(list, what, a, b, c)
	if what == "rnd" then return pktgen.rnd(list, value_of(a), value_of(b), c) end
	assert(b == nil, "too many words")
	if what == "type" then return pktgen.set_type(list, a) end
	if what == "proto" then return pktgen.set_proto(list, a) end
	pktgen.set(list, what, value_of(a))
end
function command.range(list, a, b, c, d)
	if a == "proto" then return pktgen.range.ip_proto(list, b) end
	if a == "size" then return pktgen.range.pkt_size(list, b, value_of(c)) end
	pktgen.range[range_name[a .. " " .. b]](list, c, value_of(d))
end
function command.sequence(n, list, dmac, smac, dip, sip, sport, dport, eth, ip, vlan, size, more)
	assert(more == nil, "too many words")
	pktgen.seqTable(value_of(n), list, {
		eth_dst_addr = dmac, eth_src_addr = smac, ip_dst_addr = dip, ip_src_addr = sip,
		sport = value_of(sport), dport = value_of(dport), ethType = eth, ipProto = ip,
		vlanid = value_of(vlan), pktSize = value_of(size), gtpu_teid = 0 })
end
function command.start(list) pktgen.start(list) end
function command.stop(list) pktgen.stop(list) end

local function run_commands(path)
	for line in io.lines(path) do
		local w = {}
		for word in line:gsub("#.*", ""):gmatch("%S+") do w[#w + 1] = word end
		if #w > 0 then
			if command[w[1]] == nil then error(path .. ": no command " .. w[1]) end
			command[w[1]](table.unpack(w, 2))
		end
	end
end

-- --- main ------------------------------------------------------------------------------------------

for _, path in ipairs(arg) do
	for p = 0, PORTS - 1 do port[p] = fresh() end
	calls, started = 0, {}
	local said = print
	print = function() end
	if path:match("%.pkt$") then run_commands(path) else dofile(path) end
	print = said
	if #started == 0 then error(path .. " sends nothing") end
	local first = started[1]
	print(string.format("%s: %d calls, %d starts%s", path, calls, #started,
			    first[TCP + 13] and string.format(", first flags %02x", first[TCP + 13]) or ""))
end
