#!/bin/bash
# Ciphers and MACs, old ones included, against OpenSSH, asyncssh and PuTTY: each a login, a MiB both
# ways, and a key exchange in the middle. --long: every pair that is in both.
. "$(dirname "$0")/lib.sh"
LAB_CONF="Ciphers +aes128-cbc,aes192-cbc,aes256-cbc,3des-ctr,3des-cbc,blowfish-cbc,cast128-cbc,arcfour,arcfour128,arcfour256
CompressionAlgorithms +zlib
MACs +hmac-sha1-96,hmac-md5,hmac-md5-96,hmac-ripemd160,hmac-ripemd160-96,hmac-sha2-256-96,hmac-sha2-512-96,hmac-sha1-96-etm@openssh.com,hmac-md5-etm@openssh.com,hmac-md5-96-etm@openssh.com,hmac-sha2-256-96-etm@openssh.com,hmac-sha2-512-96-etm@openssh.com"
start_lab
start_pump || exit 1
mapfile -t opts < <(lab_ssh_opts)
bytes=$((1 << 20))
asyncssh_bytes=$((64 << 10)) # it is slow
[ -z "${SLUICE_LONG:-}" ] || asyncssh_bytes=$bytes

# --- OpenSSH

both_ways() { # command…: to the pump and from it
	lab_in client timeout 60 "$SLUICE_BUILD/perf/pump" put $bytes -- "$@" 2>>"$LAB_DIR/ssh.log" >/dev/null &&
		lab_in client timeout 60 "$SLUICE_BUILD/perf/pump" get $bytes -- "$@" 2>>"$LAB_DIR/ssh.log" >/dev/null
}
openssh() { # cipher mac
	check "OpenSSH $1 $2" both_ways ssh "${opts[@]}" -c "$1" -m "$2" -o 'RekeyLimit 500K' \
		-W "$LAB_TARGET_ADDR:9000" "$LAB_USER@$LAB_GW_OUTSIDE"
}
if [ -n "${SLUICE_LONG:-}" ]; then
	for c in $(ssh -Q cipher | grep -v lysator); do
		for m in $(ssh -Q mac); do openssh "$c" "$m"; done
	done
else
	openssh aes128-cbc hmac-sha1
	openssh aes192-cbc umac-128@openssh.com
	openssh aes256-cbc hmac-sha2-256-etm@openssh.com
	openssh 3des-cbc hmac-md5
	openssh aes128-ctr umac-64-etm@openssh.com
fi

# --- asyncssh

suites=(blowfish-cbc+hmac-sha1 cast128-cbc+hmac-sha1-96-etm@openssh.com arcfour+hmac-sha2-512-96
	arcfour128+umac-64@openssh.com)
if [ -n "${SLUICE_LONG:-}" ]; then
	mapfile -t suites < <(/usr/bin/python3 - <<-'P'
		from asyncssh import encryption, mac
		for c in encryption.get_encryption_algs():
		    c = c.decode()
		    if 'seed' in c or 'lysator' in c or 'gcm' in c or 'chacha' in c:
		        continue
		    for m in mac.get_mac_algs():
		        m = m.decode()
		        if '@ssh.com' not in m:
		            print(c + '+' + m)
	P
	)
fi
check "asyncssh" lab_in client /usr/bin/python3 -W ignore "$top/tests/interop/asyncssh_ciphers.py" \
	--host $LAB_GW_OUTSIDE --port "$LAB_PORT" --user $LAB_USER --key "$LAB_DIR/id_ed25519" \
	--hostkey "$LAB_DIR/host_ed25519.pub" --target $LAB_TARGET_ADDR:9000 --bytes $asyncssh_bytes "${suites[@]}"

# --- compressed: OpenSSH's and asyncssh's, both forms

for comp in zlib@openssh.com zlib; do
	asyncssh_comp+=(aes128-ctr+hmac-sha2-256+$comp)
done
check "asyncssh, compressed" lab_in client /usr/bin/python3 -W ignore "$top/tests/interop/asyncssh_ciphers.py" \
	--host $LAB_GW_OUTSIDE --port "$LAB_PORT" --user $LAB_USER --key "$LAB_DIR/id_ed25519" \
	--hostkey "$LAB_DIR/host_ed25519.pub" --target $LAB_TARGET_ADDR:9000 --bytes $asyncssh_bytes "${asyncssh_comp[@]}"
check "OpenSSH -C" both_ways ssh "${opts[@]}" -C -o 'RekeyLimit 500K' -W "$LAB_TARGET_ADDR:9000" \
	"$LAB_USER@$LAB_GW_OUTSIDE"

# --- PuTTY: its names stand for groups, of which a counter mode or the longest key comes first

puttygen "$LAB_DIR/id_ed25519" -O private -o "$LAB_DIR/id.ppk" 2>/dev/null
print=$(ssh-keygen -lf "$LAB_DIR/host_ed25519.pub" | cut -d' ' -f2)
plink() { # cipher group, name in the log
	mkdir -p "$LAB_DIR/putty/sessions"
	printf 'Cipher=%s,WARN,aes,chacha20,aesgcm,3des,des,blowfish,arcfour\nRekeyBytes=500K\nCompression=%d\n' "$1" "${3:-0}" \
		>"$LAB_DIR/putty/sessions/t"
	check "PuTTY $2" both_ways env PUTTYDIR="$LAB_DIR/putty" plink -batch -load t -P "$LAB_PORT" -i "$LAB_DIR/id.ppk" \
		-hostkey "$print" -nc $LAB_TARGET_ADDR:9000 "$LAB_USER@$LAB_GW_OUTSIDE"
	check "PuTTY used $2" grep -q "legacy cipher $2 in" "$LAB_DIR/control.log"
}
plink 3des 3des-ctr
plink arcfour arcfour256 1
if [ -n "${SLUICE_LONG:-}" ]; then plink blowfish blowfish-cbc; fi

check "a legacy MAC is worth a line" grep -q "warning: legacy MAC hmac-md5 in" "$LAB_DIR/control.log"
check "the gateway is alive" gateway_alive
