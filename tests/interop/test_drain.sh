#!/bin/bash
# A dataplane that is told to stop, seen by a stock ssh: nobody comes in, who is in has DrainTime, and is
# then told to go.
set -u
cd "$(dirname "$0")/../.." || exit 1
for tool in ssh curl python3 setpriv; do
	command -v $tool >/dev/null || { echo "no $tool"; exit 77; }
done
exec ./scripts/run --unprivileged --size 1 --more "$PWD/tests/interop/drain_more.sh"
