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
# What comes by a routing domain of the kernel's, which may be any device, is another listener's, and bound to it.
export UNPRIVILEGED_CONF="ListenAddress 127.0.0.1:0 rdomain lo
Match RDomain lo
	PermitOpen none
Match all"
[ -z "${SLUICE_LONG:-}" ] || size=1024
./scripts/run --unprivileged --size $size --more "$PWD/tests/interop/host_more.sh"
