#!/bin/bash
# Stock OpenSSH against the gateway: the usual ciphers and MACs, user key types, password,
# rekeys by volume, many channels at once, half-close both ways, -D and -J, refusals.
. "$(dirname "$0")/lib.sh"

LAB_CONF="PasswordAuthentication yes
PasswordHashFile $LAB_DIR/passwd
LoginGraceTime 30
MetricsListen 127.0.0.1:9180
HostKey $LAB_DIR/host_ecdsa
HostKey $LAB_DIR/host_rsa"
ssh-keygen -q -t ecdsa -b 256 -N '' -f "$LAB_DIR/host_ecdsa"
ssh-keygen -q -t rsa -b 3072 -N '' -f "$LAB_DIR/host_rsa"
echo "$LAB_USER:$(openssl passwd -6 'correct horse')" >"$LAB_DIR/passwd"
chmod 600 "$LAB_DIR/passwd"
lab_own "$LAB_DIR/passwd"
start_lab
for t in ecdsa rsa; do
	echo "$LAB_GW_OUTSIDE $(cut -d' ' -f1,2 "$LAB_DIR/host_$t.pub")" >>"$LAB_DIR/known_hosts"
done
mapfile -t opts < <(lab_ssh_opts)
gw=$LAB_USER@$LAB_GW_OUTSIDE

# From the server and to it, through one forward.
mib=4
[ -z "${SLUICE_LONG:-}" ] || mib=256
lab_random_file "$LAB_DIR/www/file" $((mib << 20))
port=18100

carry() { # further ssh options…: both ways, compared
	local rc=0
	port=$((port + 1))
	: >"$LAB_DIR/ssh.log"
	lab_forward $port "$LAB_TARGET_ADDR:8080" "$@" || return 1
	local pid=$lab_pid
	lab_in client curl -sf -m 120 -o "$LAB_DIR/got" "http://127.0.0.1:$port/file" &&
		same_file "$LAB_DIR/got" "$LAB_DIR/www/file" || rc=1
	lab_in client curl -sf -m 120 -T "$LAB_DIR/www/file" "http://127.0.0.1:$port/up/copy" &&
		same_file "$LAB_DIR/www/up/copy" "$LAB_DIR/www/file" || rc=1
	lab_stop_pid $pid
	rm -f "$LAB_DIR/got" "$LAB_DIR/www/up/copy"
	return $rc
}

for cipher in aes128-gcm@openssh.com aes256-gcm@openssh.com chacha20-poly1305@openssh.com; do
	check "cipher $cipher" carry -c "$cipher"
done
ctr=aes256-ctr # test_ciphers.sh has the others
[ -z "${SLUICE_LONG:-}" ] || ctr="aes128-ctr aes192-ctr $ctr"
macs="hmac-sha2-256 hmac-sha2-512-etm@openssh.com" # all with all: test_ciphers.sh, test_matrix.sh
[ -z "${SLUICE_LONG:-}" ] || macs="$macs hmac-sha2-512 hmac-sha2-256-etm@openssh.com"
for cipher in $ctr; do
	for mac in $macs; do
		check "cipher $cipher with $mac" carry -c $cipher -m $mac
	done
done
for alg in ssh-ed25519 ecdsa-sha2-nistp256 rsa-sha2-256 rsa-sha2-512; do
	check "host key $alg" carry -o HostKeyAlgorithms=$alg
done
for cipher in aes128-gcm@openssh.com chacha20-poly1305@openssh.com aes128-ctr; do
	check "client rekeys every MiB under $cipher" carry -c $cipher -o 'RekeyLimit 1M'
done

# User keys of each kind.
for t in ed25519 ecdsa rsa; do
	ssh-keygen -q -t $t -N '' -f "$LAB_DIR/user_$t"
	cat "$LAB_DIR/user_$t.pub" >>"$LAB_DIR/authorized_keys/$LAB_USER"
	check "user key $t" carry -o IdentityFile="$LAB_DIR/user_$t"
done

# -W: our EOF comes first, the whole answer after it.
half_close() {
	printf 'GET %d\n' $((mib << 20)) |
		lab_in client timeout 60 ssh "${opts[@]}" -W "$LAB_TARGET_ADDR:9000" "$gw" 2>>"$LAB_DIR/ssh.log" |
		cmp -s - <("$SLUICE_BUILD/perf/pump" pattern $((mib << 20)))
}
start_pump || exit 1
check "half-close: the client's EOF before the answer" half_close
pump_w() { # get|put: checked bytes over stdin and stdout of ssh -W
	lab_in client timeout 60 "$SLUICE_BUILD/perf/pump" "$1" $((mib << 20)) -- \
		ssh "${opts[@]}" -W "$LAB_TARGET_ADDR:9000" "$gw" 2>>"$LAB_DIR/ssh.log" >/dev/null
}
check "ssh -W from the target" pump_w get
check "ssh -W to the target" pump_w put

