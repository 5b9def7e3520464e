#!/bin/bash
# Kerberos: a KDC in the client's namespace, stock ssh with tickets of it, and the gateway's keytab.
# Every key exchange by GSS-API, logins by gssapi-keyex and gssapi-with-mic, and who has no ticket.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/kdc.sh"
have_kdc || exit 77
ssh -Q kex-gss >/dev/null 2>&1 || { echo "this ssh has no key exchange by GSS-API"; exit 77; }
methods="gss-group14-sha256- gss-group16-sha512- gss-nistp256-sha256- gss-curve25519-sha256- gss-gex-sha1- gss-group14-sha1-"
LAB_CONF="GSSAPIKeyExchange yes
GSSAPIAuthentication yes
GSSAPIStrictAcceptorCheck no
GSSAPIKexAlgorithms $(tr ' ' ',' <<<"$methods")"

# The client knows the gateway by its address: host/ADDRESS is what its tickets are for.
make_realm $LAB_GW_OUTSIDE $LAB_CLIENT_ADDR -- $LAB_USER stranger
start_lab
start_pump || exit 1
lab_spawn client "$LAB_DIR/peer.log" krb5kdc -n -P "$LAB_DIR/krb5/pid"
mapfile -t opts < <(lab_ssh_opts)
ticket() { # principal
	local n=200
	until echo secret | lab_in client kinit -f "$1" >/dev/null 2>&1; do
		[ $((n -= 1)) -gt 0 ] || return 1
		sleep 0.1
	done
}
fetch() { # user, further options…: bytes come whole
	local user=$1
	shift
	lab_in client timeout 20 "$SLUICE_BUILD/perf/pump" get 300000 -- ssh -v "$@" "${opts[@]}" \
		-W $LAB_TARGET_ADDR:9000 "$user@$LAB_GW_OUTSIDE" 2>"$LAB_DIR/ssh.log" >/dev/null
}
gss_kex() { # method
	fetch $LAB_USER -o GSSAPIKeyExchange=yes -o GSSAPIKexAlgorithms="$1" -o GSSAPIAuthentication=no -o 'RekeyLimit 100K' &&
		grep -q "kex: algorithm: $1" "$LAB_DIR/ssh.log" && [ "$(grep -c 'SSH2_MSG_NEWKEYS received' "$LAB_DIR/ssh.log")" -ge 2 ]
}
by() { grep -q "Authenticated to .* using \"$1\"" "$LAB_DIR/ssh.log"; }

check "a ticket" ticket $LAB_USER
for m in $methods; do
	check "key exchange $m" gss_kex $m
done

# Who the ticket is of is who may log in; keys are of no use here.
with_mic() { fetch "$1" -o GSSAPIKeyExchange=no -o GSSAPIAuthentication=yes -o PreferredAuthentications=gssapi-with-mic; }
keyex() { fetch "$1" -o GSSAPIKeyExchange=yes -o GSSAPIAuthentication=yes -o PreferredAuthentications=gssapi-keyex; }
check "gssapi-with-mic" with_mic $LAB_USER
check "it was by gssapi-with-mic" by gssapi-with-mic
check "gssapi-keyex" keyex $LAB_USER
check "it was by gssapi-keyex" by gssapi-keyex
check "the log names both" grep -q "Accepted gssapi-keyex for $LAB_USER" "$LAB_DIR/control.log"
not() { ! "$@"; }
# libsluice with the same ticket.
library() { # pattern of what was agreed, settings…
	local pattern=$1
	shift
	lab_in client timeout 20 "$SLUICE_BUILD/tests/interop/client_settings" Hostname=$LAB_GW_OUTSIDE Port=$LAB_PORT User=$LAB_USER \
		AcceptHostKeyFingerprint="$(ssh-keygen -lf "$LAB_DIR/host_ed25519.pub" | cut -d' ' -f2)" "$@" 2>"$LAB_DIR/peer.log" | grep -q "$pattern"
}
check "libsluice: gssapi-with-mic" library '^mlkem768x25519-sha256' AuthMode=gssapi-with-mic
check "libsluice: gssapi-keyex" library '^gss-' AuthMode=gssapi-keyex GSSAPIKeyExchange=yes
check "libsluice: any that do" library '^mlkem768x25519-sha256' AuthMode=multifactor TryAllAuthMethods=yes GSSAPIAuthentication=yes \
	GSSAPIServerIdentity=$LAB_GW_OUTSIDE GSSAPIDelegateCredentials=yes
