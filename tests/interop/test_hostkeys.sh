#!/bin/bash
# Host keys: X.509 chains in every form (RFC 6187 and before it) out of PEM, PKCS#12 and HostCertificate, by way of
# sluice-signer; several keys of several types at once; ext-info-in-auth.
set -u
cd "$(dirname "$0")/../.." || exit 1
: "${SLUICE_BUILD:=$PWD/build}"
python=/usr/bin/python3
$python -c 'import cryptography' 2>/dev/null || { echo "no python3-cryptography"; exit 77; }
. tests/interop/soft.sh
top=$PWD
mkdir "$dir/run" "$dir/keys"
cd "$dir" || exit 1
ssh-keygen -q -t ed25519 -N '' -f user
ssh-keygen -q -t ed25519 -N '' -f host_ed25519
cp user.pub keys/demo
cp user.pub keys/other
$python "$top/tests/interop/x509_make.py" . host gate.example rsa dsa ecdsa256 ecdsa384 ecdsa521 rsa-root dsa-root || exit 1
$python "$top/tests/interop/x509_make.py" . user gate.example ecdsa256 || exit 1
# The chain beside the key; in one file with it, which is the rest of them; and in PKCS#12.
openssl pkey -in host_ecdsa384.pem -out bare384 && chmod 600 bare384
sed -n '/BEGIN CERT/,$p' host_ecdsa384.pem >chain384.pem
openssl pkcs12 -export -in host_ecdsa521.pem -out host_ecdsa521.pfx -passout pass:secret && chmod 600 host_ecdsa521.pfx
echo secret >pass && chmod 600 pass
CONF() {
	cat <<E
ListenAddress 127.0.0.1:22
AuthorizedKeysFile $dir/keys/%u
PermitOpen 127.0.0.1:*
PerSourcePenalties no
E
}
old=x509v3-ssh-rsa,x509v3-ssh-dss,x509v3-sign-rsa,x509v3-sign-dss
{ CONF; cat <<E; } >sluice.conf
HostKey $dir/host_ed25519
HostKey $dir/host_ecdsa256.pem
HostKey $dir/bare384
HostKey $dir/host_ecdsa521.pfx passphrase-file=$dir/pass
HostKey $dir/host_rsa.pem
HostKey $dir/host_dsa.pem
HostCertificate $dir/chain384.pem
HostKeyAlgorithms +$old
Match User other
	PubkeyAcceptedAlgorithms ssh-ed25519
E
export SLUICE_RUN=$dir/run
gateway() { # configuration
	"$SLUICE_BUILD/control/sluice-signer" -f "$1" >signer.log 2>&1 & signer=$!
	wait_for 'host keys, on' signer.log
	"$SLUICE_BUILD/tests/util/softplane" "$dir/run" >plane.log 2>&1 & plane=$!
	"$SLUICE_BUILD/control/sluice-control" -f "$1" >control.log 2>&1 & control=$!
	pids+=($signer $plane $control)
	wait_for 'Server listening' control.log
	port=$(port_of plane.log)
}
gateway_end() {
	kill $control $plane $signer
	wait $control $plane $signer 2>/dev/null
	cat signer.log control.log >>all.log
}
peer() { timeout 30 $python "$top/tests/interop/hostkey_peer.py" "$@"; }

gateway sluice.conf
peer x509 "$port" user root.pem gate.example x509v3-ecdsa-sha2-nistp{256,384,521} x509v3-rsa2048-sha256 \
	x509v3-ssh-rsa x509v3-ssh-dss >shown 2>peer.log
for a in x509v3-ecdsa-sha2-nistp{256,384,521} x509v3-rsa2048-sha256 x509v3-ssh-rsa x509v3-ssh-dss; do
	check "$a: chain, signature, rekey" grep -qx "shown $a" shown
done
check "a client told of its user's algorithms" peer info "$port" user other ssh-ed25519
types() { ssh-keyscan -p "$port" -t ed25519,ecdsa,rsa 127.0.0.1 2>/dev/null | cut -d' ' -f2 | sort | tr '\n' ' '; }
check "bare keys of every type beside them" test "$(types)" = "ecdsa-sha2-nistp256 ssh-ed25519 ssh-rsa "
gateway_end

# The older types show one certificate, which the root itself has signed; what cannot be used is said.
{ CONF; cat <<E; } >sluice.conf
HostKey $dir/host_ed25519
HostKey $dir/host_rsa-root.pem
HostKey $dir/host_dsa-root.pem
HostKey $dir/user_ecdsa256.pem
HostCertificate $dir/chain384.pem
HostCertificate $dir/sluice.conf
HostKeyAlgorithms +$old
Match Client-Version *keyscan*
	HostKey $dir/host_apart
