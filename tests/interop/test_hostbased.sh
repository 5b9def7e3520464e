#!/bin/bash
# Hosts that vouch for their users: a stock ssh whose ssh-keysign signs with the client host's key, and asyncssh
# with a host's certificate; shosts.equiv, .shosts in a closed home, known hosts by name, hashed, certified
# and revoked; and beside it one whose key has an end, which he meets. sluice-control without root,
# sluice-helper as root; users, homes, netgroups and /etc/ssh are of a mount namespace of this test's own.
set -u
cd "$(dirname "$0")/../.." || exit 1
top=$PWD
: "${SLUICE_BUILD:=$PWD/build}"
[ "$(id -u)" = 0 ] || { echo "another user needs root"; exit 77; }
for tool in ssh ssh-keygen unshare setpriv python3; do
	command -v $tool >/dev/null || { echo "no $tool"; exit 77; }
done
[ -u /usr/lib/openssh/ssh-keysign ] || { echo "no ssh-keysign that is setuid"; exit 77; }
/usr/bin/python3 -W ignore -c 'import asyncssh' 2>/dev/null || { echo "no asyncssh"; exit 77; }
if [ -z "${INSIDE:-}" ]; then
	unshare -m true 2>/dev/null || { echo "no mount namespaces"; exit 77; }
	INSIDE=1 exec unshare -m "$top/tests/interop/test_hostbased.sh" "$@"
fi
. tests/interop/soft.sh
trap 'cd /; umount -l /etc/ssh /etc 2>/dev/null; finish' EXIT

# --- users, homes, netgroups, the client host's own /etc/ssh: an /etc of its own
uid=64999
mkdir -p "$dir/run" "$dir/ssh" "$dir/home/.ssh" "$dir/alice"
cp -a /etc "$dir/etc" && mount --bind "$dir/etc" /etc && mount --bind "$dir/ssh" /etc/ssh || { echo "no bind mounts"; exit 77; }
for u in sluice:$uid: demo:64996:/nonexistent closed:64998:$dir/home packet:64995:/nonexistent alice:64993:$dir/alice bob:64992:$dir/alice; do
	IFS=: read -r name n home <<<"$u"
	sed -i "/^$name:/d" /etc/passwd /etc/group
	echo "$name:x:$n:$n::$home:/bin/false" >>/etc/passwd
	echo "$name:x:$n:" >>/etc/group
done
printf '127.0.0.1 localhost\n' >/etc/hosts
printf 'boxes (localhost,,)\npeople (,alice,)\n' >/etc/netgroup
sed -i '/^netgroup/d' /etc/nsswitch.conf
echo 'netgroup: files' >>/etc/nsswitch.conf
chown sluice: "$dir/run"
chown alice: "$dir/alice"
cd "$dir" || exit 1
ssh-keygen -q -t ed25519 -N '' -C '' -f host
ssh-keygen -q -t ed25519 -N '' -C '' -f ca
ssh-keygen -q -t ed25519 -N '' -C '' -f ssh/ssh_host_ed25519_key
printf 'EnableSSHKeysign yes\n' >ssh/ssh_config
client=$(cut -d' ' -f1,2 ssh/ssh_host_ed25519_key.pub)
cp ssh/ssh_host_ed25519_key plain
cp ssh/ssh_host_ed25519_key certified
cp ssh/ssh_host_ed25519_key.pub certified.pub
ssh-keygen -q -s ca -I box -h -n box.example.org certified.pub
chmod 700 home home/.ssh
chown -R closed: home

cat >sluice.conf <<CONF
ListenAddress 127.0.0.1:22
HostKey $dir/host
AuthorizedKeysFile none
PasswordAuthentication no
UseDNS yes
LogLevel VERBOSE
PerSourcePenalties no
Match User closed
	IgnoreRhosts shosts-only
Match Host localhost
	HostbasedAuthentication yes
Match User timed
	AuthorizedKeysFile $dir/timed
	EndExpiredSessions yes
Match User packet
	HostbasedUsesNameFromPacketOnly yes
CONF
export SLUICE_RUN=$dir/run
cp "$SLUICE_BUILD/tests/util/softplane" plane # where that user may read
"$SLUICE_BUILD/control/sluice-signer" -f sluice.conf >signer.log 2>&1 & pids+=($!)
"$SLUICE_BUILD/control/sluice-helper" -f sluice.conf >helper.log 2>&1 & pids+=($!)
wait_for 'has 1 host keys' signer.log
wait_for 'listens on' helper.log
setpriv --reuid $uid --regid $uid --clear-groups "$SLUICE_BUILD/control/sluice-control" -f sluice.conf >control.log 2>&1 &
pids+=($!)
setpriv --reuid $uid --regid $uid --clear-groups ./plane run >plane.log 2>&1 & pids+=($!)
wait_for 'Server listening' control.log
port=$(port_of plane.log)

