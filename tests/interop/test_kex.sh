#!/bin/bash
# Every method of key exchange against peers that have it, both roles, each with a rekey in the
# middle: stock ssh and PuTTY's plink log in to the gateway, the client role to OpenSSH's sshd;
# paramiko asks for a group in the old form.
. "$(dirname "$0")/lib.sh"
methods="sntrup761x25519-sha512@openssh.com curve25519-sha256 curve25519-sha256@libssh.org
	ecdh-sha2-nistp256 ecdh-sha2-nistp384 ecdh-sha2-nistp521
	diffie-hellman-group-exchange-sha256 diffie-hellman-group16-sha512
	diffie-hellman-group18-sha512 diffie-hellman-group14-sha256
	diffie-hellman-group-exchange-sha1 diffie-hellman-group14-sha1 diffie-hellman-group1-sha1"
LAB_CONF="KexAlgorithms +$(tr -s '\n\t ' ',' <<<"$methods" | sed 's/,$//')
ModuliFile $LAB_DIR/moduli
PerSourcePenalties no"
grep -E '^[0-9]+ 2 6 [0-9]+ (2047|3071) ' /etc/ssh/moduli >"$LAB_DIR/moduli"
start_lab
start_pump || exit 1
mapfile -t opts < <(lab_ssh_opts)
gw=$LAB_USER@$LAB_GW_OUTSIDE

agreed() { grep -q "kex: algorithm: $1" "$LAB_DIR/ssh.log"; }
fetch() { # method: bytes come whole, under it, keys changed on the way
	lab_in client timeout 20 "$SLUICE_BUILD/perf/pump" get 400000 -- ssh "${opts[@]}" -v -o KexAlgorithms="$1" \
		-o 'RekeyLimit 150K' -W $LAB_TARGET_ADDR:9000 $gw 2>"$LAB_DIR/ssh.log" >/dev/null && agreed "$1" &&
		[ "$(grep -c 'SSH2_MSG_NEWKEYS received' "$LAB_DIR/ssh.log")" -ge 2 ]
}
for kex in $methods; do
	check "ssh to the gateway: $kex" fetch "$kex"
done
# plink chooses by its saved session; its key is that of the lab in its own form.
export PUTTYDIR=$LAB_DIR/putty
mkdir -p "$PUTTYDIR/sessions"
plinked() { # its name of the method, and its words for it; what is not named it would put first
	local rest="WARN,ecdh,dh-gex-sha1,dh-group14-sha1,dh-group16-sha512,dh-group18-sha512,dh-group1-sha1,rsa,ntru-curve25519"
	printf 'HostName=%s\nPortNumber=%s\nProtocol=ssh\nKEX=%s,%s\n' $LAB_GW_OUTSIDE "$LAB_PORT" "$1" "$rest" >"$PUTTYDIR/sessions/lab"
	lab_in client timeout 20 "$SLUICE_BUILD/perf/pump" get 400000 -- plink -v -batch -load lab -l $LAB_USER \
		-i "$LAB_DIR/id.ppk" -hostkey "$(hostkey)" -nc $LAB_TARGET_ADDR:9000 2>"$LAB_DIR/ssh.log" >/dev/null &&
		grep -qi "$2" "$LAB_DIR/ssh.log"
}
hostkey() { ssh-keygen -lf "$LAB_DIR/host_ed25519.pub" | cut -d' ' -f2; }
if command -v plink >/dev/null && command -v puttygen >/dev/null; then
	puttygen "$LAB_DIR/id_ed25519" -o "$LAB_DIR/id.ppk" 2>/dev/null
	check "plink to the gateway: sntrup761x25519-sha512" plinked ntru-curve25519 'ntru prime'
	check "plink to the gateway: group exchange" plinked dh-gex-sha1 'group exchange'
fi

old_form() {
	lab_in client /usr/bin/python3 - "$LAB_GW_OUTSIDE" "$LAB_PORT" "$LAB_USER" "$LAB_DIR/id_ed25519" <<-END
		import sys, paramiko
		from paramiko.kex_gex import KexGexSHA256
		real = KexGexSHA256.start_kex
		KexGexSHA256.start_kex = lambda self: real(self, _test_old_style=True)
		t = paramiko.Transport((sys.argv[1], int(sys.argv[2])))
		t.get_security_options().kex = ["diffie-hellman-group-exchange-sha256"]
		t.connect()
		t.auth_publickey(sys.argv[3], paramiko.Ed25519Key(filename=sys.argv[4]))
		assert t.is_authenticated()
		t.close()
	END
}
if /usr/bin/python3 -c 'import paramiko' 2>/dev/null; then
	check "paramiko asks for a group in the old form" old_form
fi

# The client role.
sshd=$(PATH=$PATH:/usr/sbin command -v sshd)
mkdir -p /run/sshd
cat >"$LAB_DIR/sshd_config" <<END
HostKey $LAB_DIR/host_ed25519
AuthorizedKeysFile $LAB_DIR/id_ed25519.pub
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
PidFile none
KexAlgorithms +$(tr -s '\n\t ' ',' <<<"$methods" | sed 's/,$//')
END
probed() {
	timeout 30 "$SLUICE_BUILD/tests/interop/ssh_probe" -u "$(id -un)" -x "$1" -k "$LAB_DIR/host_ed25519.pub" \
		-i "$LAB_DIR/id_ed25519" -n 300000 -r 1 -- "$sshd" -i -e -f "$LAB_DIR/sshd_config" 2>"$LAB_DIR/peer.log" >"$LAB_DIR/probe"
}
some="sntrup761x25519-sha512@openssh.com ecdh-sha2-nistp384 diffie-hellman-group-exchange-sha256
	diffie-hellman-group16-sha512 diffie-hellman-group1-sha1"
[ -z "${SLUICE_LONG:-}" ] || some=$methods
for kex in $some; do
	check "the client role to sshd: $kex" probed "$kex"
done