# -D: names and addresses are the gateway's to find, and to refuse.
dynamic() {
	local rc=0 pid by
	port=$((port + 1))
	: >"$LAB_DIR/ssh.log"
	lab_spawn client "$LAB_DIR/ssh.log" ssh "${opts[@]}" -v -N -o ExitOnForwardFailure=yes -D 127.0.0.1:$port "$gw"
	pid=$lab_pid
	lab_wait_log "$pid" "$LAB_DIR/ssh.log" 'Entering interactive session|pledge: ' 30 || return 1
	by=(lab_in client curl -sf -m 120 --socks5-hostname 127.0.0.1:$port)
	"${by[@]}" -o "$LAB_DIR/got" "http://$LAB_TARGET_ADDR:8080/file" && same_file "$LAB_DIR/got" "$LAB_DIR/www/file" || rc=1
	! "${by[@]}" http://localhost:22/ 2>/dev/null || rc=1
	grep -q 'open failed: administratively prohibited' "$LAB_DIR/ssh.log" || rc=1
	lab_stop_pid "$pid"
	rm -f "$LAB_DIR/got"
	return $rc
}
check "ssh -D" dynamic

# -J: on to an sshd behind the gateway, whose keys and accounts the gateway has no part in.
jump() {
	local sshd rc=0 pid
	sshd=$(PATH=$PATH:/usr/sbin command -v sshd) || { echo "no sshd: not tried"; return; }
	mkdir -p /run/sshd
	ssh-keygen -q -t ed25519 -N '' -f "$LAB_DIR/inner"
	cp "$LAB_DIR/id_ed25519.pub" "$LAB_DIR/inner_keys"
	printf '%s\n' "ListenAddress $LAB_TARGET_ADDR:2222" "HostKey $LAB_DIR/inner" "AuthorizedKeysFile $LAB_DIR/inner_keys" \
		'StrictModes no' 'UsePAM no' 'PermitRootLogin prohibit-password' 'PidFile none' >"$LAB_DIR/inner.conf"
	echo "[$LAB_TARGET_ADDR]:2222 $(cut -d' ' -f1,2 "$LAB_DIR/inner.pub")" >>"$LAB_DIR/known_hosts"
	cat >"$LAB_DIR/jump.conf" <<-CONF
		Host gate
			HostName $LAB_GW_OUTSIDE
			Port $LAB_PORT
			User $LAB_USER
		Host inner
			HostName $LAB_TARGET_ADDR
			Port 2222
			User $(id -un)
		Host *
			IdentityFile $LAB_DIR/id_ed25519
			IdentitiesOnly yes
			IdentityAgent none
			UserKnownHostsFile $LAB_DIR/known_hosts
			GlobalKnownHostsFile /dev/null
			StrictHostKeyChecking yes
			BatchMode yes
	CONF
	lab_spawn target "$LAB_DIR/inner.log" "$sshd" -D -e -f "$LAB_DIR/inner.conf"
	pid=$lab_pid
	lab_wait_log "$pid" "$LAB_DIR/inner.log" 'Server listening' 20 &&
		lab_in client timeout 60 ssh -n -F "$LAB_DIR/jump.conf" -J gate inner cat "$LAB_DIR/www/file" 2>>"$LAB_DIR/ssh.log" |
		cmp -s - "$LAB_DIR/www/file" || rc=1
	grep -q "from $LAB_GW_INSIDE port" "$LAB_DIR/inner.log" || rc=1
	lab_stop_pid "$pid"
	return $rc
}
check "ssh -J" jump

