#!/bin/bash
# A stock ssh logs in to sluice-control through the small dataplane, with each kind of key, and
# fetches a file through a tunnel that is rekeyed on the way. Everything is its own: folder,
# ports, processes. Arguments: softplane sluice-control.
set -u
for tool in ssh ssh-keygen python3; do
	command -v $tool >/dev/null || { echo "no $tool"; exit 77; }
done
plane=$1 control=$2
dir=$(mktemp -d /tmp/sluice-stock-XXXXXX)
pids=()
finish() {
	for p in "${pids[@]}"; do kill "$p" 2>/dev/null; wait "$p" 2>/dev/null; done
	rm -rf "$dir"
}
trap finish EXIT
fail() { echo "FAIL: $*"; tail -n 20 "$dir"/*.log; exit 1; }
wait_for() { # pattern, file
	for _ in $(seq 400); do grep -q -- "$1" "$2" 2>/dev/null && return; sleep 0.05; done
	fail "no \"$1\" in $2"
}

mkdir "$dir/run" "$dir/keys" "$dir/www"
chmod 755 "$dir"
for t in ed25519 ecdsa rsa; do
	ssh-keygen -q -t $t -N '' -f "$dir/id_$t"
	cat "$dir/id_$t.pub" >>"$dir/keys/demo"
	ssh-keygen -q -t $t -N '' -f "$dir/host_$t"
done
echo "restrict $(cat "$dir/id_ed25519.pub")" >"$dir/keys/shut"
cat >"$dir/sluice.conf" <<CONF
ListenAddress 127.0.0.1:22
HostKey $dir/host_ed25519
HostKey $dir/host_ecdsa
HostKey $dir/host_rsa
AuthorizedKeysFile $dir/keys/%u
PermitOpen 127.0.0.1:*
PerSourcePenalties no
LogLevel VERBOSE
CONF
export SLUICE_RUN=$dir/run SLUICE_KEYS_IN_CONTROL=yes
"$control" -t -f "$dir/sluice.conf" || fail "-t"
"$plane" "$dir/run" >"$dir/plane.log" 2>&1 & pids+=($!)
"$control" -f "$dir/sluice.conf" >"$dir/control.log" 2>&1 & pids+=($!)
control_pid=$!
wait_for 'Server listening' "$dir/control.log"
port=$(sed -n 's/^port //p' "$dir/plane.log")

# A file server on a port of the kernel's; the file is larger than several rekeys.
head -c 6000000 /dev/urandom >"$dir/www/file"
python3 -u - "$dir/www" >"$dir/http.log" 2>/dev/null <<'PY' & pids+=($!)
import functools, http.server, sys
h = functools.partial(http.server.SimpleHTTPRequestHandler, directory=sys.argv[1])
s = http.server.HTTPServer(('127.0.0.1', 0), h)
print('port', s.server_port)
s.serve_forever()
PY
wait_for '^port' "$dir/http.log"
http=$(sed -n 's/^port //p' "$dir/http.log")

ssh_to() { # user, key type, options…
	local user=$1 type=$2
	shift 2
	ssh -F none -i "$dir/id_$type" -o IdentitiesOnly=yes -o IdentityAgent=none -o BatchMode=yes \
		-o UserKnownHostsFile="$dir/known" -o GlobalKnownHostsFile=/dev/null \
		-o StrictHostKeyChecking=accept-new -p "$port" "$@" "$user@127.0.0.1"
}
fetch() { # user, key type, options…: GET through ssh -W, body on stdout
	{ printf 'GET /file HTTP/1.0\r\n\r\n'; } |
		ssh_to "$@" -W "127.0.0.1:$http" 2>>"$dir/ssh.log" | sed '1,/^\r$/d'
}
want=$(sha256sum <"$dir/www/file")
for t in ed25519 ecdsa rsa; do
	[ "$(fetch demo $t -o RekeyLimit=1M | sha256sum)" = "$want" ] || fail "fetch with $t"
done
for c in aes128-gcm@openssh.com aes256-gcm@openssh.com aes128-ctr aes256-ctr; do
	[ "$(fetch demo ed25519 -c $c | sha256sum)" = "$want" ] || fail "fetch with $c"
done
for k in ssh-ed25519 ecdsa-sha2-nistp256 rsa-sha2-256 rsa-sha2-512; do
	ssh_to demo ed25519 -o HostKeyAlgorithms=$k -o HostKeyAlias=$k \
		-W "127.0.0.1:$http" </dev/null >/dev/null 2>>"$dir/ssh.log" || fail "host key $k"
done
fetch shut ed25519 >"$dir/nothing"
[ ! -s "$dir/nothing" ] || fail "a restricted key forwards"
ssh_to nobody-here ed25519 -W "127.0.0.1:$http" </dev/null 2>/dev/null && fail "an unknown user is in"
wait_for 'Accepted publickey for demo from 127.0.0.1 port .* ssh2: ECDSA SHA256:' "$dir/control.log"
wait_for 'Accepted publickey for demo from 127.0.0.1 port .* ssh2: RSA SHA256:' "$dir/control.log"
wait_for 'Invalid user nobody-here from 127.0.0.1' "$dir/control.log"

kill -TERM $control_pid
wait $control_pid || fail "control ended with $?"
grep -q 'terminating' "$dir/control.log" || fail "no last word"
! grep -E 'Sanitizer|runtime error' "$dir"/*.log || fail "a sanitizer complained"