check "libsluice: the realm by its name" library '^mlkem768x25519-sha256' AuthMode=gssapi-with-mic GSSAPIRealm=SLUICE.TEST
check "libsluice: the realm by its name, in the key exchange" library '^gss-' AuthMode=gssapi-keyex GSSAPIKeyExchange=yes GSSAPIRealm=SLUICE.TEST
# Who has no ticket gets one by user and password, and leaves none.
no_cache() { KRB5CCNAME=FILE:$LAB_DIR/krb5/nothing "$@"; }
check "libsluice: who has no ticket" not no_cache library . AuthMode=gssapi-with-mic
by_password() { # password, how
	PASSWORD=$1 KRB5CCNAME=FILE:$LAB_DIR/krb5/nothing library "${@:2}" && [ ! -e "$LAB_DIR/krb5/nothing" ]
}
check "libsluice: gssapi-with-mic, by user and password" by_password secret '^mlkem768x25519-sha256' AuthMode=gssapi-with-mic
check "libsluice: gssapi-keyex, by user and password" by_password secret '^gss-' AuthMode=gssapi-keyex GSSAPIKeyExchange=yes
check "libsluice: not by another password" not by_password guess . AuthMode=gssapi-with-mic
check "libsluice: nor as somebody else" not by_password secret . AuthMode=gssapi-with-mic GSSAPIClientIdentity=stranger
check "libsluice: a realm that has no tickets for us" not library . AuthMode=gssapi-with-mic GSSAPIRealm=OTHER.TEST
# The command, by the same words as ssh.
command_by() { # method, options…
	local method=$1
	shift
	lab_in client timeout 60 "$SLUICE_BUILD/perf/pump" get 100000 -- "$SLUICE_BUILD/client/sluice" ssh -v -F none \
		-o BatchMode=yes -o IdentityFile=none -o StrictHostKeyChecking=no -o UserKnownHostsFile="$LAB_DIR/sluice_known" \
		-p "$LAB_PORT" "$@" -W $LAB_TARGET_ADDR:9000 $LAB_USER@$LAB_GW_OUTSIDE 2>"$LAB_DIR/ssh.log" >/dev/null && by "$method"
}
check "sluice ssh: -K" command_by gssapi-with-mic -K
check "sluice ssh: gssapi-keyex" command_by gssapi-keyex -o GSSAPIKeyExchange=yes -k
check "sluice ssh: a name for the server, a method, whose ticket" command_by gssapi-keyex -o GSSAPIKeyExchange=yes \
	-o GSSAPIServerIdentity=$LAB_GW_OUTSIDE -o GSSAPIKexAlgorithms=gss-nistp256-sha256- -o GSSAPIClientIdentity=$LAB_USER
check "it was by that method" grep -q gss-nistp256-sha256 "$LAB_DIR/ssh.log"
check "sluice ssh: another name for the server" not command_by gssapi-with-mic -K -o GSSAPIServerIdentity=nobody.example
check "sluice ssh: somebody who has no ticket" not command_by gssapi-with-mic -K -o GSSAPIClientIdentity=stranger
check "sluice ssh: none where it is not asked for" not command_by gssapi-with-mic
# A server that can use what is handed on: OpenSSH's, where the client is.
ssh-keygen -q -t ed25519 -N '' -f "$LAB_DIR/sshd_key"
echo "$LAB_USER@SLUICE.TEST" >"$LAB_DIR/krb5/k5login/root"
mkdir -p /run/sshd
lab_spawn client "$LAB_DIR/sshd.log" "$(command -v sshd)" -D -e -f /dev/null -p 2222 -h "$LAB_DIR/sshd_key" -o PidFile=none -o UsePAM=no \
	-o PermitRootLogin=yes -o GSSAPIAuthentication=yes -o GSSAPIStrictAcceptorCheck=no
lab_wait_log "$lab_pid" "$LAB_DIR/sshd.log" 'Server listening' 20 || exit 1
at_sshd() { # options…: whether there is a ticket of ours at the server
	lab_in client timeout 60 "$SLUICE_BUILD/client/sluice" ssh -F none -o BatchMode=yes -o IdentityFile=none -o StrictHostKeyChecking=no \
		-o UserKnownHostsFile="$LAB_DIR/sluice_known" -o PreferredAuthentications=gssapi-with-mic -p 2222 "$@" root@$LAB_CLIENT_ADDR \
		'[ -n "$KRB5CCNAME" ] && klist -s && echo handed on || echo nothing' 2>"$LAB_DIR/ssh.log" </dev/null
}
check "sluice ssh: -K hands the ticket on" [ "$(at_sshd -K)" = "handed on" ]
check "sluice ssh: -k does not" [ "$(at_sshd -k -o GSSAPIAuthentication=yes)" = nothing ]
check "another's ticket" ticket stranger
check "another's ticket is refused with gssapi-with-mic" not with_mic $LAB_USER
check "another's ticket is refused with gssapi-keyex" not keyex $LAB_USER
check "a refused ticket says what can continue" grep -q 'Authentications that can continue: .*gssapi-with-mic' "$LAB_DIR/ssh.log"
lab_in client kdestroy >/dev/null 2>&1
check "no ticket is refused" not with_mic $LAB_USER
check "the gateway is alive" gateway_alive
