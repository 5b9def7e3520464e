#!/bin/bash
# F-37: fewer pages or less memory than asked for is a clear refusal to start.
. "$(dirname "$0")/../interop/lib.sh"
lab_up || exit 1
start_refused() { # pattern, line of configuration
	local out
	LAB_CONF=$2 lab_configure
	sed -i '/^Memory 512M/d' "$LAB_DIR/sluice.conf"
	out=$(lab_in gw env SLUICE_RUN="$LAB_DIR/run" timeout 30 "$SLUICE_BUILD/dataplane/sluice-dataplane" \
		-f "$LAB_DIR/sluice.conf" 2>&1)
	local rc=$?
	[ $rc -ne 0 ] && [ $rc -ne 124 ] && [ $rc -lt 128 ] && grep -qiE -- "$1" <<<"$out" || { echo "exit $rc: $out" | tail -5; return 1; }
}
check "too little memory" start_refused 'memory' 'Memory 4M'
check "more memory than there is" start_refused 'memory' 'Memory 4096G'
if [ "$(cat /proc/sys/vm/nr_hugepages)" = 0 ]; then
	check "hugepages required, none there" start_refused 'hugepage' 'Memory 512M
Hugepages require'
fi
