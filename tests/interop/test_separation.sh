#!/bin/bash
# Who has which secret, and who does not: control does not start before sluice-signer, nor with a host
# key within its reach; after logins by passwords, questions and keys nothing of them is in the memory of
# control, signer and helper (S-73), nor a host key but in the signer's (F-31: none can be dumped), nor in that of our
# own client, and of its keys; and a signer that dies fails what waits for it, until it is back.
set -u
cd "$(dirname "$0")/../.." || exit 1
top=$PWD
# A sanitizer keeps what was freed, and traces itself.
[ ! -x "$top/build/control/sluice-control" ] || SLUICE_BUILD=$top/build
: "${SLUICE_BUILD:=$top/build}"
[ "$(id -u)" = 0 ] || { echo "another user needs root"; exit 77; }
for tool in ssh-keygen unshare openssl python3; do
	command -v $tool >/dev/null || { echo "no $tool"; exit 77; }
done
python=/usr/bin/python3
$python -c 'import cryptography' 2>/dev/null || { echo "no python3-cryptography"; exit 77; }
if [ -z "${INSIDE:-}" ]; then
	unshare -m true 2>/dev/null || { echo "no mount namespaces"; exit 77; }
	INSIDE=1 exec unshare -m "$top/tests/interop/test_separation.sh" "$@"
fi
. tests/interop/soft.sh
unset SLUICE_KEYS_IN_CONTROL

# --- users, services, secrets that nothing else has
uid=64999
{ grep -vE '^(sluice|pamela):' /etc/passwd; echo "sluice:x:$uid:$uid::/:/bin/false"
	echo "pamela:x:64997:64997::/:/bin/false"; } >"$dir/passwd"
{ grep -v '^sluice:' /etc/group; echo "sluice:x:$uid:"; } >"$dir/group"
for f in passwd group; do mount --bind "$dir/$f" /etc/$f || { echo "no bind mounts"; exit 77; }; done
mkdir -p "$dir/pam.d" "$dir/run" "$dir/keys"
cd "$dir" || exit 1
for s in password wrong answer code passphrase; do openssl rand -hex 12 >$s; done
cat >pam.d/sluice <<PAM
auth required $SLUICE_BUILD/tests/util/pam_test.so password=$(cat answer) code=$(cat code)
account required $SLUICE_BUILD/tests/util/pam_test.so
PAM
mount --bind pam.d /etc/pam.d || { echo "no bind mounts"; exit 77; }
ssh-keygen -q -t ed25519 -N '' -f id
ssh-keygen -q -t ed25519 -N '' -f host
cp host host.plain
ssh-keygen -q -p -a 1 -N "$(cat passphrase)" -f host >/dev/null
chmod 600 passphrase
cp id.pub keys/demo
echo "demo:$(openssl passwd -5 "$(cat password)")" >passwords
chmod 600 passwords
chown sluice: run passwords
conf() { # host key
	cat <<-CONF
		ListenAddress 127.0.0.1:22
		HostKey $1
		AuthorizedKeysFile $dir/keys/%u
		PasswordHashFile $dir/passwords
		PasswordAuthentication yes
		PerSourcePenalties no
		LogLevel VERBOSE
		Match User pamela
			UsePAM yes
	CONF
}
conf "$dir/host passphrase-file=$dir/passphrase" >sluice.conf
export SLUICE_RUN=$dir/run
cp "$SLUICE_BUILD/tests/util/softplane" plane

# --- control waits for the signer
"$SLUICE_BUILD/control/sluice-helper" -f sluice.conf >helper.log 2>&1 & pids+=($!)
helper=$!
"$SLUICE_BUILD/control/sluice-control" -f sluice.conf >control.log 2>&1 & pids+=($!)
control=$!
setpriv --reuid $uid --regid $uid --clear-groups ./plane run >plane.log 2>&1 & pids+=($!)
wait_for 'listens on' helper.log
signer_start() {
	"$SLUICE_BUILD/control/sluice-signer" -f sluice.conf >>signer.log 2>&1 & pids+=($!)
	signer=$!
	for _ in $(seq 400); do [ "$(grep -c 'has 1 host keys' signer.log)" = "$1" ] && return; sleep 0.05; done
	return 1
}
waits() { kill -0 $control && [ ! -e run/control.sock ] && ! grep -q 'Server listening' control.log; }
check "control does not serve without the signer" waits
signer_start 1 || exit 1
wait_for 'Server listening' control.log
port=$(port_of plane.log)
check "control has the signer's keys" grep -q 'host keys are those of sluice-signer' control.log
mine() { grep -q "helper did not read" control.log && return 1; grep -q 'read again' helper.log; }
check "the helper has read what control has" mine

# --- no dumps
for p in $control $signer $helper; do
	check "$p: no core file" grep -qE '^Max core file size +0 +0 ' /proc/$p/limits
	check "$p: its memory is nobody else's" [ "$(stat -c %u /proc/$p/mem)" = 0 ]
done