E
ssh-keygen -q -t ed25519 -N '' -f host_apart
gateway sluice.conf
shown=$(ssh-keyscan -p "$port" 127.0.0.1 2>/dev/null | cut -d' ' -f2,3)
check "who has a HostKey of his own is shown that one alone" test "$shown" = "$(cut -d' ' -f1,2 host_apart.pub)"
others() { ssh "$@" -F none -p "$port" -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=known_others -o UpdateHostKeys=yes -i user demo@127.0.0.1 exit 2>&1; }
others >/dev/null
check "nobody else is" test -s known_others
shown=$(others -vvv) # who knows the host listens to which keys it has
check "who is told of the others" grep -q 'client_input_hostkeys: received .* key SHA256:' <<<"$shown"
check "is not told of it" refused grep -qF "$(ssh-keygen -lf host_apart.pub | cut -d' ' -f2)" <<<"$shown"
for a in x509v3-sign-rsa x509v3-sign-dss; do check "$a" peer x509 "$port" user root.pem gate.example $a; done
check "a user's chain is not a host's" grep -q 'Unable to use the certificate of the ECDSA host key: extended key usage' control.log
check "its algorithm is not offered" refused peer x509 "$port" user root.pem gate.example x509v3-ecdsa-sha2-nistp256
check "another key's chain is not ours" grep -q 'chain384.pem": no matching private host key' control.log
check "what is none is said" grep -q 'sluice.conf": not a certificate' control.log
gateway_end

# F-28: other keys while connections live. Those keep what they were shown, by the signer they had.
ssh-keygen -q -t ed25519 -N '' -f host_new
{ CONF; echo "HostKey $dir/host_ed25519"; } >sluice.conf
{ CONF; printf 'HostKey %s\n' "$dir/host_new" "$dir/host_ed25519"; } >new.conf
gateway sluice.conf
coproc PEER { peer rotate "$port" user "$((${SLUICE_LONG:+80}+20))" host_ed25519 host_new 2>>peer.log; }
peer_pid=$PEER_PID to=${PEER[1]} from=${PEER[0]}
read -r -t 30 -u "$from" said
check "connections live" test "$said" = open
"$SLUICE_BUILD/control/sluice-signer" -f new.conf >refused.log 2>&1
check "a second signer is refused" grep -q 'another sluice-signer is running' refused.log
"$SLUICE_BUILD/control/sluice-signer" -r -f new.conf >signer2.log 2>&1 & signer2=$!
pids+=($signer2)
wait_for 'new connections get other host keys' control.log
echo go >&"$to"
read -r -t 30 -u "$from" said
check "they rekey with the key they know; new ones get the new one; all are proved" test "$said" = kept
check "the old signer stays for them" kill -0 $signer
# Replaced, and killed: the next one has the same key.
"$SLUICE_BUILD/control/sluice-signer" -r -f new.conf >signer3.log 2>&1 & signer3=$!
pids+=($signer3)
for _ in $(seq 400); do [ "$(grep -c 'new connections get other host keys' control.log)" = 2 ] && break; sleep 0.05; done
kill -9 $signer2
wait $signer2 2>/dev/null
echo gone >&"$to"
read -r -t 30 -u "$from" said
check "who began with one that was replaced and killed rekeys by the next" test "$said" = kept
echo end >&"$to"
wait $peer_pid
wait_for 'Nobody has these keys any more' signer.log
wait $signer
check "and goes with the last of them" test $? = 0
signer=$signer3
gateway_end
cat signer2.log signer3.log >>all.log

# HostKeyAgent: public keys, and one whose file nobody opens; the signer alone asks.
ssh-keygen -q -t rsa -b 2048 -N word -f agent_rsa
mkdir closed && cp host_ed25519 closed/agent_ed25519 && cp host_ed25519.pub agent_ed25519.pub
agent_start() {
	ssh-agent -D -a "$dir/agent.sock" >agent.log 2>&1 & agent=$!
	pids+=($agent)
	# Its socket is there before it listens.
	for _ in $(seq 1000); do SSH_AUTH_SOCK=$dir/agent.sock ssh-add -l >/dev/null 2>&1; [ $? != 2 ] && break; sleep 0.02; done
	printf 'echo word\n' >ask && chmod 700 ask
	SSH_AUTH_SOCK=$dir/agent.sock SSH_ASKPASS=$dir/ask SSH_ASKPASS_REQUIRE=force ssh-add -q closed/agent_ed25519 agent_rsa
}
agent_start
{ CONF; cat <<E; } >sluice.conf
HostKey $dir/agent_ed25519
HostKey $dir/agent_rsa
HostKeyAgent $dir/agent.sock
E
gateway sluice.conf
check "public keys by an agent" grep -q 'sluice-signer has 2 host keys' signer.log
# A listener that says one line: what -W shows when the login was right.
python3 -u - >echo.log 2>/dev/null <<'PY' & pids+=($!)
import socket
s = socket.create_server(('127.0.0.1', 0))
print('port', s.getsockname()[1])
while True:
    c, _ = s.accept()
    c.sendall(b'through\n')
    c.close()
