#!/bin/bash
# F-11: a dataplane with few descriptors, whose channels and clients need more: what there is none for is
# refused or waits, nothing ends that was there, and when some are free again all is as before.
set -u
cd "$(dirname "$0")/../.." || exit 1
for tool in ssh curl python3 setpriv prlimit; do
	command -v $tool >/dev/null || { echo "no $tool"; exit 77; }
done
SLUICE_WRAP="prlimit --nofile=64:64" ./scripts/run --unprivileged --size 1 --more "$PWD/tests/chaos/fds_more.sh"
