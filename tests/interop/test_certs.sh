#!/bin/bash
# Certificates, revocation lists and rotating host keys with a stock ssh and ssh-keygen; security
# keys by an agent in software. The gateway is sluice-control with the small dataplane, everything its
# own: folder, ports, processes.
set -u
cd "$(dirname "$0")/../.." || exit 1
: "${SLUICE_BUILD:=$PWD/build}"
for tool in ssh ssh-keygen python3; do
	command -v $tool >/dev/null || { echo "no $tool"; exit 77; }
done
python3 -c 'import cryptography' 2>/dev/null || { echo "no python3-cryptography"; exit 77; }
. tests/interop/soft.sh

# Keys: an authority for users, one for hosts, one that nobody trusts.
mkdir "$dir/run" "$dir/keys" "$dir/principals"
cd "$dir" || exit 1
for k in ca_user ca_host ca_other user lost host_ed25519; do ssh-keygen -q -t ed25519 -N '' -f $k; done
ssh-keygen -q -t ecdsa -b 384 -N '' -f user_p384
ssh-keygen -q -t ecdsa -b 521 -N '' -f host_p521
ssh-keygen -q -t rsa -b 2048 -N '' -f user_rsa
ssh-keygen -q -t rsa -b 2048 -N '' -f host_rsa
sign() { # ca, id, names, options… key
	local ca=$1 id=$2 names=$3
	shift 3
	ssh-keygen -q -s "$ca" -I "$id" -n "$names" "$@"
}
sign ca_host gateway 'gate.example' -h host_ed25519.pub
sign ca_host gateway 'gate.example' -h host_rsa.pub
cert() { # name, ca, id, names, options…: a certificate of a copy of that key
	local name=$1 of=$2
	shift 2
	cp "$of" "$name"
	cp "$of.pub" "$name.pub"
	sign "$@" "$name.pub"
}
cert good user ca_user 'demo key' demo -z 10 -V -1h:+1h
cert good_p384 user_p384 ca_user p384 demo -z 11
cert good_rsa user_rsa ca_user rsa demo -z 12
cert role user ca_user role ops -z 13
cert stranger user ca_other stranger demo
cert old user ca_user old demo -V -2h:-1h
cert host user ca_user host demo -h
cert far user ca_user far demo -O source-address=192.0.2.0/24
cert near user ca_user near demo -O source-address=127.0.0.0/8
cert shut user ca_user shut demo -O no-port-forwarding
cert serial user ca_user serial demo -z 500
cert named user ca_user 'lost laptop' demo -z 20
cert inside lost ca_user inside demo -z 21
cert own user ca_other 'own' mine -z 1
printf 'ops\n' >principals/admin
echo "cert-authority,principals=\"mine\" $(cat ca_other.pub)" >keys/self
printf 'serial: 400-600\nid: lost laptop\n' >spec
ssh-keygen -q -k -f krl -s ca_user.pub spec
ssh-keygen -q -k -u -f krl lost.pub

for kind in ed25519 ecdsa webauthn; do
	python3 "$OLDPWD/tests/interop/sk_agent.py" "$dir/agent_$kind" "$dir/sk_$kind.pub" $kind \
		"$dir/sk_$kind-cert.pub" >"$dir/agent_$kind.log" 2>&1 &
	pids+=($!)
	eval "agent_$kind=$!"
done
for kind in ed25519 ecdsa webauthn; do
	wait_for ready "$dir/agent_$kind.log"
	cat "sk_$kind.pub" >>keys/token
	echo "no-touch-required $(cat "sk_$kind.pub")" >>keys/lazy
	echo "verify-required $(cat "sk_$kind.pub")" >>keys/careful
done
sign ca_user token demo -z 30 sk_ed25519.pub

cat >sluice.conf <<CONF
ListenAddress 127.0.0.1:22
HostKey $dir/host_ed25519
HostKey $dir/host_p521
HostKey $dir/host_rsa
HostCertificate $dir/host_ed25519-cert.pub
HostCertificate $dir/host_rsa-cert.pub
AuthorizedKeysFile $dir/keys/%u
TrustedUserCAKeys $dir/ca_user.pub
RevokedKeys $dir/krl
PermitOpen 127.0.0.1:*
PerSourcePenalties no
LogLevel VERBOSE
Match User admin
	AuthorizedPrincipalsFile $dir/principals/%u
CONF
export SLUICE_RUN=$dir/run
"$SLUICE_BUILD/control/sluice-control" -t -f sluice.conf || exit 1
"$SLUICE_BUILD/tests/util/softplane" "$dir/run" >plane.log 2>&1 & pids+=($!)
"$SLUICE_BUILD/control/sluice-control" -f sluice.conf >control.log 2>&1 & pids+=($!)
wait_for 'Server listening' control.log
port=$(port_of plane.log)
# A listener that says one line: what -W shows when the login and the tunnel were right.
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

