#!/bin/bash
# libsluice as programs use it (docs/examples) against the gateway, OpenSSH's sshd and Dropbear: commands,
# a terminal, an upload by sftp, tunnels, many channels by a loop, a password by hand; and its
# installed form: what it exports, and what pkg-config says of it.
. "$(dirname "$0")/lib.sh"

LAB_CONF="PasswordAuthentication yes
PasswordHashFile $LAB_DIR/passwd"
echo "$LAB_USER:$(openssl passwd -6 'correct horse')" >"$LAB_DIR/passwd"
chmod 600 "$LAB_DIR/passwd"
lab_own "$LAB_DIR/passwd"
start_lab
lab_random_file "$LAB_DIR/www/file" $((3 << 20))
bin=$SLUICE_BUILD/tests/interop
export LD_LIBRARY_PATH=$SLUICE_BUILD/client

fingerprint() { ssh-keygen -lf "$1" | cut -d' ' -f2; }
gate="$LAB_GW_OUTSIDE $LAB_PORT $LAB_USER $LAB_DIR/id_ed25519 $(fingerprint "$LAB_DIR/host_ed25519.pub")"

# --- servers of others, with root's password and keys of their own view of the files ----------------

mkdir -p "$LAB_DIR/home/.ssh" /run/sshd
chmod 700 "$LAB_DIR/home" "$LAB_DIR/home/.ssh"
cp "$LAB_DIR/id_ed25519.pub" "$LAB_DIR/home/.ssh/authorized_keys"
chmod 600 "$LAB_DIR/home/.ssh/authorized_keys"
sed "s|^root:[^:]*:|root:$(openssl passwd -6 'correct horse'):|" /etc/shadow >"$LAB_DIR/shadow"
chmod 600 "$LAB_DIR/shadow"
cat >"$LAB_DIR/sshd_config" <<CONF
ListenAddress 127.0.0.1:2201
HostKey $LAB_DIR/host_ed25519
PermitRootLogin yes
StrictModes no
UsePAM no
PidFile none
RekeyLimit 256K
Subsystem sftp internal-sftp
CONF
with_files='mount --bind "$1/shadow" /etc/shadow && mount --bind "$1/home" /root && shift && exec "$@"'
lab_spawn client "$LAB_DIR/sshd.log" sh -c "$with_files" sh "$LAB_DIR" /usr/sbin/sshd -D -e -f "$LAB_DIR/sshd_config"
sshd_pid=$lab_pid
lab_wait_log "$sshd_pid" "$LAB_DIR/sshd.log" 'Server listening' 20 || exit 1
sshd="127.0.0.1 2201 root $LAB_DIR/id_ed25519 $(fingerprint "$LAB_DIR/host_ed25519.pub")"

exec_is() { # server, command, status, output
	local out rc
	# shellcheck disable=SC2086
	out=$(lab_in client "$bin/client_exec" $1 "$2" 2>"$LAB_DIR/peer.log")
	rc=$?
	[ "$rc" = "$3" ] && [ "$out" = "$4" ]
}
upload() { # server
	rm -f "$LAB_DIR/up"
	# shellcheck disable=SC2086
	lab_in client "$bin/client_upload" $1 "$LAB_DIR/up" <"$LAB_DIR/www/file" && same_file "$LAB_DIR/up" "$LAB_DIR/www/file"
}
loop() { # server
	local out
	# shellcheck disable=SC2086
	out=$(lab_in client "$bin/client_loop" $1 'echo one' 'echo two' 'echo three' 'cat; echo four' | sort | tr '\n' ' ')
	[ "$out" = 'four one three two ' ]
}
shell() { # server without key, as: host port user fingerprint
	# shellcheck disable=SC2086
	printf 'echo $((6 * 7)) $TERM\nexit\n' | PASSWORD='correct horse' lab_in client "$bin/client_shell" $1 >"$LAB_DIR/shell.log" &&
		grep -q '42 vt100' "$LAB_DIR/shell.log"
}
by_hand() { # the same
	# shellcheck disable=SC2086
	PASSWORD='correct horse' lab_in client "$bin/client_auth" $1 >"$LAB_DIR/auth.log" &&
		grep -q '^refused; methods that can continue: .*password' "$LAB_DIR/auth.log" && grep -qx in "$LAB_DIR/auth.log"
}
tunnel() { # port, server
	local pid rc=0
	# shellcheck disable=SC2086
	lab_spawn client "$LAB_DIR/tunnel.$1.log" "$bin/client_tunnel" $2 "$1" "$LAB_TARGET_ADDR" 8080
	pid=$lab_pid
	lab_wait_log "$pid" "$LAB_DIR/tunnel.$1.log" listening 20 || return 1
	for _ in 1 2; do
		lab_in client curl -sf -m 60 -o "$LAB_DIR/got" "http://127.0.0.1:$1/file" && same_file "$LAB_DIR/got" "$LAB_DIR/www/file" || rc=1
	done
	lab_stop_pid "$pid"
	return $rc
}