PY
echo_port=$(port_of echo.log)
shows() { # algorithm
	[ "$(ssh -F none -o BatchMode=yes -o IdentityAgent=none -o IdentitiesOnly=yes -i user -p "$port" \
		-o UserKnownHostsFile=known_agent -o GlobalKnownHostsFile=/dev/null -o StrictHostKeyChecking=yes \
		-o HostKeyAlgorithms="$1" -o UpdateHostKeys=no -W "127.0.0.1:$echo_port" demo@127.0.0.1 </dev/null 2>>ssh.log)" = through ]
}
for k in ed25519 rsa; do echo "[127.0.0.1]:$port $(cut -d' ' -f1,2 agent_$k.pub)"; done >known_agent
check "a login by its ed25519 key" shows ssh-ed25519
check "and by its RSA key" shows rsa-sha2-512
kill $agent; wait $agent 2>/dev/null; rm -f agent.sock
check "not without the agent" refused shows ssh-ed25519
agent_start
again() { for _ in $(seq 100); do shows ssh-ed25519 && return; sleep 0.2; done; return 1; }
check "again when it is back" again
SSH_AUTH_SOCK=$dir/agent.sock SSH_ASKPASS=$dir/ask SSH_ASKPASS_REQUIRE=force ssh-add -q -x 2>/dev/null </dev/null
check "a locked agent signs nothing" refused shows rsa-sha2-256
gateway_end
own() { "$SLUICE_BUILD/control/sluice-control" -f sluice.conf 2>&1 | tee -a all.log | grep -q 'no hostkeys available'; }
check "control itself asks no agent" own

# HostKeyFolder: keys that stand there alone, behind a passphrase, are shown when a program names them.
mkdir -m 700 vault && mv agent_rsa vault/rsa && mv host_ecdsa521.pfx vault/chain.pfx
echo word >vault/word && mv pass vault/secret && chmod 600 vault/*
{ CONF; cat <<E; } >sluice.conf
HostKey $dir/host_apart
HostKeyFolder $dir/vault
PolicyHook $dir/hook.sock kinds=established timeout=20
E
hook() { # key file, passphrase file
	[ -z "${hook:-}" ] || { kill "$hook"; wait "$hook" 2>/dev/null; rm -f hook.sock; }
	$python "$top/docs/examples/hook.py" hook.sock --host-key-file "$1" --passphrase-file "$2" >>hook.log 2>&1 & hook=$!
	pids+=($hook)
	for _ in $(seq 1000); do [ -S hook.sock ] && break; sleep 0.02; done
}
gateway sluice.conf
hook "$dir/vault/rsa" "$dir/vault/word"
echo "[127.0.0.1]:$port $(cut -d' ' -f1,2 agent_rsa.pub)" >known_agent
check "a key of the folder is shown" shows rsa-sha2-512
check "and again" shows rsa-sha2-256
check "no other is" refused shows ssh-ed25519
hook "$dir/vault/chain.pfx" "$dir/vault/secret"
check "the chain of one, also when keys change" peer x509 "$port" user root.pem gate.example x509v3-ecdsa-sha2-nistp521
hook "$dir/vault/rsa" "$dir/vault/secret"
check "not by another passphrase" refused shows rsa-sha2-512
check "which is said" grep -q 'named host key "'"$dir/vault/rsa"'": incorrect passphrase' control.log
cp vault/rsa outside
hook "$dir/outside" "$dir/vault/word"
check "nor one that stands elsewhere" refused shows rsa-sha2-512
check "which is said, too" grep -q 'it is not below a HostKeyFolder' control.log
gateway_end

! grep -E 'Sanitizer|runtime error' ./*.log || failures=$((failures + 1))
[ $failures = 0 ] || { tail -n 40 all.log; cat peer.log; exit 1; }
