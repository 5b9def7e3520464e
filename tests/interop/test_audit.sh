#!/bin/bash
# ssh-audit looks at the default configuration: what it warns of or fails must be in the defaults of OpenSSH 10,
# too, which get the same. That a name is newer than its tables does not count.
. "$(dirname "$0")/lib.sh"
command -v ssh-audit >/dev/null || { echo "ssh-audit is not installed"; exit 77; }
ssh-keygen -q -t ecdsa -N '' -f "$LAB_DIR/host_ecdsa"
ssh-keygen -q -t rsa -b 3072 -N '' -f "$LAB_DIR/host_rsa"
LAB_CONF="HostKey $LAB_DIR/host_ecdsa
HostKey $LAB_DIR/host_rsa"
start_lab

# sshd_config(5) of OpenSSH 10: KexAlgorithms, HostKeyAlgorithms without certificates, Ciphers, MACs.
defaults='mlkem768x25519-sha256 sntrup761x25519-sha512 sntrup761x25519-sha512@openssh.com curve25519-sha256
	curve25519-sha256@libssh.org ecdh-sha2-nistp256 ecdh-sha2-nistp384 ecdh-sha2-nistp521
	ssh-ed25519 ecdsa-sha2-nistp256 ecdsa-sha2-nistp384 ecdsa-sha2-nistp521 rsa-sha2-512 rsa-sha2-256
	chacha20-poly1305@openssh.com aes128-ctr aes192-ctr aes256-ctr aes128-gcm@openssh.com aes256-gcm@openssh.com
	umac-64-etm@openssh.com umac-128-etm@openssh.com hmac-sha2-256-etm@openssh.com hmac-sha2-512-etm@openssh.com
	hmac-sha1-etm@openssh.com umac-64@openssh.com umac-128@openssh.com hmac-sha2-256 hmac-sha2-512 hmac-sha1'

# It exits with 1, 2 or 3 for what it finds; 0 is nothing, others are troubles of its own.
lab_in client timeout 60 ssh-audit -n -p "$LAB_PORT" "$LAB_GW_OUTSIDE" >"$LAB_DIR/audit" 2>&1
status=$?
looked() { [ $status -le 3 ] && [ "$(grep -cE '^\((kex|key|enc|mac)\)' "$LAB_DIR/audit")" -ge 12 ]; }
check "ssh-audit has looked at everything" looked || tail -20 "$LAB_DIR/audit"

# "(kex) NAME (…)  -- [warn] why"; further lines about the same name begin with "`-".
findings() {
	awk '/^\((kex|key|enc|mac)\)/ { name = $2 }
		/\[(fail|warn)\]/ && !/unknown algorithm/ { print name, substr($0, index($0, "[")) }' "$LAB_DIR/audit"
}
ours_alone() {
	local name why bad=0
	while read -r name why; do
		grep -qwF -- "$name" <<<"$defaults" || { echo "$name: $why"; bad=1; }
	done < <(findings)
	return $bad
}
check "nothing that OpenSSH's defaults do not get" ours_alone
check "no known weakness of the version" [ "$(grep -cE '^\((cve|sec)\)' "$LAB_DIR/audit")" = 0 ]
check "the gateway is alive" gateway_alive
