#!/bin/bash
# perf/tune: check finds what is wrong with a made-up bad box, nothing on a good one, and writes only when told to;
# sweep comes to its end.
set -u
cd "$(dirname "$0")/../.." || exit 1
dir=$(mktemp -d "${TMPDIR:-/tmp}/sluice-tune.XXXXXX")
trap 'rm -rf -- "$dir"' EXIT
failed=0
complain() { echo "$*"; failed=1; }

put() { mkdir -p "$(dirname "$root/$1")" && printf '%s\n' "$2" >"$root/$1"; }
sys=sys/devices/system
# A box of four cores, two nodes and a card at the first; arguments change it.
good_box() {
	root=$dir/$1
	local c
	put $sys/cpu/online 0-3
	put $sys/cpu/isolated 1-2
	put $sys/cpu/nohz_full 1-2
	for c in 0 1 2 3; do
		put $sys/cpu/cpu$c/topology/thread_siblings_list $c
		put $sys/cpu/cpu$c/cpufreq/scaling_governor performance
		put $sys/cpu/cpu$c/cpuidle/state1/latency 2
		put $sys/cpu/cpu$c/cpuidle/state1/disable 0
		mkdir -p "$root/$sys/cpu/cpu$c/node$((c / 3))"
	done
	put $sys/node/node0/hugepages/hugepages-2048kB/nr_hugepages 600
	put $sys/node/node0/hugepages/hugepages-2048kB/free_hugepages 512
	put $sys/node/node0/cpulist 0-2
	put $sys/clocksource/clocksource0/current_clocksource tsc
	put sys/kernel/mm/transparent_hugepage/enabled 'always [madvise] never'
	put proc/mounts 'hugetlbfs /dev/hugepages hugetlbfs rw 0 0'
	put proc/swaps 'Filename Type Size Used Priority'
	put proc/self/limits 'Max locked memory         unlimited            unlimited            bytes'
	put proc/sys/kernel/numa_balancing 0
	put proc/sys/kernel/watchdog 0
	put proc/irq/24/smp_affinity_list 0
	put proc/irq/default_smp_affinity f
	put sys/bus/pci/devices/0000:03:00.0/vendor 0x8086
	put sys/bus/pci/devices/0000:03:00.0/numa_node 0
	put sys/class/iommu/dmar0/name dmar0
	mkdir -p "$root/sys/bus/pci/drivers/vfio-pci"
	ln -sfn ../../drivers/vfio-pci "$root/sys/bus/pci/devices/0000:03:00.0/driver"
}
cat >"$dir/sluice.conf" <<'CONF'
Lcores 1-2
Memory 1G
Interface outside 0000:03:00.0 mtu=9000
Interface inside net_tap0,iface=x
CONF
check() { ./perf/tune/check --conf "$dir/sluice.conf" --root "$root" "$@" >"$dir/out" 2>&1; }

good_box good
check --check || { complain "a good box is not good:"; cat "$dir/out"; }

n=0
wrong() { # words; the box is spoilt
	check && complain "not found: $1"
	grep -qF -- "$1" "$dir/out" && [ "$(grep -c ^WRONG "$dir/out")" = 1 ] ||
		{ complain "expected alone: $1"; cat "$dir/out"; }
	n=$((n + 1))
	rm -rf -- "$root"
	good_box bad
}
good_box bad
put $sys/node/node0/hugepages/hugepages-2048kB/free_hugepages 100; wrong 'node 0 has 200 MiB free of 1024'
put proc/mounts ''; wrong 'hugetlbfs is not mounted'
put $sys/cpu/isolated 1; wrong '[2] are not isolated'
put $sys/cpu/nohz_full 1; wrong "[2] have the scheduler's tick"
put $sys/cpu/online 0-1; wrong '[2] of Lcores are not online'
put $sys/cpu/cpu1/topology/thread_siblings_list 1,3; wrong 'core 1 shares its units with [3]'
put $sys/cpu/cpu2/cpufreq/scaling_governor powersave; wrong 'governor: core 2 powersave'
put $sys/cpu/cpu2/cpuidle/state1/latency 133; wrong 'waking takes 133 us'
put proc/irq/24/smp_affinity_list 0-3; wrong 'IRQs: 1 may interrupt'
put proc/77/comm irqbalance; wrong 'irqbalance runs'
put sys/kernel/mm/transparent_hugepage/enabled '[always] madvise never'; wrong 'THP: always'
put proc/swaps $'Filename Type\n/dev/sda2 partition'; wrong 'swap: on'
put proc/self/limits 'Max locked memory  8388608  8388608  bytes'; wrong '8 MiB may be locked'
put proc/sys/kernel/numa_balancing 1; wrong 'NUMA balancing: on'
put $sys/clocksource/clocksource0/current_clocksource hpet; wrong 'clock: hpet'
put proc/sys/kernel/watchdog 1; wrong 'watchdog: on'
rm "$root/sys/bus/pci/devices/0000:03:00.0/vendor"; wrong 'there is no device 0000:03:00.0'
ln -sfn ../../drivers/ixgbe "$root/sys/bus/pci/devices/0000:03:00.0/driver"; wrong 'has driver ixgbe'
rm -r "$root/sys/class/iommu"; wrong 'vfio without an IOMMU'
put sys/bus/pci/devices/0000:03:00.0/numa_node 1; wrong 'is at node 1, cores [1, 2] are not'

# What can be set: not without a word, only said, then set.
put $sys/cpu/cpu1/cpufreq/scaling_governor powersave
put $sys/node/node0/hugepages/hugepages-2048kB/free_hugepages 500
put proc/irq/24/smp_affinity_list 0-3
before=$(cd "$root" && find . -type f -exec md5sum {} + | sort)
check; check --dry-run
grep -q 'would write 612 to .*nr_hugepages' "$dir/out" || complain "dry run does not say what"
[ "$before" = "$(cd "$root" && find . -type f -exec md5sum {} + | sort)" ] || complain "written without --apply"
check --apply
[ "$(cat "$root/$sys/cpu/cpu1/cpufreq/scaling_governor")" = performance ] || complain "governor not set"
[ "$(cat "$root/$sys/node/node0/hugepages/hugepages-2048kB/nr_hugepages")" = 612 ] || complain "hugepages not set"
[ "$(cat "$root/proc/irq/24/smp_affinity_list")" = 0,3 ] || complain "IRQ not moved"
check --check --apply; [ $? = 2 ] || complain "--check with --apply is taken"
./perf/tune/check --conf "$dir/none" --root "$root" >/dev/null 2>&1; [ $? = 2 ] || complain "no configuration, and no complaint"
echo "$n things found"
[ $failed = 0 ] || exit 1

./perf/tune/sweep --smoke --write "$dir/lines" || exit $?
grep -qE '^RxBurst (32|64)$' "$dir/lines" && grep -qx 'BufferCache 256' "$dir/lines"
