#!/bin/bash
# Keys of a PKCS#11 token: SoftHSM with a key of each type, listed, shown, and as the host keys of a
# gateway that a stock ssh logs in to. Through the small dataplane, so it needs no root.
set -u
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
: "${SLUICE_BUILD:=$top/build}"
sluice=$SLUICE_BUILD/client/sluice
plane=$SLUICE_BUILD/tests/util/softplane
control=$SLUICE_BUILD/control/sluice-control
module=/usr/lib/softhsm/libsofthsm2.so
for tool in ssh softhsm2-util pkcs11-tool; do
	command -v $tool >/dev/null || { echo "$tool is not there"; exit 77; }
done
[ -f $module ] || { echo "$module is not there"; exit 77; }
. "$top/tests/interop/soft.sh"

# --- a token with keys ----------------------------------------------------------------------
umask 077
mkdir "$dir/tokens" "$dir/run" "$dir/keys"
export SOFTHSM2_CONF=$dir/softhsm.conf
printf 'directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n' "$dir/tokens" \
	>"$SOFTHSM2_CONF"
softhsm2-util --init-token --free --label sluice --pin 1234 --so-pin 5678 >/dev/null || exit 1
keys='rsa:2048/rsa EC:prime256v1/p256 EC:secp384r1/p384 EC:edwards25519/ed25519'
n=0
for k in $keys; do
	pkcs11-tool --module $module --login --pin 1234 --keypairgen --key-type "${k%/*}" \
		--id 0$((++n)) --label "${k#*/}" >/dev/null 2>&1 || { echo "no ${k%/*}"; exit 1; }
done
echo 1234 >"$dir/pin"
uri() { echo "pkcs11:token=sluice;object=$1?module-path=$module&pin-source=file:$dir/pin"; }

# --- listed and shown -----------------------------------------------------------------------
$sluice keygen -q -D $module >"$dir/listed"
check 'four keys are listed' [ "$(wc -l <"$dir/listed")" = 4 ]
ssh-keygen -D $module 2>/dev/null | cut -d' ' -f1,2 | sort >"$dir/theirs" # knows no Ed25519
cut -d' ' -f1,2 "$dir/listed" | grep -v ed25519 | sort >"$dir/ours"
check 'as ssh-keygen lists them' cmp "$dir/theirs" "$dir/ours"
for k in $keys; do
	leaks=1
	[ "${k#*/}" != ed25519 ] || leaks=0 # SoftHSM itself loses the name of an Edwards curve
	check "the key ${k#*/} signs" env ASAN_OPTIONS=detect_leaks=$leaks $sluice keygen -y -f "$(uri "${k#*/}")"
	check "and is the one that is listed" grep -qF "$(cut -d' ' -f1,2 "$dir/out")" "$dir/listed"
done
token="pkcs11:token=sluice;object=rsa?module-path=$module"
check 'a wrong PIN is refused' refused $sluice keygen -y -P 4321 -f "$token"
check 'a key that is not there' refused $sluice keygen -y -P 1234 -f "${token/rsa/dsa}"
check 'a token that is not there' refused $sluice keygen -y -P 1234 -f "${token/sluice/x}"
check 'a module that is not there' refused $sluice keygen -y -P 1234 -f "$token.not"
check 'a private half never leaves' refused $sluice keygen -e --private -m pkcs8 -P 1234 -f "$token"
chmod 644 "$dir/pin"
check 'a pin-source that others may read' refused $sluice keygen -y -f "$(uri rsa)"
chmod 600 "$dir/pin"

# --- host keys of a gateway -----------------------------------------------------------------
ssh-keygen -q -t ed25519 -N '' -f "$dir/id"
cp "$dir/id.pub" "$dir/keys/demo"
{
	printf 'ListenAddress 127.0.0.1:22\nAuthorizedKeysFile %s/keys/%%u\nPerSourcePenalties no\n' "$dir"
	for k in $keys; do echo "HostKey \"$(uri "${k#*/}")\" format=pkcs11"; done
} >"$dir/sluice.conf"
export SLUICE_RUN=$dir/run
"$plane" "$dir/run" >"$dir/plane.log" 2>&1 & pids+=($!)
"$control" -f "$dir/sluice.conf" >"$dir/control.log" 2>&1 & pids+=($!)
wait_for 'Server listening' "$dir/control.log"
port=$(port_of "$dir/plane.log")
for alg in rsa-sha2-256 rsa-sha2-512 ecdsa-sha2-nistp256 ecdsa-sha2-nistp384 ssh-ed25519; do
	awk -v port="$port" '{print "[127.0.0.1]:" port, $1, $2}' "$dir/listed" >"$dir/known"
	timeout 20 ssh -v -F none -i "$dir/id" -o IdentitiesOnly=yes -o IdentityAgent=none -o BatchMode=yes \
		-o UserKnownHostsFile="$dir/known" -o GlobalKnownHostsFile=/dev/null \
		-o StrictHostKeyChecking=yes -o HostKeyAlgorithms=$alg -p "$port" demo@127.0.0.1 true \
		>"$dir/ssh.log" 2>&1 </dev/null
	check "a login, the host proved by $alg on the token" \
		grep -q 'Authenticated to .* using "publickey"' "$dir/ssh.log"
done

# --- who comes with a key of the token ------------------------------------------------------
by_token() { # key
	ASAN_OPTIONS=detect_leaks=$leaks timeout 60 "$sluice" ssh -v -F none -i "$(uri "$1")" -o IdentityAgent=none -o BatchMode=yes \
		-o UserKnownHostsFile="$dir/known" -o GlobalKnownHostsFile=none -o StrictHostKeyChecking=yes -p "$port" \
		token@127.0.0.1 true >"$dir/ssh.log" 2>&1 </dev/null
	grep -q 'Authenticated to .* using "publickey"' "$dir/ssh.log" || { cat "$dir/ssh.log"; return 1; }
}
for k in $keys; do
	leaks=1
	[ "${k#*/}" != ed25519 ] || leaks=0 # as above
	grep -F "$($sluice keygen -y -f "$(uri "${k#*/}")" 2>/dev/null | cut -d' ' -f1,2)" "$dir/listed" >"$dir/keys/token"
	check "sluice ssh: a login by the key ${k#*/} of the token" by_token "${k#*/}"
done
check 'control is alive' kill -0 "${pids[1]}"
! grep -qE 'Sanitizer|runtime error' "$dir"/*.log || failures=$((failures + 1))
[ "$failures" = 0 ]
