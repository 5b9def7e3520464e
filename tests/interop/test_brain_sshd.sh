#!/bin/bash
# The client role against OpenSSH's sshd: every cipher with every MAC, every type of host key and
# user key, rekeys of both sides under data, with strict key exchange and without; and what must
# not work. sshd runs on a connection that ssh_probe makes: no port is listened on by name.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
: "${SLUICE_BUILD:=$top/build}"
sshd=$(PATH=$PATH:/usr/sbin command -v sshd) || { echo "sshd is not installed"; exit 77; }
probe=$SLUICE_BUILD/tests/interop/ssh_probe
[ -x "$probe" ] || { echo "$probe is not built"; exit 77; }
dir=$(mktemp -d "${TMPDIR:-/tmp}/sluice-brain.XXXXXX")
trap 'rm -rf "$dir"' EXIT
chmod 755 "$dir"
[ "$(id -u)" != 0 ] || mkdir -p /run/sshd # where sshd of Debian jails what has no privileges
failures=0

for t in ed25519 ecdsa rsa; do
	ssh-keygen -q -t $t -N '' -f "$dir/host_$t"
	ssh-keygen -q -t $t -N '' -f "$dir/user_$t"
done
ssh-keygen -q -t ed25519 -N '' -f "$dir/stranger"
cat "$dir"/user_*.pub >"$dir/authorized_keys"

sshd_config() { # host key type
	cat <<-END
		HostKey $dir/host_$1
		AuthorizedKeysFile $dir/authorized_keys
		StrictModes no
		UsePAM no
		PermitRootLogin prohibit-password
		RekeyLimit 512K
		PidFile none
		Ciphers chacha20-poly1305@openssh.com,aes128-gcm@openssh.com,aes256-gcm@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr
	END
}
for t in ed25519 ecdsa rsa; do sshd_config $t >"$dir/sshd_$t"; done

try() { # host key type, probe's options…
	local type=$1
	shift
	timeout 60 "$probe" -u "$(id -un)" "$@" -- "$sshd" -i -e -f "$dir/sshd_$type" 2>"$dir/log"
}
ok() { # what, then as try
	local what=$1 out
	shift
	if out=$(try "$@"); then
		echo "ok: $what: $out"
	else
		echo "FAILED: $what"
		tail -5 "$dir/log"
		failures=$((failures + 1))
	fi
}
refused() { # what, pattern of the reason, then as try
	local what=$1 pattern=$2
	shift 2
	if try "$@" >/dev/null || ! grep -q "$pattern" "$dir/log"; then
		echo "FAILED: $what"
		tail -5 "$dir/log"
		failures=$((failures + 1))
	else
		echo "ok: $what"
	fi
}

ed="-k $dir/host_ed25519.pub -i $dir/user_ed25519"
for cipher in chacha20-poly1305@openssh.com aes128-gcm@openssh.com aes256-gcm@openssh.com; do
	ok "$cipher" ed25519 $ed -c $cipher -n 1500000 -r 2
done
ctr=aes256-ctr
[ -z "${SLUICE_LONG:-}" ] || ctr="aes128-ctr aes192-ctr $ctr"
for cipher in $ctr; do
	for mac in hmac-sha2-256 hmac-sha2-512 hmac-sha2-256-etm@openssh.com hmac-sha2-512-etm@openssh.com; do
		ok "$cipher $mac" ed25519 $ed -c $cipher -m $mac -n 1000000 -r 1
	done
done
for type in ed25519 ecdsa rsa; do
	ok "host and user key $type" $type -k "$dir/host_$type.pub" -i "$dir/user_$type" -n 10000
done
ok 'strict is off' ed25519 $ed -s 0 -n 1000000 -r 1
ok 'strict is required' ed25519 $ed -s 3 -n 10000
refused 'a key sshd does not know' 'methods that can continue: publickey' \
	ed25519 -i "$dir/stranger" -n 1
refused 'a password sshd does not take' 'methods that can continue: publickey' \
	ed25519 -P wrong -n 1
refused 'another host key than the known one' 'host key not accepted' \
	ed25519 -k "$dir/stranger.pub" -i "$dir/user_ed25519" -n 1

[ $failures = 0 ] || { echo "$failures failed"; exit 1; }
