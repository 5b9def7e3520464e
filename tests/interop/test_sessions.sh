#!/bin/bash
# Session channels: shells, commands and sftp run by sluice-helper as their users, for OpenSSH, Dropbear, paramiko
# and asyncssh; how they end, signals, terminals, what is refused; and what is left on the machine. The users are
# of a mount namespace of this test's own.
top=$(cd "$(dirname "$0")/../.." && pwd)
[ "$(id -u)" = 0 ] || { echo "another user needs root"; exit 77; }
if [ -z "${INSIDE:-}" ]; then
	unshare -m true 2>/dev/null || { echo "no mount namespaces"; exit 77; }
	INSIDE=1 exec unshare -m "$top/tests/interop/test_sessions.sh" "$@"
fi
. "$(dirname "$0")/lib.sh"

# --- users, logs: an /etc and a /var/log of its own
mkdir -p "$LAB_DIR/log" "$LAB_DIR/home" "$LAB_DIR/jail"
cp -a /etc "$LAB_DIR/etc" && mount --bind "$LAB_DIR/etc" /etc && mount --bind "$LAB_DIR/log" /var/log || { echo "no bind mounts"; exit 77; }
: >/var/log/wtmp
: >/var/log/lastlog
rm -f /etc/nologin
for u in demo:64996 forced:64995 only:64994 jailed:64993 keyed:64992; do
	IFS=: read -r name n <<<"$u"
	sed -i "/^$name:/d" /etc/passwd /etc/group
	echo "$name:x:$n:$n::$LAB_DIR/home/$name:/bin/bash" >>/etc/passwd
	echo "$name:x:$n:" >>/etc/group
	mkdir "$LAB_DIR/home/$name"
	chown "$n:$n" "$LAB_DIR/home/$name"
done
LAB_CONF="LogLevel VERBOSE
MaxSessions 3
Subsystem sftp internal-sftp
AcceptEnv LC_*
SetEnv COLOUR=blue
Match User demo,forced,jailed,keyed
	PermitSession yes
Match User forced
	ForceCommand echo forced:\$SSH_ORIGINAL_COMMAND
Match User jailed
	ChrootDirectory $LAB_DIR/jail"
start_lab
for u in forced only jailed; do
	cp -p "$LAB_DIR/authorized_keys/demo" "$LAB_DIR/authorized_keys/$u"
done
lab_wait_log "$lab_helper_pid" "$LAB_DIR/helper.log" 'listens on' 30 || exit 1
mapfile -t opts < <(lab_ssh_opts)
gw=demo@$LAB_GW_OUTSIDE
in_ssh() { lab_in client timeout 30 ssh "${opts[@]}" "$@" 2>>"$LAB_DIR/ssh.log"; }
is() { # expected, command…: its output
	local want=$1 got
	shift
	got=$("$@")
	[ "$got" = "$want" ] || { echo "wanted '$want', got '$got'"; return 1; }
}
status() { # expected, command…
	local want=$1 rc
	shift
	"$@" >/dev/null </dev/null
	rc=$?
	[ $rc = "$want" ] || { echo "status $rc, not $want"; return 1; }
}

# --- OpenSSH
check "a command is its user's" is "demo $LAB_DIR/home/demo" in_ssh "$gw" 'echo $(id -un) $(pwd)'
check "its environment" is "demo/$LAB_DIR/home/demo//bin/bash/blue/x/" \
	env LC_X=x EVIL=y ip netns exec "$LAB-client" ssh "${opts[@]}" -o SendEnv='LC_X EVIL' "$gw" 'echo $USER/$HOME/$SHELL/$COLOUR/$LC_X/$EVIL'
check "where it came from" is "$LAB_CLIENT_ADDR $LAB_GW_OUTSIDE $LAB_PORT" in_ssh "$gw" 'set -- $SSH_CONNECTION; echo $1 $3 $4'
for n in 0 7 255; do
	check "exit status $n" status $n in_ssh "$gw" "exit $n"
done
killed() { in_ssh -v "$gw" 'kill -TERM $$' </dev/null >/dev/null; [ $? = 255 ] && grep -q 'rtype exit-signal' "$LAB_DIR/ssh.log"; }
check "the signal it died of" killed
check "out and err are apart" is "out" in_ssh "$gw" 'echo out; echo err >&2'
check "err is there" grep -qx 'err' "$LAB_DIR/ssh.log"
mib=10
[ -z "${SLUICE_LONG:-}" ] || mib=1024
lab_random_file "$LAB_DIR/file" $((mib << 20))
chmod 644 "$LAB_DIR/file"
through() { in_ssh "$gw" cat <"$LAB_DIR/file" | cmp -s - "$LAB_DIR/file"; }
check "$mib MiB each way" through
check "the end of input ends it" is "5" in_ssh "$gw" 'wc -c' < <(printf hello)
check "a shell without a terminal" is "-bash" in_ssh "$gw" < <(echo 'echo $0')
tty() { in_ssh -tt "$gw" 'tty; stat -c %U:%a $(tty); echo $TERM-$SSH_TTY' </dev/null | tr -d '\r' | grep -c "^/dev/pts/\|^demo:620\|-/dev/pts/"; }
check "a terminal of its own" is 3 tty
check "wtmp has it" bash -c "last -f '$LAB_DIR/log/wtmp' | grep -q '^demo .*$LAB_CLIENT_ADDR'"

