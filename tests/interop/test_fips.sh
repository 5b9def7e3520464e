#!/bin/bash
# FIPSMode: without OpenSSL's module no program starts; with one, whoever logs in and what he sends is
# computed by it, and what is not approved is not offered. No package has the module: what answers here
# is the tests' own provider (fips_standin.c), or the real one where SLUICE_FIPS_CONF names the
# openssl.cnf and SLUICE_FIPS_MODULES the folder of it.
. "$(dirname "$0")/lib.sh"

LAB_CONF="FIPSMode yes
KexAlgorithms curve25519-sha256,ecdh-sha2-nistp384,diffie-hellman-group14-sha256
HostKey $LAB_DIR/host_ecdsa
LogLevel DEBUG1"
lab_up || exit 1
ssh-keygen -q -t ecdsa -b 256 -N '' -f "$LAB_DIR/host_ecdsa"
ssh-keygen -q -t ecdsa -b 384 -N '' -f "$LAB_DIR/id_ecdsa"
lab_configure
cat "$LAB_DIR/id_ecdsa.pub" >>"$LAB_DIR/authorized_keys/$LAB_USER"
printf '%s %s\n' $LAB_GW_OUTSIDE "$(cut -d' ' -f1,2 "$LAB_DIR/host_ecdsa.pub")" >>"$LAB_DIR/known_hosts"
mapfile -t opts < <(lab_ssh_opts)

# --- without the module
mkdir "$LAB_DIR/none"
refuses() { # program, arguments
	local what=$1 rc=0
	shift
	env OPENSSL_MODULES="$LAB_DIR/none" SLUICE_RUN="$LAB_DIR/run" timeout 10 "$SLUICE_BUILD/$what" \
		-f "$LAB_DIR/sluice.conf" "$@" >"$LAB_DIR/refused" 2>&1 || rc=$?
	[ $rc != 0 ] && [ $rc != 124 ] && grep -q "FIPSMode: OpenSSL's provider \"fips\" cannot be loaded" "$LAB_DIR/refused" ||
		{ echo "status $rc"; cat "$LAB_DIR/refused"; return 1; }
}
for program in dataplane/sluice-dataplane control/sluice-control control/sluice-signer control/sluice-helper; do
	check "$program does not start" refuses $program
done
check "nor does its configuration pass" refuses control/sluice-control -t

# --- with it
if [ -n "${SLUICE_FIPS_MODULES:-}" ]; then
	LAB_WRAP="env OPENSSL_CONF=${SLUICE_FIPS_CONF:-/etc/ssl/openssl.cnf} OPENSSL_MODULES=$SLUICE_FIPS_MODULES"
else
	mkdir "$LAB_DIR/modules"
	cp "$SLUICE_BUILD/tests/interop/fips_standin.so" "$LAB_DIR/modules/fips.so"
	LAB_WRAP="env OPENSSL_MODULES=$LAB_DIR/modules"
fi
# OpenSSL unloads a provider at the end, and what pointed to its names with it: they count as lost.
LAB_WRAP+=" ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0"
lists() { # all of them: only what is approved
	$LAB_WRAP "$SLUICE_BUILD/control/sluice-control" -T -f "$LAB_DIR/sluice.conf" >"$LAB_DIR/lists" || return 1
	grep -qx 'kexalgorithms ecdh-sha2-nistp384,diffie-hellman-group14-sha256' "$LAB_DIR/lists" &&
		grep -qx 'ciphers aes128-gcm@openssh.com,aes256-gcm@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr' "$LAB_DIR/lists" &&
		! grep -E '^(kexalgorithms|ciphers|macs|.*algorithms) .*(25519|448|umac|chacha|ssh-rsa|dss|md5|mlkem|sntrup|group1-)' "$LAB_DIR/lists"
}
check "lists are cut" lists
nothing_left() { # of a line
	sed 's/^KexAlgorithms.*/KexAlgorithms curve25519-sha256/' "$LAB_DIR/sluice.conf" >"$LAB_DIR/left.conf"
	! $LAB_WRAP "$SLUICE_BUILD/control/sluice-control" -T -f "$LAB_DIR/left.conf" >"$LAB_DIR/left" 2>&1 &&
		grep -q 'FIPSMode leaves nothing of' "$LAB_DIR/left"
}
check "a line of which nothing is left is an error" nothing_left
kerberos() {
	(cat "$LAB_DIR/sluice.conf"; echo "GSSAPIKeyExchange yes") >"$LAB_DIR/left.conf"
	! $LAB_WRAP "$SLUICE_BUILD/control/sluice-control" -T -f "$LAB_DIR/left.conf" >"$LAB_DIR/left" 2>&1 &&
		grep -q 'FIPSMode: GSSAPIKeyExchange' "$LAB_DIR/left"
}
check "GSSAPIKeyExchange is refused" kerberos