ssh_base=(ssh -F none -o BatchMode=yes -o GlobalKnownHostsFile=/dev/null -p "$port")
as() { # user, key, options…
	local user=$1 key=$2
	shift 2
	[ "$("${ssh_base[@]}" -i "$key" -o IdentitiesOnly=yes -o IdentityAgent=none \
		-o UserKnownHostsFile=known -o StrictHostKeyChecking=accept-new -o UpdateHostKeys=no "$@" \
		-W "127.0.0.1:$echo_port" "$user@127.0.0.1" </dev/null 2>>ssh.log)" = through ]
}
check "a certificate lets in" as demo good
check "one of nistp384" as demo good_p384
check "one of RSA" as demo good_rsa
check "one with its source address" as demo near
check "a principal of the file" as admin role
check "an authority of the user's own file" as self own
check "another's name does not" refused as other good
check "the user's own name does not stand for a principal of the file" refused as admin good
check "an unknown authority does not" refused as demo stranger
check "a principal of an own authority is not the user" refused as demo own
check "an expired one does not" refused as demo old
check "a host's does not" refused as demo host
check "one for elsewhere does not" refused as demo far
check "one without forwarding does not forward" refused as demo shut
check "a revoked serial number does not" refused as demo serial
check "a revoked id does not" refused as demo named
check "a revoked key does not" refused as demo inside
grep -q 'Accepted publickey for demo from 127.0.0.1 port .* ssh2: ED25519-CERT SHA256:.* ID demo key (serial 10) CA ED25519 SHA256:' control.log
check "the log names the certificate" test $? = 0

# The gateway's own: by certificate, then learning of a key that will be shown later.
echo "@cert-authority * $(cat ca_host.pub)" >known_ca
by_cert() { # name, algorithm
	[ "$("${ssh_base[@]}" -i good -o IdentitiesOnly=yes -o IdentityAgent=none -o UserKnownHostsFile=known_ca \
		-o StrictHostKeyChecking=yes -o HostKeyAlias="$1" -o HostKeyAlgorithms="$2" \
		-W "127.0.0.1:$echo_port" demo@127.0.0.1 </dev/null 2>>ssh.log)" = through ]
}
check "the gateway's certificate is believed" by_cert gate.example ssh-ed25519-cert-v01@openssh.com
check "and that of its RSA key" by_cert gate.example rsa-sha2-512-cert-v01@openssh.com
check "not for another name" refused by_cert other.example ssh-ed25519-cert-v01@openssh.com
echo "[127.0.0.1]:$port $(cut -d' ' -f1,2 host_ed25519.pub)" >known_update
"${ssh_base[@]}" -i good -o IdentitiesOnly=yes -o IdentityAgent=none -o UserKnownHostsFile=known_update \
	-o StrictHostKeyChecking=yes -o UpdateHostKeys=yes -o LogLevel=VERBOSE \
	-N demo@127.0.0.1 </dev/null >>ssh.log 2>&1 & pid=$!
for _ in $(seq 400); do [ "$(grep -c . known_update)" = 3 ] && break; sleep 0.05; done
kill $pid 2>/dev/null; wait $pid 2>/dev/null
learned() { for k in p521 rsa; do grep -qF "$(cut -d' ' -f2 host_$k.pub)" known_update || return 1; done; }
check "all host keys are announced and proved" learned

# Security keys, by an agent.
token() { # user, kind, options…
	local user=$1 kind=$2
	shift 2
	[ "$("${ssh_base[@]}" -o IdentityAgent="$dir/agent_$kind" -o UserKnownHostsFile=known -o UpdateHostKeys=no \
		-o PubkeyAcceptedAlgorithms='sk-*,webauthn-sk-*' "$@" \
		-W "127.0.0.1:$echo_port" "$user@127.0.0.1" </dev/null 2>>ssh.log)" = through ]
}
check "a security key (ed25519)" token token ed25519
check "a security key (ecdsa)" token token ecdsa
check "a certificate of a security key" token demo ed25519
check "verify-required is not met by a touch" refused token careful ed25519
kill -USR1 $agent_ed25519
check "an untouched one does not let in" refused token token ed25519
check "but with no-touch-required" token lazy ed25519
check "an untouched one's certificate does not" refused token demo ed25519

! grep -E 'Sanitizer|runtime error' ./*.log || failures=$((failures + 1))
[ $failures = 0 ] || { tail -n 40 control.log; tail -n 20 ssh.log; exit 1; }
