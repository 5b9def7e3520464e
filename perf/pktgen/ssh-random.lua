-- perf/pktgen/ssh-random.lua - segments to the SSH port with random flags, sizes and bytes.
--
-- Flags and bytes change ten times a second, not with each packet: Pktgen cannot sum up what it makes
-- random, and a wrong checksum would be all that is tried.
package.path = package.path .. ";perf/pktgen/?.lua;?.lua"
local lab = require("lab")

local SLICE = 0.1
local LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/"

local function pattern()
	local s = {}
	for i = 1, 16 do
		local k = math.random(#LETTERS)
		s[i] = LETTERS:sub(k, k)
	end
	return table.concat(s)
end

pktgen.screen("off")
pktgen.reset(lab.out)
pktgen.pattern(lab.out, "user")
lab.strangers(lab.out, 64, 1518)
pktgen.set(lab.out, "rate", lab.rate)
for i = 1, math.max(1, math.floor(lab.seconds / SLICE)) do
	local flags = math.random(0, 255)
	pktgen.userPattern(lab.out, pattern())
	lab.masks(lab.out, lab.tcp_masks(flags))
	lab.run(lab.out, SLICE, string.format("slice %d, flags %02x", i, flags))
end