lab_fileserver_start || exit 1
lab_random_file "$LAB_DIR/www/file" $((1 << 20))
lab_gateway_start "$SLUICE_BUILD" || exit 1
fetch() { # key, options of ssh
	local key=$1 rc=0
	shift
	rm -f "$LAB_DIR/got" "$LAB_DIR/ssh.log"
	lab_forward 8000 $LAB_TARGET_ADDR:8080 -i "$LAB_DIR/$key" "$@" || return 1
	lab_in client curl -s -m 10 -o "$LAB_DIR/got" http://127.0.0.1:8000/file || rc=1
	lab_stop_pid "$lab_pid"
	[ $rc = 0 ] && same_file "$LAB_DIR/got" "$LAB_DIR/www/file"
}
check "nistp384, aes256-gcm" fetch id_ecdsa -o KexAlgorithms=ecdh-sha2-nistp384 -o Ciphers=aes256-gcm@openssh.com
check "group14, aes128-ctr, hmac-sha2-256" fetch id_ecdsa -o KexAlgorithms=diffie-hellman-group14-sha256 \
	-o Ciphers=aes128-ctr -o MACs=hmac-sha2-256
refused() { # options of ssh
	! lab_in client timeout 10 ssh "${opts[@]}" "$@" -N $LAB_USER@$LAB_GW_OUTSIDE 2>"$LAB_DIR/ssh.log" &&
		grep -qE 'Unable to negotiate|Permission denied' "$LAB_DIR/ssh.log"
}
check "no key of Ed25519" refused
check "no curve25519" refused -i "$LAB_DIR/id_ecdsa" -o KexAlgorithms=curve25519-sha256
check "no chacha20-poly1305" refused -i "$LAB_DIR/id_ecdsa" -o Ciphers=chacha20-poly1305@openssh.com
# libsluice: the same of a process of its own.
library() { # pattern of what was agreed, settings…
	local pattern=$1
	shift
	# shellcheck disable=SC2086
	lab_in client $LAB_WRAP SSH_AUTH_SOCK="$LAB_DIR/agent" timeout 20 "$SLUICE_BUILD/tests/interop/client_settings" Hostname=$LAB_GW_OUTSIDE \
		Port=$LAB_PORT User=$LAB_USER AuthMode=publickey AgentAuth=require FIPSMode=yes \
		AcceptHostKeyFingerprint="$(ssh-keygen -lf "$LAB_DIR/host_ecdsa.pub" | cut -d' ' -f2)" "$@" >"$LAB_DIR/library" 2>&1
	grep -q "$pattern" "$LAB_DIR/library"
}
lab_spawn client "$LAB_DIR/agent.log" ssh-agent -D -a "$LAB_DIR/agent"
lab_wait_log "$lab_pid" "$LAB_DIR/agent.log" SSH_AUTH_SOCK 20
SSH_AUTH_SOCK=$LAB_DIR/agent ssh-add -q "$LAB_DIR/id_ecdsa" 2>/dev/null
check "libsluice" library '^ecdh-sha2-nistp384, aes128-gcm@openssh.com$'
check "libsluice: a list of which nothing is left" library 'FIPSMode leaves nothing of Ciphers' Ciphers=chacha20-poly1305@openssh.com
check "libsluice: Kerberos" library 'FIPSMode: Kerberos' GSSAPIAuthentication=yes
check "the gateway is alive" gateway_alive