# --- a key within reach
cp host.plain within
chown sluice: within
conf "$dir/within" >within.conf
"$SLUICE_BUILD/control/sluice-control" -f within.conf >within.log 2>&1
check "control does not start with a host key within its reach" [ $? = 255 ]
check "and says which" grep -q "host key $dir/within can be read by user $uid" within.log

# --- what is left of secrets
scan() { PYTHONPATH=$top/tests/interop timeout 60 $python "$top/tests/interop/memory_scan.py" "$port" . "$@"; }
check "nothing is left of secrets in memory" scan control=$control signer=$signer helper=$helper

# --- and in that of our own client, whose server is paramiko's
if $python -c 'import paramiko' 2>/dev/null; then
	ssh-keygen -q -t ed25519 -a 1 -N "$(cat passphrase)" -f locked
	ssh-keygen -q -t rsa -b 2048 -N '' -f rsa
	check "nothing is left in the memory of sluice ssh and sluice tunnel" env PYTHONPATH="$top/tests/interop" \
		timeout 200 $python "$top/tests/interop/memory_scan_client.py" "$SLUICE_BUILD/client/sluice" .
else
	echo "skipped: no python3-paramiko for the client's side"
fi

# --- files of HostKeyFolder: root's, for a signer that is not root any more
mkdir -m 700 vault run3
cp host.plain vault/roots
cp host.plain vault/controls
chown sluice: vault/controls run3
{ echo "HostKeyFolder $dir/vault"; conf "$dir/host passphrase-file=$dir/passphrase"; } >folder.conf
SLUICE_RUN=$dir/run3 "$SLUICE_BUILD/control/sluice-signer" -f folder.conf >folder.log 2>&1 & pids+=($!)
wait_for 'has 1 host keys' folder.log
opens() { # path: the error
	setpriv --reuid $uid --regid $uid --clear-groups $python -c '
import socket, struct, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
body = b"\5" + struct.pack(">II", 1, len(sys.argv[2])) + sys.argv[2].encode() + bytes(20)
s.sendall(struct.pack(">I", len(body)) + body)
print(struct.unpack(">I", s.recv(4096)[9:13])[0])' run3/signer.sock "$1"
}
check "a key of root's is opened" [ "$(opens "$dir/vault/roots")" = 0 ]
check "one that control could read is not" [ "$(opens "$dir/vault/controls")" = 1 ]
check "nor what is elsewhere" [ "$(opens "$dir/host.plain")" = 18 ]

# --- a token's PIN, as soon as its key is there
module=/usr/lib/softhsm/libsofthsm2.so
if [ -e $module ] && command -v softhsm2-util pkcs11-tool >/dev/null; then
	export SOFTHSM2_CONF=$dir/softhsm.conf
	mkdir tokens run2
	echo "directories.tokendir = $dir/tokens" >softhsm.conf
	openssl rand -hex 12 | tr -d '\n' >pin
	chmod 600 pin
	softhsm2-util --init-token --free --label sluice --pin "$(cat pin)" --so-pin 56785678 >/dev/null &&
		pkcs11-tool --module $module --login --pin "$(cat pin)" --keypairgen --key-type EC:prime256v1 \
			--label k --id 01 >/dev/null 2>&1
	conf "\"pkcs11:token=sluice;object=k?module-path=$module&pin-source=file:$dir/pin\"" >token.conf
	SLUICE_RUN=$dir/run2 "$SLUICE_BUILD/control/sluice-signer" -f token.conf >token.log 2>&1 & pids+=($!)
	token=$!
	wait_for 'has 1 host keys' token.log
	check "nothing is left of the PIN of a token" env PYTHONPATH="$top/tests/interop" $python \
		"$top/tests/interop/memory_scan.py" without $token pin
fi

# --- the signer dies
knock() { # one key exchange and a login
	PYTHONPATH=$top/tests/interop timeout 20 $python -c '
import sys, pyssh
from cryptography.hazmat.primitives import serialization
c = pyssh.dial("127.0.0.1", sys.argv[1])
k = serialization.load_ssh_private_key(open("id", "rb").read(), None)
blob = pyssh.string("ssh-ed25519") + pyssh.string(k.public_key().public_bytes(*pyssh.RAW))
sys.exit(0 if c.login("demo", pyssh.Signer("ssh-ed25519", k, blob)) else 1)' "$port"
}
kill -STOP $signer
before=$(grep -c '^Connection from' control.log)
knock >knock.log 2>&1 & waiter=$!
for _ in $(seq 1000); do [ "$(grep -c '^Connection from' control.log)" = "$before" ] || break; sleep 0.02; done
asked() { ss -xpH | awk -v pid="pid=$signer," 'index($0, pid) && $3 > 0 { n++ } END { exit !n }'; }
for _ in $(seq 1000); do asked && break; sleep 0.02; done
check "the signature is asked for" asked
kill -KILL $signer
wait $waiter
check "who waited for it is told" [ $? != 0 ]
check "control says why" grep -q 'signing for 127.0.0.1 port .* failed' control.log
check "and so is who comes then" refused knock
signer_start 2 || exit 1
check "it is back" knock
check "control lives" kill -0 $control
[ $failures = 0 ] || { tail -n 40 control.log helper.log signer.log; exit 1; }
