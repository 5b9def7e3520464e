-- perf/pktgen/syn.lua - SYNs of many sources to the SSH port, at RATE percent for SECONDS.
package.path = package.path .. ";perf/pktgen/?.lua;?.lua"
local lab = require("lab")

pktgen.screen("off")
pktgen.reset(lab.out)
lab.strangers(lab.out, 64, 64)
lab.masks(lab.out, lab.tcp_masks(0x02))
pktgen.set(lab.out, "rate", lab.rate)
lab.run(lab.out, lab.seconds, "syn")