# Password, right and wrong, through an askpass of the test's own.
askpass() { # password
	printf '#!/bin/sh\nprintf "%%s\\n" "$LAB_PW"\n' >"$LAB_DIR/askpass"
	chmod 755 "$LAB_DIR/askpass"
	# For ssh the first value of an option holds.
	LAB_PW=$1 SSH_ASKPASS=$LAB_DIR/askpass SSH_ASKPASS_REQUIRE=force lab_in client timeout 60 \
		ssh -o BatchMode=no "${opts[@]}" -o PubkeyAuthentication=no -o NumberOfPasswordPrompts=1 \
		-o PreferredAuthentications=password -W "$LAB_TARGET_ADDR:8080" "$gw" \
		<<<"GET / HTTP/1.0" >/dev/null 2>>"$LAB_DIR/ssh.log"
}
wrong() { ! askpass "$1"; }
check "password" askpass 'correct horse'
check "wrong password refused" wrong 'incorrect'
check "empty password refused" wrong ''

# Refusals that must name themselves and leave the gateway as it was.
refused() { # pattern in ssh's stderr, ssh arguments…
	local pattern=$1 out
	shift
	out=$(lab_in client timeout 60 ssh "${opts[@]}" "$@" 2>&1 </dev/null) && return 1
	grep -qE -- "$pattern" <<<"$out" || { echo "$out" | tail -5; return 1; }
}
check "unknown user" refused 'Permission denied' nobody@$LAB_GW_OUTSIDE true
check "no common cipher" refused 'no matching cipher' -c aes256-cbc "$gw" true
check "session channel" refused 'administratively prohibited|forward' "$gw" true
check "nothing listens there" refused 'refused|failed' -W "$LAB_TARGET_ADDR:9" "$gw"
check "no route there" refused 'failed|unreachable|prohibited' -W 203.0.113.1:80 "$gw"
check "loopback of the gateway" refused 'prohibited' -W 127.0.0.1:22 "$gw"

# Forty channels at once through one connection.
many() {
	local i pids=() rc=0
	port=$((port + 1))
	: >"$LAB_DIR/ssh.log"
	lab_forward $port "$LAB_TARGET_ADDR:8080" || return 1
	local pid=$lab_pid
	for i in $(seq 40); do
		lab_in client sh -c "curl -sf -m $((120 + mib * 10)) http://127.0.0.1:$port/file | cmp -s - $LAB_DIR/www/file" &
		pids+=($!)
	done
	for i in "${pids[@]}"; do wait "$i" || rc=1; done
	lab_stop_pid "$pid"
	return $rc
}
check "forty channels at once" many

# Forty of a ControlMaster, to a target that speaks before it is spoken to and goes: no early byte is lost.
lab_random_file "$LAB_DIR/early" 100000
lab_spawn target "$LAB_DIR/early.log" python3 -c '
import socketserver, sys
class Speaker(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(data)
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address, request_queue_size = True, 64
data = open(sys.argv[1], "rb").read()
with Server(("0.0.0.0", 9100), Speaker) as s:
    print("serving", flush=True)
    s.serve_forever()' "$LAB_DIR/early"
early_pid=$lab_pid
lab_wait_log "$lab_pid" "$LAB_DIR/early.log" serving 20
early() {
	local i pids=() rc=0
	lab_in client ssh "${opts[@]}" -M -S "$LAB_DIR/master" -f -N "$gw" || return 1
	for i in $(seq 40); do
		lab_in client ssh -S "$LAB_DIR/master" -W "$LAB_TARGET_ADDR:9100" "${opts[@]}" "$gw" </dev/null >"$LAB_DIR/early.$i" 2>>"$LAB_DIR/ssh.log" &
		pids+=($!)
	done
	for i in "${pids[@]}"; do wait "$i" || rc=1; done
	for i in $(seq 40); do same_file "$LAB_DIR/early.$i" "$LAB_DIR/early" || rc=1; done
	lab_in client ssh -S "$LAB_DIR/master" -O exit "${opts[@]}" "$gw" 2>>"$LAB_DIR/ssh.log"
	return $rc
}
check "forty of one master, to who speaks first" early
lab_stop_pid $early_pid
if [ -n "${SLUICE_LONG:-}" ] && command -v prometheus >/dev/null; then
	. "$top/tests/interop/dashboard_more.sh"
fi
check "log: accepted publickey" grep -qE "Accepted publickey for $LAB_USER from $LAB_CLIENT_ADDR port [0-9]+ ssh2: (ED25519|RSA|ECDSA) SHA256:" "$LAB_DIR/control.log"
check "log: accepted password" grep -qE "Accepted password for $LAB_USER from $LAB_CLIENT_ADDR port [0-9]+ ssh2" "$LAB_DIR/control.log"
check "log: failed password" grep -qE "Failed password for $LAB_USER from" "$LAB_DIR/control.log"
check "the gateway is alive" gateway_alive
