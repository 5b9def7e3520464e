#!/bin/bash
# sluice-control started as root where user sluice exists: it becomes that user for good, hands the
# run-time folder on, attaches to a dataplane of that user and serves. The user exists in a
# mount namespace of this test alone. Arguments: softplane sluice-control.
set -u
[ "$(id -u)" = 0 ] || { echo "becoming another user needs root"; exit 77; }
for tool in ssh ssh-keygen unshare setpriv; do
	command -v $tool >/dev/null || { echo "no $tool"; exit 77; }
done
if [ -z "${INSIDE:-}" ]; then
	unshare -m true 2>/dev/null || { echo "no mount namespaces"; exit 77; }
	INSIDE=1 exec unshare -m "$0" "$@"
fi
plane=$1 control=$2 uid=64999
dir=$(mktemp -d /tmp/sluice-privileges-XXXXXX)
pids=()
finish() {
	for p in "${pids[@]}"; do kill "$p" 2>/dev/null; wait "$p" 2>/dev/null; done
	rm -rf "$dir"
}
trap finish EXIT
fail() { echo "FAIL: $*"; tail -n 20 "$dir"/*.log; exit 1; }
wait_for() { # pattern, file
	for _ in $(seq 400); do grep -q -- "$1" "$2" 2>/dev/null && return; sleep 0.05; done
	fail "no \"$1\" in $2"
}
status() { sed -n "s/^$1:[[:space:]]*//p" "/proc/$control_pid/status"; }

chmod 755 "$dir"
for f in passwd group; do
	{ grep -v '^sluice:' /etc/$f; [ $f = passwd ] && echo "sluice:x:$uid:$uid::/:/bin/false" ||
		echo "sluice:x:$uid:"; } >"$dir/$f"
	mount --bind "$dir/$f" /etc/$f || { echo "no bind mounts"; exit 77; }
done
mkdir "$dir/run" "$dir/keys" # root's, as a script or an administrator makes them
ssh-keygen -q -t ed25519 -N '' -f "$dir/id"
ssh-keygen -q -t ed25519 -N '' -f "$dir/host" # root's, mode 0600: read before root is given up
cp "$dir/id.pub" "$dir/keys/demo"
cp "$plane" "$dir/plane" # where that user may read
cat >"$dir/sluice.conf" <<CONF
ListenAddress 127.0.0.1:22
HostKey $dir/host
AuthorizedKeysFile $dir/keys/%u
LogLevel VERBOSE
PerSourcePenalties no
CONF
export SLUICE_RUN=$dir/run SLUICE_KEYS_IN_CONTROL=yes
"$control" -f "$dir/sluice.conf" >"$dir/control.log" 2>&1 & pids+=($!)
control_pid=$!
wait_for 'cannot attach' "$dir/control.log"
setpriv --reuid $uid --regid $uid --clear-groups "$dir/plane" "$dir/run" >"$dir/plane.log" 2>&1 & pids+=($!)
wait_for 'Server listening' "$dir/control.log"
port=$(sed -n 's/^port //p' "$dir/plane.log")

[ "$(status Uid)" = "$uid	$uid	$uid	$uid" ] || fail "uids $(status Uid)"
[ "$(status Gid)" = "$uid	$uid	$uid	$uid" ] || fail "gids $(status Gid)"
[ -z "$(status Groups | tr -d ' ')" ] || fail "groups $(status Groups)"
[ "$(status NoNewPrivs)" = 1 ] || fail "it may gain privileges"
[ "$(status CapPrm)" = 0000000000000000 ] || fail "capabilities $(status CapPrm)"
[ "$(stat -c %u "$dir/run/blob.key")" = $uid ] || fail "blob.key is not its own"
[ "$(stat -c '%u %a' "$dir/run/control.sock")" = "$uid 600" ] || fail "control.sock is not its own alone"
! "$control" -f "$dir/sluice.conf" >"$dir/second.log" 2>&1 || fail "a second control ran"
grep -q 'control.sock: another sluice-control is running' "$dir/second.log" || fail "the second did not say why"
ssh -F none -i "$dir/id" -o IdentitiesOnly=yes -o IdentityAgent=none -o BatchMode=yes \
	-o UserKnownHostsFile="$dir/known" -o GlobalKnownHostsFile=/dev/null \
	-o StrictHostKeyChecking=accept-new -p "$port" -W 192.0.2.1:9 demo@127.0.0.1 \
	</dev/null >"$dir/ssh.log" 2>&1 &
pids+=($!)
wait_for 'Accepted publickey for demo from 127.0.0.1 ' "$dir/control.log"

kill -TERM $control_pid
wait $control_pid || fail "control ended with $?"
[ ! -e "$dir/run/control.sock" ] || fail "control.sock is left"
! grep -E 'Sanitizer|runtime error' "$dir"/*.log || fail "a sanitizer complained"