check 'sshd: a command and its status' exec_is "$sshd" 'echo out; echo err >&2; exit 3' 3 out
check 'sshd: its error output is its own' grep -qx err "$LAB_DIR/peer.log"
check 'sshd: another host key is refused' exec_is "${sshd% *} SHA256:nothing" true 255 ''
hop=root@127.0.0.1:2201=${sshd##* }
through() { # hosts: bytes come whole
	lab_in client "$bin/client_jump" "$LAB_DIR/id_ed25519" "cat $LAB_DIR/www/file" "$@" >"$LAB_DIR/got" 2>"$LAB_DIR/peer.log" &&
		same_file "$LAB_DIR/got" "$LAB_DIR/www/file"
}
check 'sshd: three times through itself, with its rekeys' through "$hop" "$hop" "$hop"
other_in_between() { ! through "$hop" "${hop%:*}:nothing" "$hop" && grep -q '^log on: .* jump host 127.0.0.1: ' "$LAB_DIR/peer.log"; }
check 'sshd: another host key in between is refused' other_in_between
check 'sshd: an upload, with its rekeys' upload "$sshd"
check 'sshd: many commands by a loop' loop "$sshd"
start_sshd() {
	lab_spawn client "$LAB_DIR/sshd.log" sh -c "$with_files" sh "$LAB_DIR" /usr/sbin/sshd -D -e -f "$LAB_DIR/sshd_config"
	sshd_pid=$lab_pid
	lab_wait_log "$sshd_pid" "$LAB_DIR/sshd.log" 'Server listening' 20
}
by_tunnel() { exec_is "127.0.0.1 18305 ${sshd#* * }" 'echo through' 0 through; }
up_again() {
	for _ in {1..300}; do
		[ "$(grep -c '^up' "$1")" = 2 ] && return 0
		sleep 0.1
	done
	return 1
}
reverse() { # a port that leads to sshd itself, which is killed with its connections, and started again
	local pid rc=1 log=$LAB_DIR/reverse.log
	# shellcheck disable=SC2086
	lab_spawn client "$log" "$bin/client_reverse" $sshd 18305 127.0.0.1 2201
	pid=$lab_pid
	if lab_wait_log "$pid" "$log" '^up' 20 && by_tunnel; then
		pkill -9 -P "$sshd_pid"
		kill -9 "$sshd_pid"
		lab_wait_log "$pid" "$log" '^connection: try 1 ' 30 && start_sshd && up_again "$log" && by_tunnel && rc=0
	fi
	lab_stop_pid "$pid"
	return $rc
}
check 'sshd: a reverse tunnel outlives it, and is carried to its target' reverse
check 'sshd: a shell on a terminal, by password' shell "127.0.0.1 2201 root ${sshd##* }"
check 'sshd: a password by hand' by_hand "127.0.0.1 2201 root ${sshd##* }"

if command -v dropbear >/dev/null && command -v dropbearkey >/dev/null; then
	dropbearkey -t ed25519 -f "$LAB_DIR/db_host" >"$LAB_DIR/db_host.txt" 2>&1
	grep '^ssh-ed25519' "$LAB_DIR/db_host.txt" >"$LAB_DIR/db_host.pub"
	lab_spawn client "$LAB_DIR/dropbear.log" sh -c "$with_files" sh "$LAB_DIR" dropbear -F -E -R -p 127.0.0.1:2202 -r "$LAB_DIR/db_host" -P "$LAB_DIR/db.pid"
	lab_wait_log "$lab_pid" "$LAB_DIR/dropbear.log" 'Not backgrounding' 20 || exit 1
	db="127.0.0.1 2202 root $LAB_DIR/id_ed25519 $(fingerprint "$LAB_DIR/db_host.pub")"
	check 'Dropbear: a command and its status' exec_is "$db" 'echo out; exit 3' 3 out
	check 'Dropbear: many commands by a loop' loop "$db"
	check 'Dropbear: a shell on a terminal, by password' shell "127.0.0.1 2202 root ${db##* }"
fi

check 'the gateway: a tunnel, used twice' tunnel 18301 "$gate"
check 'the gateway: a password by hand' by_hand "$LAB_GW_OUTSIDE $LAB_PORT $LAB_USER ${gate##* }"
check 'the gateway: a command it does not allow' exec_is "$gate" true 255 ''

cert_known() { # what client_key says of a certificate in a store, by its subject
	openssl req -x509 -newkey rsa:2048 -nodes -keyout "$LAB_DIR/k.pem" -out "$LAB_DIR/c.pem" -subj '/O=Lab/CN=me' -days 3 2>/dev/null &&
		openssl pkcs12 -export -inkey "$LAB_DIR/k.pem" -in "$LAB_DIR/c.pem" -passout pass:store -out "$LAB_DIR/me.p12" &&
		chmod 600 "$LAB_DIR/me.p12" &&
		PASSPHRASE=store "$bin/client_key" "$LAB_DIR/me.p12" 'CN=me, O=Lab' >"$LAB_DIR/key.log" &&
		grep -qx 'subject: CN=me, O=Lab' "$LAB_DIR/key.log" && grep -qx 'bits: 2048' "$LAB_DIR/key.log" &&
		grep -qix "thumbprint: $(openssl x509 -in "$LAB_DIR/c.pem" -noout -fingerprint -sha256 | cut -d= -f2)" "$LAB_DIR/key.log"
}
check 'a key in a store, by its subject' cert_known

only_ours() { ! nm -D --defined-only "$SLUICE_BUILD/client/libsluice.so" | grep -vE ' (sluice_[a-z0-9_]+|SLUICE_0)(@@SLUICE_0)?$|asan|ubsan|sancov'; }
check 'nothing but sluice_* is exported' only_ours
check 'pkg-config knows it' env PKG_CONFIG_PATH="$SLUICE_BUILD/meson-private" pkg-config --exists libsluice
one_version() { [ "$("$SLUICE_BUILD/client/sluice" -V)" = "sluice $(PKG_CONFIG_PATH=$SLUICE_BUILD/meson-private pkg-config --modversion libsluice)" ]; }
check 'and both say which version it is' one_version
