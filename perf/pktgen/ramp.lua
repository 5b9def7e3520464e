-- perf/pktgen/ramp.lua - SYNs at a rate that rises in STEPS to RATE percent; a row a step.
package.path = package.path .. ";perf/pktgen/?.lua;?.lua"
local lab = require("lab")
local steps = tonumber(os.getenv("STEPS") or "20")

pktgen.screen("off")
pktgen.reset(lab.out)
lab.strangers(lab.out, 64, 64)
lab.masks(lab.out, lab.tcp_masks(0x02))
print("percent,sent_per_s,answers_per_s,not_sent")
for i = 1, steps do
	local percent, seconds = lab.rate * i / steps, lab.seconds / steps
	pktgen.set(lab.out, "rate", percent)
	pktgen.clr()
	pktgen.start(lab.out)
	pktgen.delay(math.floor(seconds * 1000))
	local s = pktgen.portStats(lab.out, "port")[tonumber(lab.out)]
	pktgen.stop(lab.out)
	print(string.format("%.2f,%.0f,%.0f,%d", percent, s.opackets / seconds, s.ipackets / seconds,
			    s.oerrors))
end
