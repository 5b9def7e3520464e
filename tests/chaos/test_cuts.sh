#!/bin/bash
# What links do to sluice tunnel and to the command, beside OpenSSH's sshd and gateways of Sluice: cut for a while, peers
# killed with and without a FIN, another address, a gateway restarted, states that only one side has, no names, no proxy,
# no room on the disk. After each the tunnel is back within one interval, while a transfer that spans nothing of it
# goes on. cuts.py has the table. Cut for minutes: SLUICE_LONG=1.
set -u
cd "$(dirname "$0")/../.." || exit 1
top=$PWD
: "${SLUICE_BUILD:=$top/build}"
[ "$(id -u)" = 0 ] || { echo "namespaces need root"; exit 77; }
# Processes too: whatever a test that fails leaves behind goes with them.
[ -n "${SLUICE_TEST_SPACES:-}" ] || SLUICE_TEST_SPACES=yes exec unshare -n -m -p -f --mount-proc --kill-child "$0" "$@"
for tool in sshd ssh-keygen tinyproxy python3; do
	command -v $tool >/dev/null || [ -x /usr/sbin/$tool ] || { echo "no $tool"; exit 77; }
done
. tests/interop/soft.sh
cd "$dir" || exit 1

# --- two places with a link for each thing that happens: 10.66.N.1 is far, 10.66.N.2 here ----------
unshare -n sleep infinity & far=$!
pids+=($far)
until [ "$(readlink /proc/$far/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.01; done
far() { nsenter -t $far -n "$@"; }
for n in $(seq 0 10); do
	echo "link add near$n type veth peer name far$n netns $far"
	echo "addr add 10.66.$n.2/24 dev near$n"
	echo "link set near$n up"
	echo "addr add 10.66.$n.1/24 dev far$n" >&3
	echo "link set far$n up" >&3
done >near.batch 3>far.batch
ip link set lo up
ip -batch near.batch || exit 1
far ip link set lo up
far ip -batch far.batch || exit 1
# Of a process that was killed in the dark its kernel soon says nothing any more.
for space in "" far; do $space sysctl -q net.ipv4.tcp_orphan_retries=1; done
echo "nameserver 127.0.0.53" >resolv.conf
mount --bind resolv.conf /etc/resolv.conf || exit 1
mkdir full && mount -t tmpfs -o size=16k tmpfs full || exit 1

# --- peers ---------------------------------------------------------------------------------------
for k in host id; do ssh-keygen -q -t ed25519 -N '' -f $k; done
mkdir -p keys /run/sshd run.still run.struck
cp id.pub keys/tester
# What is left of who moved or is gone is soon noticed by one of them.
for n in 0 2 7 8 9 10; do echo "ListenAddress 10.66.$n.1"; done >patient.sshd
echo "ListenAddress 10.66.1.1:23" >>patient.sshd # a transfer across the cut
for n in 1 3 6; do echo "ListenAddress 10.66.$n.1"; done >quick.sshd
printf "ClientAliveInterval 1\nClientAliveCountMax 2\n" >>quick.sshd
for which in patient quick; do
	cat >>$which.sshd <<CONF
HostKey $dir/host
AuthorizedKeysFile $dir/id.pub
StrictModes no
PidFile none
UsePAM no
PermitRootLogin yes
MaxStartups 100
CONF
done
for which in still struck; do
	cat >$which.conf <<CONF
HostKey $dir/host
AuthorizedKeysFile $dir/keys/%u
StrictModes no
PerSourcePenalties no
CONF
done
for n in 1 3 6; do echo "ListenAddress 10.66.$n.1:2203" >>still.conf; done
for n in 4 5; do echo "ListenAddress 10.66.$n.1:2203" >>struck.conf; done
printf 'Port 3128\nListen 127.0.0.1\nTimeout 600\n' >tinyproxy.conf

python3 "$top/tests/chaos/cuts.py" "$dir" "$SLUICE_BUILD" "$far"
rc=$?
for log in *.log full/*.log; do
	grep -qE 'ERROR: (Address|Leak)Sanitizer|runtime error:' "$log" || continue
	echo "FAILED: $log"
	cat "$log"
	rc=1
done
[ "$rc" = 0 ] || tail -n 15 ./*.log ./*.out full/*.log
umount full /etc/resolv.conf
exit "$rc"
