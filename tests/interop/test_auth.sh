#!/bin/bash
# Every way to log in, with a stock ssh and with paramiko: passwords, questions, PAM, codes, chains of
# several, programs that know keys, closed homes. sluice-control without root and without a host
# key, sluice-signer with it, sluice-helper as root, the small dataplane; users, homes and PAM's
# services are of a mount namespace of this test's own.
set -u
cd "$(dirname "$0")/../.." || exit 1
top=$PWD
: "${SLUICE_BUILD:=$PWD/build}"
[ "$(id -u)" = 0 ] || { echo "another user needs root"; exit 77; }
for tool in ssh ssh-keygen unshare setpriv openssl python3; do
	command -v $tool >/dev/null || { echo "no $tool"; exit 77; }
done
if [ -z "${INSIDE:-}" ]; then
	unshare -m true 2>/dev/null || { echo "no mount namespaces"; exit 77; }
	INSIDE=1 exec unshare -m "$top/tests/interop/test_auth.sh" "$@"
fi
. tests/interop/soft.sh

# --- users, homes, services
uid=64999 closed=64998
{ grep -vE '^(sluice|closed|pamela):' /etc/passwd
	echo "sluice:x:$uid:$uid::/:/bin/false"
	echo "closed:x:$closed:$closed::$dir/home:/bin/false"
	echo "pamela:x:64997:64997::/:/bin/false"; } >"$dir/passwd"
{ grep -vE '^(sluice|closed|pamela|tunnels):' /etc/group
	echo "sluice:x:$uid:"; echo "closed:x:$closed:"; echo "pamela:x:64997:"; echo "tunnels:x:64996:pamela"; } >"$dir/group"
for f in passwd group; do mount --bind "$dir/$f" /etc/$f || { echo "no bind mounts"; exit 77; }; done
mkdir -p "$dir/pam.d" "$dir/run" "$dir/keys" "$dir/home/.ssh" "$dir/state"
module=$SLUICE_BUILD/tests/util/pam_test.so
cat >"$dir/pam.d/sluice" <<PAM
auth required $module password=right code=42
account required $module
PAM
cat >"$dir/pam.d/plain" <<PAM
auth required $module password=right
account required $module expired new=fresh
password required $module new=fresh
PAM
mount --bind "$dir/pam.d" /etc/pam.d || { echo "no bind mounts"; exit 77; }
chown sluice: "$dir/run" "$dir/state"

cd "$dir" || exit 1
for k in id other host; do ssh-keygen -q -t ed25519 -N '' -f $k; done
for u in demo multi two coded banned; do cp id.pub keys/$u; done
cat id.pub other.pub >keys/two
cp id.pub home/.ssh/authorized_keys
chown -R closed: home
chmod 700 home home/.ssh
{ for u in demo multi coded; do echo "$u:$(openssl passwd -5 -salt abcdefgh secret)"; done; } >passwords
printf 'coded:GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\n' >secrets
chown sluice: secrets passwords
chmod 600 secrets passwords
printf 'Welcome to the gate.\n' >banner
cat >keys-of <<'SH'
#!/bin/sh
[ "$1" = virtual ] && cat "$(dirname "$0")/other.pub"
SH
chmod 755 keys-of
cat >names <<'SH'
#!/bin/sh
[ "$1 $2 $3" = 'certified badge 7' ] && echo ops
SH
chmod 755 names
ssh-keygen -q -t ed25519 -N '' -f ca
for n in ops dev; do
	cp id cert_$n
	cp id.pub cert_$n.pub
	ssh-keygen -q -s ca -I badge -z 7 -n $n cert_$n.pub
done
for n in ops dev; do
	cp other closed_$n
	cp other.pub closed_$n.pub
	ssh-keygen -q -s ca -I closed -n $n closed_$n.pub
done
echo dev >home/names
chown closed: home/names
cat >sluice.conf <<CONF
ListenAddress 127.0.0.1:22
HostKey $dir/host
AuthorizedKeysFile $dir/keys/%u %h/.ssh/authorized_keys
AuthorizedKeysCommand $dir/keys-of %u
AuthorizedKeysCommandUser nobody
PasswordHashFile $dir/passwords
LogLevel VERBOSE
PerSourcePenalties no
MaxAuthTries 3
DenyUsers banned
Banner $dir/banner
Match User multi
	AuthenticationMethods publickey,password publickey,keyboard-interactive
Match User two
	AuthenticationMethods publickey,publickey
Match User coded
	TOTPSecretFile $dir/secrets
	TOTPStateFile $dir/state/totp
	AuthenticationMethods publickey,keyboard-interactive:totp
Match Group tunnels
	UsePAM yes
Match User certified
	TrustedUserCAKeys $dir/ca.pub
	AuthorizedPrincipalsCommand $dir/names %u %i %s
	AuthorizedPrincipalsCommandUser nobody
Match User closed
	PasswordAuthentication no
	TrustedUserCAKeys $dir/ca.pub
	AuthorizedPrincipalsFile %h/names
CONF

