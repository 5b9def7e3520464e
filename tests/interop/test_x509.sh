#!/bin/bash
# X.509 keys of users (RFC 6187, and the older names) by the tests' own client and by sluice ssh: every algorithm logs in and takes bytes
# with a key exchange in the middle; a browser's security key, too; and who must not get in. The host's by sluice ssh, which believes an anchor.
set -u
cd "$(dirname "$0")/../.." || exit 1
: "${SLUICE_BUILD:=$PWD/build}"
python=/usr/bin/python3
$python -c 'import cryptography' 2>/dev/null || { echo "no python3-cryptography"; exit 77; }
. tests/interop/soft.sh
top=$PWD
mkdir "$dir/run" "$dir/keys" "$dir/other"
cd "$dir" || exit 1
ssh-keygen -q -t ed25519 -N '' -f host_key
$python "$top/tests/interop/x509_make.py" . user demo rsa dsa ecdsa256 ecdsa384 ecdsa521 rsa-root dsa-root || exit 1
$python "$top/tests/interop/x509_make.py" . host demo ecdsa256 || exit 1
$python "$top/tests/interop/x509_make.py" other user demo ecdsa256 || exit 1
PYTHONPATH=$top/tests/interop $python - <<'P' || exit 1
import x509_make, sk_agent
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
ca = x509_make.Authority(".")
key, cert = ca.leaf("user", "ecdsa256", "demo", days=(-10, -1))
x509_make.save("old.pem", key, cert, ca.cert)
def lists(path, *serials):
    with open(path, "wb") as f:
        for cert, key in (ca.cert, ca.key), (ca.root, ca.root_key):
            f.write(ca.revoked(cert, key, serials).public_bytes(serialization.Encoding.PEM))
shown = x509.load_der_x509_certificate(x509_make.load("host_ecdsa256.pem")[1][0])
lists("none.crl")
lists("host.crl", shown.serial_number)
x509_make.save("token.pem", ec.generate_private_key(ec.SECP256R1()))
with open("keys/demo", "w") as f:
    f.write(sk_agent.Token("webauthn", "token.pem").line())
P
names=x509v3-ssh-rsa,x509v3-ssh-dss,x509v3-sign-rsa,x509v3-sign-dss
cat >sluice.conf <<CONF
ListenAddress 127.0.0.1:22
HostKey $dir/host_key
HostKey $dir/host_ecdsa256.pem
AuthorizedKeysFile $dir/keys/%u
X509TrustAnchors $dir/root.pem
PubkeyAcceptedAlgorithms +$names
PermitOpen 127.0.0.1:*
PerSourcePenalties no
CONF
export SLUICE_RUN=$dir/run
"$SLUICE_BUILD/tests/util/softplane" "$dir/run" >plane.log 2>&1 & pids+=($!)
"$SLUICE_BUILD/control/sluice-control" -f sluice.conf >control.log 2>&1 & pids+=($!)
"$SLUICE_BUILD/perf/pump" serve 127.0.0.1 0 >pump.log 2>&1 & pids+=($!)
wait_for 'Server listening' control.log
wait_for serving pump.log
port=$(port_of plane.log)
pump=$(sed -n 's/.*port //p' pump.log)