# --- who is in until his key ends; the rest goes on meanwhile
ssh-keygen -q -t ed25519 -N '' -C '' -f id
echo "expiry-time=\"$(date -u -d '+5 seconds' +%Y%m%d%H%M%SZ)\" $(cat id.pub)" >timed
ssh -N -F none -o IdentityAgent=none -o IdentitiesOnly=yes -i id -o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no \
	-p "$port" timed@127.0.0.1 </dev/null >timed.log 2>&1 & pids+=($!)
wait_for 'Accepted publickey for timed' control.log

# --- a stock ssh
try() { # client user, user: is he let in?
	local n
	n=$(grep -c "Accepted hostbased for $2 from" control.log)
	(cd alice && setpriv --reuid "$1" --regid "$1" --clear-groups timeout 20 ssh -F none -o HostbasedAuthentication=yes \
		-o EnableSSHKeysign=yes -o PreferredAuthentications=hostbased -o IdentityAgent=none \
		-o UserKnownHostsFile=/dev/null -o GlobalKnownHostsFile=/dev/null -o StrictHostKeyChecking=no \
		-o ExitOnForwardFailure=yes -p "$port" -W 192.0.2.1:9 "$2@127.0.0.1" </dev/null >../ssh.log 2>&1)
	[ "$(grep -c "Accepted hostbased for $2 from" control.log)" -gt "$n" ]
}
check "no file trusts anybody" refused try alice demo
echo 'localhost alice' >ssh/shosts.equiv
check "nobody knows the host's key" refused try alice demo
echo "localhost $client" >ssh/ssh_known_hosts
check "its name is that of its address" try alice demo
check "shosts.equiv names another user" refused try bob demo
echo '@boxes @people' >ssh/shosts.equiv
check "netgroups of hosts and of users" try alice demo
check "who is in neither" refused try bob demo
echo 'localhost alice' >ssh/shosts.equiv
check "root is vouched for by no file of the system" refused try alice root
ssh-keygen -q -H -f ssh/ssh_known_hosts >hash.log 2>&1
check "the names are hashed" grep -q '^|1|' ssh/ssh_known_hosts
check "a hashed name" try alice demo
echo "@revoked * $client" >>ssh/ssh_known_hosts
check "a revoked key" refused try alice demo
check "and the user there is in the log" grep -q ', client user "alice", client host "localhost' control.log
check "is said in the log" grep -q 'WARNING: revoked key for localhost' control.log
rm ssh/shosts.equiv
echo "localhost $client" >ssh/ssh_known_hosts
echo 'localhost bob' >home/.shosts
chown closed: home/.shosts
chmod 600 home/.shosts
check "a closed home: its user's process reads .shosts" try bob closed
check "which trusts nobody else" refused try alice closed
mv ssh/ssh_known_hosts home/.ssh/known_hosts
check "and known_hosts" try bob closed
rm home/.ssh/known_hosts

# --- asyncssh: host and user are what it says
cat >as.py <<'PY'
import asyncio, sys, asyncssh
port, user, host, client, key = sys.argv[1:6]
async def main():
    async with asyncssh.connect('127.0.0.1', int(port), username=user, known_hosts=None, config=None, agent_path=None,
            client_keys=None, password=None, client_host_keys=[key], client_host=host, client_username=client,
            preferred_auth='hostbased'):
        pass
asyncio.run(main())
PY
as() { timeout 20 /usr/bin/python3 -W ignore as.py "$port" "$@"; }
echo 'box.example.org carol' >ssh/shosts.equiv
echo "box.example.org $client" >ssh/ssh_known_hosts
check "asyncssh says who it is" as packet box.example.org carol plain
check "and is not believed elsewhere" refused as demo box.example.org carol plain
check "nor another host" refused as packet bax.example.org carol plain
check "nor another user" refused as packet box.example.org dave plain
echo "@cert-authority *.example.org $(cut -d' ' -f1,2 ca.pub)" >ssh/ssh_known_hosts
check "a bare key is not the authority's" refused as packet box.example.org carol plain
check "a host's certificate" as packet box.example.org carol certified
echo "@revoked * $(cut -d' ' -f1,2 ca.pub)" >>ssh/ssh_known_hosts
check "of an authority that is revoked" refused as packet box.example.org carol certified
wait_for 'what let you in has expired' timed.log
check "his key has ended" grep -q 'received disconnect.*what let you in has expired' -i timed.log
[ $failures = 0 ]