# --- refusals
check "who has no PermitSession" status 255 in_ssh "only@$LAB_GW_OUTSIDE" true
check "forwarding only is said" grep -q 'this gateway forwards only' "$LAB_DIR/ssh.log"
check "a forced command" is "forced:rm x" in_ssh "forced@$LAB_GW_OUTSIDE" rm x
check "in place of sftp, too" is "forced:internal-sftp" in_ssh -s "forced@$LAB_GW_OUTSIDE" sftp
sed 's/^/command="echo key:$SSH_ORIGINAL_COMMAND",no-pty /' "$LAB_DIR/id_ed25519.pub" >"$LAB_DIR/authorized_keys/keyed"
lab_own "$LAB_DIR/authorized_keys/keyed"
check "a key's command" is "key:rm x" in_ssh "keyed@$LAB_GW_OUTSIDE" rm x
in_ssh -tt "keyed@$LAB_GW_OUTSIDE" </dev/null >"$LAB_DIR/keyed.log"
check "a key without terminals" grep -q 'PTY allocation request failed' "$LAB_DIR/ssh.log"
check "no such subsystem" status 255 in_ssh -s "$gw" nothing
check "a root that is not root's alone" bash -c "! ip netns exec $LAB-client ssh ${opts[*]@Q} jailed@$LAB_GW_OUTSIDE true >'$LAB_DIR/jail.log' 2>&1 && grep -q 'bad ownership' '$LAB_DIR/jail.log'"

# --- sftp
moved() {
	printf 'put %s up\nget up %s\n' "$LAB_DIR/file" "$LAB_DIR/down" >"$LAB_DIR/batch"
	lab_in client timeout 60 sftp -q -b "$LAB_DIR/batch" -P "$LAB_PORT" "${opts[@]:0:${#opts[@]}-2}" "$gw" >>"$LAB_DIR/ssh.log" 2>&1 &&
		cmp -s "$LAB_DIR/file" "$LAB_DIR/down" && cmp -s "$LAB_DIR/file" "$LAB_DIR/home/demo/up"
}
check "sftp, $mib MiB up and down" moved

# --- many on one connection
mux() {
	local n
	in_ssh -M -S "$LAB_DIR/mux" -f -N "$gw" || return 1
	for n in 1 2 3 4 5 6; do
		is "$n" in_ssh -S "$LAB_DIR/mux" "$gw" "echo $n" </dev/null || return 1
	done
	for n in 1 2; do
		lab_spawn client "$LAB_DIR/ssh.log" ssh "${opts[@]}" -S "$LAB_DIR/mux" "$gw" 'echo sleeps; exec sleep 30'
	done
	lab_wait_log "$lab_pid" "$LAB_DIR/ssh.log" sleeps 10 && is 3 in_ssh -S "$LAB_DIR/mux" "$gw" 'echo 3' </dev/null
}
check "one connection has several, one after another and at once" mux
check "they run" pgrep -u demo sleep >"$LAB_DIR/slept"
in_ssh -S "$LAB_DIR/mux" -O exit "$gw"
gone() {
	local n=100
	while pgrep -u demo sleep >/dev/null; do
		[ $((n -= 1)) -gt 0 ] || return 1
		sleep 0.05
	done
}
check "a client that goes hangs them up" gone

# --- others
if command -v dbclient >/dev/null; then
	dropbearkey -t ed25519 -f "$LAB_DIR/db" >"$LAB_DIR/db.log" 2>&1
	dropbearkey -y -f "$LAB_DIR/db" | grep '^ssh-' >>"$LAB_DIR/authorized_keys/demo"
	check "Dropbear" is "demo" lab_in client timeout 30 dbclient -y -i "$LAB_DIR/db" -p "$LAB_PORT" "$gw" 'id -un' 2>/dev/null
	check "Dropbear, exit status" status 9 lab_in client timeout 30 dbclient -y -i "$LAB_DIR/db" -p "$LAB_PORT" "$gw" 'exit 9' 2>/dev/null
fi
if /usr/bin/python3 -W ignore -c 'import paramiko, asyncssh' 2>/dev/null; then
	check "paramiko and asyncssh" lab_in client timeout 60 /usr/bin/python3 -W ignore "$top/tests/interop/sessions_peer.py" \
		$LAB_GW_OUTSIDE "$LAB_PORT" "$LAB_DIR/id_ed25519"
fi
check "nothing is left running" gone
[ "$failures" = 0 ]