# --- the programs
export SLUICE_RUN=$dir/run
cp "$SLUICE_BUILD/tests/util/softplane" plane # where that user may read
"$SLUICE_BUILD/control/sluice-signer" -f sluice.conf >signer.log 2>&1 & pids+=($!)
signer=$!
"$SLUICE_BUILD/control/sluice-helper" -f sluice.conf >helper.log 2>&1 & pids+=($!)
wait_for 'has 1 host keys' signer.log
wait_for 'listens on' helper.log
setpriv --reuid $uid --regid $uid --clear-groups "$SLUICE_BUILD/control/sluice-control" -f sluice.conf >control.log 2>&1 &
pids+=($!)
control=$!
setpriv --reuid $uid --regid $uid --clear-groups ./plane run >plane.log 2>&1 & pids+=($!)
wait_for 'Server listening' control.log
port=$(port_of plane.log)
check "control has no host key" grep -q 'host keys are those of sluice-signer' control.log
status() { sed -n "s/^$2:[[:space:]]*//p" "/proc/$1/status"; }
for p in $signer $control; do
	check "uid of $p" [ "$(status "$p" Uid)" = "$uid	$uid	$uid	$uid" ]
	check "no new privileges of $p" [ "$(status "$p" NoNewPrivs)" = 1 ]
	check "no capabilities of $p" [ "$(status "$p" CapPrm)" = 0000000000000000 ]
	check "a filter of calls of $p" [ "$(status "$p" Seccomp)" = 2 ]
done
check "sockets are control's alone" [ "$(stat -c '%u %a' run/helper.sock run/signer.sock | sort -u)" = "$uid 600" ]

# --- stock ssh; answers come from a program, one a line of $dir/answers
cat >ask <<'SH'
#!/bin/sh
d=$(dirname "$0")
echo "$1" >>"$d/asked"
head -n 1 "$d/answers"
sed -i 1d "$d/answers"
SH
chmod 755 ask
try() { # user, answers with | between, options…: is it let in?
	local user=$1 n
	printf '%s\n' "$2" | tr '|' '\n' >answers
	shift 2
	: >asked
	n=$(grep -c "^.*Accepted .* for $user from" control.log)
	SSH_ASKPASS=$dir/ask SSH_ASKPASS_REQUIRE=force timeout 20 ssh -F none -o IdentitiesOnly=yes \
		-o IdentityAgent=none -o UserKnownHostsFile="$dir/known" -o GlobalKnownHostsFile=/dev/null \
		-o StrictHostKeyChecking=accept-new -o ExitOnForwardFailure=yes -o NumberOfPasswordPrompts=2 \
		-p "$port" "$@" -W 192.0.2.1:9 "$user@127.0.0.1" </dev/null >ssh.log 2>&1
	[ "$(grep -c "Accepted .* for $user from" control.log)" -gt "$n" ]
}
key=(-i id -o PreferredAuthentications=publickey)
password=(-o PreferredAuthentications=password)
questions=(-o PreferredAuthentications=keyboard-interactive)

check "a key" try demo '' "${key[@]}"
check "the banner" grep -q 'Welcome to the gate.' ssh.log
check "another key" refused try demo '' -i other -o PreferredAuthentications=publickey
check "a password" try demo secret "${password[@]}"
check "a password, at the second try" try demo 'wrong|secret' "${password[@]}"
check "a wrong password" refused try demo 'wrong|wrong' "${password[@]}"
check "a password by questions" try demo secret "${questions[@]}"
check "who is denied" refused try banned '' "${key[@]}"
check "a key and a password" try multi secret -i id
check "a key and no password" refused try multi 'x|x' -i id
check "a password without the key" refused try multi secret "${password[@]}"
check "two keys" try two '' -i id -i other -o PreferredAuthentications=publickey
check "the same key twice" refused try two '' "${key[@]}"
code=$(python3 - <<'PY'
import hashlib, hmac, struct, time
d = hmac.new(b"12345678901234567890", struct.pack(">Q", int(time.time()) // 30), hashlib.sha1).digest()
print("%06d" % ((struct.unpack(">I", d[d[19] & 15:(d[19] & 15) + 4])[0] & 0x7fffffff) % 1000000))
PY
)
check "a key and a code" try coded "$code" -i id
check "the question" grep -q 'Verification code' asked
check "the same code again" refused try coded "$code|$code" -i id
check "PAM by questions, two rounds" try pamela 'right|42' "${questions[@]}"
check "its questions" [ "$(grep -oE 'Module password|Code' asked | tr '\n' ' ')" = 'Module password Code ' ]
check "PAM with a wrong code" refused try pamela 'right|43|right|43' "${questions[@]}"
check "a program that knows keys" try virtual '' -i other -o PreferredAuthentications=publickey
check "and knows no others" refused try virtual '' "${key[@]}"
check "a program that knows principals" try certified '' -i cert_ops "${key[@]:2}"
check "and knows no others" refused try certified '' -i cert_dev "${key[@]:2}"
check "a key in a closed home" try closed '' "${key[@]}"
check "a principal in a closed home" try closed '' -i closed_dev "${key[@]:2}"
check "and no other" refused try closed '' -i closed_ops "${key[@]:2}"
sed -i 's/^	UsePAM yes/&\n	PAMServiceName plain/' sluice.conf
kill $control && wait $control 2>/dev/null
setpriv --reuid $uid --regid $uid --clear-groups "$SLUICE_BUILD/control/sluice-control" -f sluice.conf >control.log 2>&1 &
pids+=($!)
control=$!
wait_for 'Server listening' control.log
check "an expired password is changed" try pamela 'right|right|fresh|fresh' "${password[@]}"

# --- paramiko
if /usr/bin/python3 -c "import paramiko" 2>/dev/null; then
	by_paramiko() { timeout 60 /usr/bin/python3 "$top/tests/interop/paramiko_auth.py" "$port" "$dir" >peer.log 2>&1; }
	check "paramiko" by_paramiko
	tail -5 peer.log
fi
for p in $control $signer; do check "$p is alive" kill -0 "$p"; done
! grep -hE 'Sanitizer|runtime error' ./*.log || failures=$((failures + 1))
[ $failures = 0 ] || { tail -n 40 control.log ssh.log helper.log; exit 1; }