by() { # user, key, algorithm
	timeout 20 $python "$top/tests/interop/peers/client_pyssh.py" 127.0.0.1 "$port" "$1" "$2" 127.0.0.1 "$pump" 300000 "$3" -
}
check "ecdsa, nistp256" by demo user_ecdsa256.pem x509v3-ecdsa-sha2-nistp256
check "ecdsa, nistp384" by demo user_ecdsa384.pem x509v3-ecdsa-sha2-nistp384
check "ecdsa, nistp521" by demo user_ecdsa521.pem x509v3-ecdsa-sha2-nistp521
check "rsa, SHA-256" by demo user_rsa.pem x509v3-rsa2048-sha256
check "rsa, SHA-1" by demo user_rsa.pem x509v3-ssh-rsa
check "rsa, the older way" by demo user_rsa-root.pem x509v3-sign-rsa
check "dsa" by demo user_dsa.pem x509v3-ssh-dss
check "dsa, the older way" by demo user_dsa-root.pem x509v3-sign-dss
check "a browser's security key" by demo token.pem webauthn-sk-ecdsa-sha2-nistp256@openssh.com
# Our client shows what lies with its key, or beside it, where it is to.
chmod 600 ./*.pem
openssl pkey -in user_ecdsa384.pem -out bare.key
chmod 600 bare.key
ours() { # option…
	timeout 60 "$SLUICE_BUILD/client/sluice" ssh -F none -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=none \
		-o IdentityAgent=none "$@" -p "$port" -W "127.0.0.1:$pump" demo@127.0.0.1 </dev/null
}
check "sluice ssh: ecdsa" ours -i user_ecdsa256.pem -o PubkeyAcceptedAlgorithms=+x509v3-ecdsa-sha2-nistp256
check "sluice ssh: rsa" ours -i user_rsa.pem -o PubkeyAcceptedAlgorithms=+x509v3-rsa2048-sha256
check "sluice ssh: the key alone is nobody's" refused ours -i user_ecdsa256.pem
sed -n '/BEGIN CERTIFICATE/,$p' user_ecdsa384.pem >chain.pem
check "sluice ssh: certificates beside it" ours -i bare.key -o CertificateFile="$dir/chain.pem" \
	-o PubkeyAcceptedAlgorithms=+x509v3-ecdsa-sha2-nistp384
# Who the host is says a certificate; no file knows it.
meets() { # the name it goes by, option…
	local name=$1
	shift
	timeout 60 "$SLUICE_BUILD/client/sluice" ssh -F none -o BatchMode=yes -o StrictHostKeyChecking=yes -o UserKnownHostsFile=none \
		-o GlobalKnownHostsFile=none -o IdentityAgent=none -o HostKeyAlias="$name" "$@" -i user_ecdsa256.pem \
		-o PubkeyAcceptedAlgorithms=+x509v3-ecdsa-sha2-nistp256 -p "$port" -W "127.0.0.1:$pump" demo@127.0.0.1 </dev/null
}
says() { # what, command…: it fails and says that
	local what=$1
	shift
	! "$@" 2>said && grep -q -- "$what" said
}
anchors() { meets "$1" -o X509TrustAnchors="$dir/$2" "${@:3}"; }
check "sluice ssh: a host below an anchor" anchors demo root.pem
check "sluice ssh: as a key it is unknown" says "nobody knows" meets demo
check "sluice ssh: another host's certificate" says "made out to another host" anchors other root.pem
check "sluice ssh: below another root" says "unable to get local issuer certificate" anchors demo other/root.pem
check "sluice ssh: it was not revoked" anchors demo root.pem -o X509RevocationFile="$dir/none.crl"
check "sluice ssh: it was revoked" says "certificate revoked" anchors demo root.pem -o X509RevocationFile="$dir/host.crl"
check "sluice ssh: no list" says "No such file" anchors demo root.pem -o X509RevocationFile="$dir/no.crl"
check "not another user" refused by other user_ecdsa256.pem x509v3-ecdsa-sha2-nistp256
check "not after its time" refused by demo old.pem x509v3-ecdsa-sha2-nistp256
check "not below another root" refused by demo other/user_ecdsa256.pem x509v3-ecdsa-sha2-nistp256
check "not a host's" refused by demo host_ecdsa256.pem x509v3-ecdsa-sha2-nistp256
check "the gateway still lets in" by demo user_ecdsa256.pem x509v3-ecdsa-sha2-nistp256
! grep -E 'Sanitizer|runtime error' ./*.log || failures=$((failures + 1))
[ $failures = 0 ] || { tail -n 40 control.log; exit 1; }
