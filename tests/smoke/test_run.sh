#!/bin/bash
# The README's first command, at a smaller size: the proof holds and nothing is left behind.
set -u
cd "$(dirname "$0")/../.." || exit 1
[ "$(id -u)" = 0 ] || { echo "namespaces need root"; exit 77; }
if [ -e /run/netns/sluice-gw ]; then
	echo "scripts/run is up on this machine already"
	exit 77
fi
size=256
[ -z "${SLUICE_LONG:-}" ] || size=1024

host_state() { # links, addresses and routes of the host's own namespace, and our folders
	ip -o link; ip -o addr; ip route; ls -d /run/sluice-lab /run/netns/sluice-* /run/dpdk 2>/dev/null
}
before=$(host_state | sed 's/valid_lft.*//')
./scripts/run --once --size $size || exit 1
after=$(host_state | sed 's/valid_lft.*//')
[ "$before" = "$after" ] || { echo "left behind:"; diff <(echo "$before") <(echo "$after"); exit 1; }

# --detach leaves it up, --stop ends it.
./scripts/run --detach --size 16 || exit 1
[ -e /run/netns/sluice-gw ] || { echo "--detach left nothing running"; exit 1; }
./scripts/run --once --size 16 >/dev/null 2>&1 && { echo "a second one started beside the first"; exit 1; }
./scripts/run --stop || exit 1
after=$(host_state | sed 's/valid_lft.*//')
[ "$before" = "$after" ] || { echo "left behind after --stop:"; diff <(echo "$before") <(echo "$after"); exit 1; }
echo "proved twice, nothing left behind"
