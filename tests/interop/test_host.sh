#!/bin/bash
# A gateway without ports of its own (scripts/run --unprivileged), and what a stock ssh does with
# sockets of the gateway's kernel: UNIX sockets, halves that end apart, a reader that never reads, and
# targets no rule names. No descriptor is left behind.
set -u
cd "$(dirname "$0")/../.." || exit 1
for tool in ssh curl python3 setpriv; do
	command -v $tool >/dev/null || { echo "no $tool"; exit 77; }
done
size=64
[ -z "${SLUICE_LONG:-}" ] || size=1024
./scripts/run --unprivileged --size $size --more "$PWD/tests/interop/host_more.sh"
