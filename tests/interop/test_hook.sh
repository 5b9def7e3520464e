#!/bin/bash
# PolicyHook and ChannelHandler with the programs of docs/examples and a stock ssh, over a gateway that
# takes them into its configuration while it runs; the PROXY protocol with HAProxy on either side.
set -u
cd "$(dirname "$0")/../.." || exit 1
for tool in ssh curl python3 setpriv; do
	command -v $tool >/dev/null || { echo "no $tool"; exit 77; }
done
# What speaks from 127.0.0.2 is a load balancer.
export UNPRIVILEGED_CONF='ProxyProtocolFrom 127.0.0.2'
./scripts/run --unprivileged --size 1 --more "$PWD/tests/interop/hook_more.sh"
