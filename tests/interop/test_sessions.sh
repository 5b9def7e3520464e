#!/bin/bash
# Session channels: shells, commands and sftp run by sluice-helper as their users, for OpenSSH, Dropbear, paramiko,
# asyncssh and our own command; how they end, signals, terminals, what is refused; agents, displays and UNIX sockets, which are their
# users'; and what is left on the machine. The users are of a mount namespace of this test's own.
top=$(cd "$(dirname "$0")/../.." && pwd)
[ "$(id -u)" = 0 ] || { echo "another user needs root"; exit 77; }
if [ -z "${INSIDE:-}" ]; then
	unshare -m true 2>/dev/null || { echo "no mount namespaces"; exit 77; }
	INSIDE=1 exec unshare -m "$top/tests/interop/test_sessions.sh" "$@"
fi
. "$(dirname "$0")/lib.sh"
here=$(dirname "$0")
. "$here/cells.sh"

# --- users, logs: an /etc and a /var/log of its own
mkdir -p "$LAB_DIR/log" "$LAB_DIR/home" "$LAB_DIR/jail"
cp -a /etc "$LAB_DIR/etc" && mount --bind "$LAB_DIR/etc" /etc && mount --bind "$LAB_DIR/log" /var/log || { echo "no bind mounts"; exit 77; }
: >/var/log/wtmp
: >/var/log/lastlog
echo Welcome here. >/etc/motd
rm -f /etc/nologin
for u in demo:64996 forced:64995 only:64994 jailed:64993 keyed:64992 rcs:64991 boxed:64985 barred:64984 taped:64986 typed:64990 full:64989 gaps:64988 notape:64987 caged:64983 homed:64982 filed:64981 logged:64980 pamed:64979; do
	IFS=: read -r name n <<<"$u"
	sed -i "/^$name:/d" /etc/passwd /etc/group
	echo "$name:x:$n:$n::$LAB_DIR/home/$name:/bin/bash" >>/etc/passwd
	echo "$name:x:$n:" >>/etc/group
	mkdir "$LAB_DIR/home/$name"
	chown "$n:$n" "$LAB_DIR/home/$name"
done
sed -i '/^b[ao][rx]/s|/bin/bash|/usr/sbin/nologin|
/^filed/s|/bin/bash|/usr/sbin/nologin|
/^logged/s|/bin/bash|/bin/sh|
/^pamed/s|/bin/bash|/bin/sh|
/^homed/s|:[^:]*:/bin/bash|:/srv/homed:/bin/sh|
/^caged/s|:[^:]*:/bin/bash|:/home/caged:/bin/sh|' /etc/passwd
mount -t tmpfs -o mode=755 tmpfs /srv && mount -t tmpfs -o mode=755 tmpfs /run || { echo "no tmpfs"; exit 77; }
: >/run/utmp
if command -v busybox >/dev/null; then # before the gateway is there: it sees no mounts of later
	. "$here/sessions_root.sh"
fi
LAB_CLIENT_ADDR6=2001:db8:1::1
LAB_GW_OUTSIDE6=2001:db8:1::2
echo PAMMED=yes >"$LAB_DIR/pam_env"
cat >/etc/pam.d/sluice <<PAM
auth required pam_permit.so
account required pam_permit.so
session required pam_env.so envfile=$LAB_DIR/pam_env
PAM
LAB_CONF="InterfaceAddress outside $LAB_GW_OUTSIDE6/64
ListenAddress [$LAB_GW_OUTSIDE6]:$LAB_PORT
LogLevel VERBOSE
MaxSessions 3
Subsystem sftp internal-sftp
AcceptEnv LC_*
SetEnv COLOUR=blue
PrintMotd no
PermitStreamLocal $LAB_DIR/home/*
PermitStreamLocalListen $LAB_DIR/home/demo/* $LAB_DIR/log/*
Match User boxed
	PermitSession console
Match User barred
	PermitSession yes
	ConsoleShells */nologin
Match User rcs
	PermitUserEnvironment FILE*,KEY*,COLOUR
Match User demo,forced,jailed,keyed,rcs,taped,typed,full,gaps,notape,caged,homed,filed,logged,pamed
	PermitSession yes
	X11Forwarding yes
Match User forced
	ForceCommand echo forced:\$SSH_ORIGINAL_COMMAND
Match User jailed
	ChrootDirectory $LAB_DIR/jail
Match User caged,filed
	ChrootDirectory /srv/%u
Match User pamed
	UsePAM yes
Match User logged
	PrintMotd yes
Match User homed
	ChrootDirectory %h
Match User filed
	ForceCommand internal-sftp -d /up -u 027
Match User typed
	RecordSession input
Match User full
	RecordDirectory $LAB_DIR/small
Match User gaps
	RecordDirectory $LAB_DIR/small2
	RecordFailure continue
Match User notape
	RecordDirectory $LAB_DIR/none
Match User taped,typed,full,gaps,notape
	RecordSession yes
	RecordDirectory $LAB_DIR/tapes"
echo "sluice-record:x:64999:64999::/:/usr/sbin/nologin" >>/etc/passwd
mkdir -m 700 "$LAB_DIR/tapes" "$LAB_DIR/small" "$LAB_DIR/small2"
for d in small small2; do mount -t tmpfs -o size=64k,mode=700 tmpfs "$LAB_DIR/$d" || { echo "no tmpfs"; exit 77; }; done
start_lab
ip -n "$LAB-client" addr add $LAB_CLIENT_ADDR6/64 dev eth0 nodad
sed "s/^[^ ]*/$LAB_GW_OUTSIDE6/" "$LAB_DIR/known_hosts" >"$LAB_DIR/known6" && cat "$LAB_DIR/known6" >>"$LAB_DIR/known_hosts"
for u in forced only jailed rcs boxed barred taped typed full gaps notape caged homed filed logged pamed; do
	cp -p "$LAB_DIR/authorized_keys/demo" "$LAB_DIR/authorized_keys/$u"
done
lab_wait_log "$lab_helper_pid" "$LAB_DIR/helper.log" 'listens on' 30 || exit 1
mapfile -t opts < <(lab_ssh_opts)
gw=demo@$LAB_GW_OUTSIDE
patience=30
[ -z "${SLUICE_LONG:-}" ] || patience=900
in_ssh() { lab_in client timeout $patience ssh "${opts[@]}" "$@" 2>>"$LAB_DIR/ssh.log"; }
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
ours() { # exec or ssh, options
	lab_in client timeout $patience "$SLUICE_BUILD/client/sluice" "$1" "${opts[@]}" "${@:2}" 2>>"$LAB_DIR/ssh.log"
}
ours_through() { ours exec -o RekeyLimit=1M "$gw" cat <"$LAB_DIR/file" | cmp -s - "$LAB_DIR/file"; }
cell Sluice RekeyLimit "our own command: the same, keys exchanged on the way" ours_through
ours_apart() {
	: >"$LAB_DIR/ssh.log"
	[ "$(ours ssh "$gw" 'echo out; echo err >&2; exit 7' </dev/null; echo $?)" = $'out\n7' ] && grep -qx err "$LAB_DIR/ssh.log"
}
cell Sluice exec "our own command: output, errors and status apart" ours_apart
ours_in_terminal() {
	local rc said
	said=$(printf 'echo $((6 * 7)); exit 4\n' | ours ssh -tt "$gw")
	rc=$?
	[ $rc = 4 ] && [[ $said = *42* ]] || { echo "status $rc: $said"; return 1; }
}
cell Sluice terminal "our own command: a shell in a terminal" ours_in_terminal
cells_save "$top" "$*"
check "the end of input ends it" is "5" in_ssh "$gw" 'wc -c' < <(printf hello)
deaf() { # without eow it would go on reading
	local rc teller told=$LAB_DIR/home/demo/told
	(for _ in $(seq 400); do grep -q 'rcvd eow' "$LAB_DIR/ssh.log" && break; sleep 0.05; done; : >"$told") &
	teller=$!
	in_ssh -vv "$gw" 'exec 0<&-; until [ -e told ]; do sleep 0.1; done' < <(yes) && grep -q 'rcvd eow' "$LAB_DIR/ssh.log"
	rc=$?
	wait $teller
	rm -f "$told"
	return $rc
}
check "input nobody takes is told" deaf
check "a shell without a terminal" is "-bash" in_ssh "$gw" < <(echo 'echo $0')
tty() { in_ssh -tt "$gw" 'tty; stat -c %U:%a $(tty); echo $TERM-$SSH_TTY' </dev/null | tr -d '\r' | grep -c "^/dev/pts/\|^demo:620\|-/dev/pts/"; }
check "a terminal of its own" is 3 tty
resized() { # the window of a client's terminal, before and after
	lab_in client timeout $patience python3 - ssh "${opts[@]}" -tt "$gw" 'trap "stty size; exit 6" WINCH; stty size; while :; do sleep 0.1; done' <<'PY'
import fcntl, os, pty, struct, sys, termios
pid, fd = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 99, 0, 0))
    os.execvp(sys.argv[1], sys.argv[1:])
said = b""
def until(what):
    global said
    while what not in said:
        said += os.read(fd, 4096)  # of one that has ended it fails
until(b"33 99")
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 44, 88, 0, 0))
until(b"44 88")
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != 6)
PY
}
check "and it has the size of the client's, always" resized

# --- refusals
check "who has no PermitSession" status 255 in_ssh "only@$LAB_GW_OUTSIDE" true
check "forwarding only is said" grep -q 'this gateway forwards only' "$LAB_DIR/ssh.log"
check "a forced command" is "forced:rm x" in_ssh "forced@$LAB_GW_OUTSIDE" rm x
check "in place of sftp, too" is "forced:internal-sftp" in_ssh -s "forced@$LAB_GW_OUTSIDE" sftp
sed 's/^/command="echo key:$SSH_ORIGINAL_COMMAND$SSH_AUTH_SOCK",no-pty,no-agent-forwarding /' "$LAB_DIR/id_ed25519.pub" >"$LAB_DIR/authorized_keys/keyed"
lab_own "$LAB_DIR/authorized_keys/keyed"
check "a key's command" is "key:rm x" in_ssh "keyed@$LAB_GW_OUTSIDE" rm x
in_ssh -tt "keyed@$LAB_GW_OUTSIDE" </dev/null >"$LAB_DIR/keyed.log"
check "a key without terminals" grep -q 'PTY allocation request failed' "$LAB_DIR/ssh.log"
check "no such subsystem" status 255 in_ssh -s "$gw" nothing
check "a root that is not root's alone" bash -c "! ip netns exec $LAB-client ssh ${opts[*]@Q} jailed@$LAB_GW_OUTSIDE true >'$LAB_DIR/jail.log' 2>&1 && grep -q 'bad ownership' '$LAB_DIR/jail.log'"

# --- what runs before it, and variables of the user's
mkdir "$LAB_DIR/home/rcs/.ssh"
printf 'FILE=f\nCOLOUR=red\nOTHER=o\n' >"$LAB_DIR/home/rcs/.ssh/environment"
printf 'echo rc:$FILE:$(id -un):$(pwd)\n' >"$LAB_DIR/home/rcs/.ssh/rc"
chown -R rcs "$LAB_DIR/home/rcs/.ssh"
rcs=rcs@$LAB_GW_OUTSIDE
rc_says="rc:f:rcs:$LAB_DIR/home/rcs"
check "its rc runs first, and its variables are there" is "$rc_says
f//blue/" in_ssh "$rcs" 'echo $FILE/$KEY/$COLOUR/$OTHER'
sed 's/^/environment="KEY=k",environment="EVIL=e" /' "$LAB_DIR/id_ed25519.pub" >"$LAB_DIR/authorized_keys/rcs"
check "and so are its key's" is "$rc_says
f/k/" in_ssh "$rcs" 'echo $FILE/$KEY/$EVIL'
sed 's/^/no-user-rc /' "$LAB_DIR/id_ed25519.pub" >"$LAB_DIR/authorized_keys/rcs"
check "a key without it" is "" in_ssh "$rcs" true
mkdir -p /etc/ssh && echo 'echo system:$(id -un)' >/etc/ssh/sshrc
check "the machine's, for who has none" is "system:rcs" in_ssh "$rcs" true
rm /etc/ssh/sshrc
printf 'FILE=f\n' >"$LAB_DIR/home/demo/.env"
mkdir "$LAB_DIR/home/demo/.ssh" && mv "$LAB_DIR/home/demo/.env" "$LAB_DIR/home/demo/.ssh/environment"
check "none where they are not permitted" is "" in_ssh "$gw" 'echo $FILE'
rm -r "$LAB_DIR/home/demo/.ssh"

# --- the console
box=boxed@$LAB_GW_OUTSIDE
has() { # pattern, command…: in its output
	local want=$1
	shift
	"$@" >"$LAB_DIR/has" </dev/null || return
	grep -qE "$want" "$LAB_DIR/has" || { cat "$LAB_DIR/has"; return 1; }
}
check "a console: who" has '^user +boxed' in_ssh "$box" status
check "by which key" has "^key +$(ssh-keygen -lf "$LAB_DIR/id_ed25519.pub" | cut -d' ' -f2 | sed 's/+/[+]/g')" in_ssh "$box" status
check "where to" has '^allow +.* Permit|^allow +.* TargetRule|^SAYS' in_ssh "$box" targets
check "nothing else" status 2 in_ssh "$box" sh
check "no sftp" status 255 in_ssh -s "$box" sftp
tunnels() { # his own, with its bytes
	in_ssh -M -S "$LAB_DIR/boxed" -f -N "$box" || return 1
	in_ssh -S "$LAB_DIR/boxed" -W "$LAB_TARGET_ADDR:8080" "$box" >"$LAB_DIR/has.www" < <(printf 'HEAD / HTTP/1.1\r\nHost: x\r\n\r\n'; exec cat "$LAB_DIR/hold") &
	for _ in $(seq 400); do [ -s "$LAB_DIR/has.www" ] && break; sleep 0.05; done
	has "direct-tcpip +$LAB_TARGET_ADDR +8080 +28 " in_ssh -S "$LAB_DIR/boxed" "$box" tunnels && ! has "$LAB_TARGET_ADDR" in_ssh "barred@$LAB_GW_OUTSIDE" tunnels
}
mkfifo "$LAB_DIR/hold"
check "what is open, to himself alone" tunnels
: >"$LAB_DIR/hold"
in_ssh -S "$LAB_DIR/boxed" -O exit "$box"
prompted() { # how often
	for _ in $(seq 400); do [ "$(grep -c 'sluice>' "$LAB_DIR/talk")" -ge "$1" ] && return; sleep 0.05; done
}
talk() { # on a terminal, a line edited and one interrupted; on pipes
	: >"$LAB_DIR/talk"
	{ prompted 1; printf 'xx\003'; prompted 2; printf 'statuss\177\nhelp\nquit\n'; } | in_ssh -tt "$box" >"$LAB_DIR/talk"
	grep -q '^user *boxed' "$LAB_DIR/talk" && grep -q '^tunnels ' "$LAB_DIR/talk" && ! grep -q 'No such' "$LAB_DIR/talk" &&
		printf 'status\nhelp' | in_ssh "barred@$LAB_GW_OUTSIDE" | grep -q '^user *barred'
}
check "and talked to" talk

# --- sftp
moved() {
	printf 'put %s up\nget up %s\n' "$LAB_DIR/file" "$LAB_DIR/down" >"$LAB_DIR/batch"
	lab_in client timeout $((2 * patience)) sftp -q -b "$LAB_DIR/batch" -P "$LAB_PORT" "${opts[@]:0:${#opts[@]}-2}" "$gw" >>"$LAB_DIR/ssh.log" 2>&1 &&
		cmp -s "$LAB_DIR/file" "$LAB_DIR/down" && cmp -s "$LAB_DIR/file" "$LAB_DIR/home/demo/up"
}
check "sftp, $mib MiB up and down" moved

# --- what is the client's: its agent, its display
agent() { # the keys of the client's, at a socket that goes with the session
	local dir
	eval "$(ssh-agent -s -a "$LAB_DIR/agent")" >/dev/null
	with() { lab_in client timeout 30 ssh -o IdentityAgent="$LAB_DIR/agent" "${opts[@]}" -A "$@" 2>>"$LAB_DIR/ssh.log"; }
	ssh-add -q "$LAB_DIR/id_ed25519" && is "$(ssh-add -l)" with "$gw" ssh-add -l || return 1
	dir=$(with "$gw" 'd=${SSH_AUTH_SOCK%/*}; stat -c %U:%a "$d" "$SSH_AUTH_SOCK"; echo "$d"')
	[ "${dir%$'\n'*}" = $'demo:700\ndemo:600' ] && [ ! -e "${dir##*$'\n'}" ]
}
check "an agent" agent
check "none unless it is asked for" is "" in_ssh -a "$gw" 'echo $SSH_AUTH_SOCK'
check "a key without agents has none" is "key:true" with "keyed@$LAB_GW_OUTSIDE" true
kill "$SSH_AGENT_PID"
unset SSH_AUTH_SOCK
display() { # a real server in the client's namespace, reached by a real client in the session
	lab_spawn client "$LAB_DIR/xvfb.log" Xvfb -displayfd 1 -screen 0 64x64x8 -nolisten tcp -auth "$LAB_DIR/cookies"
	lab_wait_log "$lab_pid" "$LAB_DIR/xvfb.log" '^[0-9]' 10 || return 1
	xauth -q -f "$LAB_DIR/cookies" add ":$(cat "$LAB_DIR/xvfb.log")" . "$(openssl rand -hex 16)"
	kill -HUP "$lab_pid"
	DISPLAY=:$(cat "$LAB_DIR/xvfb.log") XAUTHORITY=$LAB_DIR/cookies in_ssh -Y "$gw" \
		'echo $DISPLAY; xauth list | wc -l; xdpyinfo | grep -c "64x64 pixels"; XAUTHORITY=/nothing xdpyinfo 2>&1 | grep -c "unable to open"' >"$LAB_DIR/display"
	is $'localhost:10.0\n1\n1\n1' cat "$LAB_DIR/display"
}
if command -v Xvfb xauth xdpyinfo >/dev/null; then
	check "a display" display
fi

# --- UNIX sockets, opened as their user
sockets() {
	lab_spawn gw "$LAB_DIR/sock.log" python3 "$here/host_peer.py" serve "$LAB_DIR/home/demo/t"
	lab_spawn gw "$LAB_DIR/sock.log" python3 "$here/host_peer.py" serve "$LAB_DIR/home/demo/root"
	lab_spawn client "$LAB_DIR/ssh.log" ssh "${opts[@]}" -v -N -o ExitOnForwardFailure=yes -L "$LAB_DIR/l:$LAB_DIR/home/demo/t" \
		-L "$LAB_DIR/lroot:$LAB_DIR/home/demo/root" -R "$LAB_DIR/home/demo/r:$LAB_DIR/l" "$gw"
	for _ in $(seq 400); do [ -S "$LAB_DIR/home/demo/t" ] && [ -S "$LAB_DIR/home/demo/root" ] && break; sleep 0.05; done
	chown demo "$LAB_DIR/home/demo/t" && lab_wait_log "$lab_pid" "$LAB_DIR/ssh.log" 'remote forward success' 30
}
through_sockets() { is "5 $(printf hello | sha256sum | cut -d' ' -f1)" python3 "$here/host_peer.py" say "$1"; }
check "sockets are listened at and led to" sockets
check "in and out by them" through_sockets "$LAB_DIR/home/demo/r"
check "it is its user's" is "demo:600" stat -c %U:%a "$LAB_DIR/home/demo/r"
check "and so is what may be connected to" is "" python3 "$here/host_peer.py" say "$LAB_DIR/lroot"
kill "$lab_pid"
not_at() { in_ssh -N -o ExitOnForwardFailure=yes -R "$1:127.0.0.1:1" "$gw" </dev/null; [ $? = 255 ]; }
check "none that no rule names" not_at "$LAB_DIR/home/other"
check "none in a folder that is not its user's" not_at "$LAB_DIR/log/r"
again() {
	lab_spawn client "$LAB_DIR/again.log" ssh "${opts[@]}" -v -N -R "$LAB_DIR/home/demo/r:$LAB_DIR/l" "$gw"
	lab_wait_log "$lab_pid" "$LAB_DIR/again.log" 'remote forward success' 30
	kill "$lab_pid"
}
check "one that nobody listens at any more gives way" again

# --- many on one connection
mux() {
	local n
	in_ssh -M -S "$LAB_DIR/mux" -f -N "$gw" || return 1
	for n in 1 2 3 4 5 6; do
		is "$n" in_ssh -S "$LAB_DIR/mux" "$gw" "echo $n" </dev/null || return 1
	done
	for n in 1 2; do
		lab_spawn client "$LAB_DIR/ssh.log" ssh "${opts[@]}" -S "$LAB_DIR/mux" "$gw" 'echo sleeps; exec sleep 120'
	done
	lab_wait_log "$lab_pid" "$LAB_DIR/ssh.log" sleeps 30 && is 3 in_ssh -S "$LAB_DIR/mux" "$gw" 'echo 3' </dev/null
}
check "one connection has several, one after another and at once" mux
check "they run" pgrep -u demo sleep >"$LAB_DIR/slept"
in_ssh -S "$LAB_DIR/mux" -O exit "$gw"
gone() {
	local n=400
	while pgrep -u demo sleep >/dev/null; do
		[ $((n -= 1)) -gt 0 ] || return 1
		sleep 0.05
	done
}
check "a client that goes hangs them up" gone

. "$here/sessions_record.sh"
. "$here/sessions_logs.sh"
check_logs
if command -v busybox >/dev/null; then
	check_roots
fi

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
# Every type of channel, by each of them that has it.
types() {
	local rc
	mkdir "$LAB_DIR/types"
	eval "$(ssh-agent -s -a "$LAB_DIR/types/agent")" >/dev/null
	ssh-add -q "$LAB_DIR/id_ed25519"
	lab_in client timeout 120 /usr/bin/python3 -W ignore "$here/channel_types.py" --host $LAB_GW_OUTSIDE --port "$LAB_PORT" \
		--key "$LAB_DIR/id_ed25519" --dbkey "$LAB_DIR/db" --home "$LAB_DIR/home/demo" --target $LAB_TARGET_ADDR:8080 \
		--agent "$SSH_AUTH_SOCK" --display ":$(cat "$LAB_DIR/xvfb.log")" --cookies "$LAB_DIR/cookies" --tmp "$LAB_DIR/types" "$@"
	rc=$?
	kill "$SSH_AGENT_PID"
	unset SSH_AUTH_SOCK
	return $rc
}
if command -v dbclient Xvfb xauth xdpyinfo >/dev/null && /usr/bin/python3 -W ignore -c 'import paramiko, asyncssh' 2>/dev/null; then
	save=()
	[ "${1:-}" != --save ] || save=(--save "$top/docs/interop.md")
	check "every type of channel, by four clients" types "${save[@]}"
fi
# F-01: a command goes on when control is killed under it, and the next one says how it ended.
: >"$LAB_DIR/began"
chown taped "$LAB_DIR/began"
in_ssh "taped@$LAB_GW_OUTSIDE" "echo here >$LAB_DIR/began; read x; echo on \$x; exit 9" >"$LAB_DIR/went" < <(
	for _ in $(seq 1200); do [ -s "$LAB_DIR/killed" ] && break; sleep 0.05; done
	echo goes
) &
ssh_pid=$!
for _ in $(seq 400); do [ -s "$LAB_DIR/began" ] && break; sleep 0.05; done
mkfifo "$LAB_DIR/asks"
in_ssh "$box" <"$LAB_DIR/asks" >"$LAB_DIR/answers" &
console_pid=$!
exec 8>"$LAB_DIR/asks"
answered() { # how often
	for _ in $(seq 400); do [ "$(grep -c '^user *boxed' "$LAB_DIR/answers")" -ge "$1" ] && return; sleep 0.05; done
	return 1
}
echo status >&8
check "a console answers" answered 1
in_held() { for _ in $(seq 400); do grep -qx here "$1" && return; sleep 0.05; done; echo "it does not run"; return 1; }
kept_pid=''
if /usr/bin/python3 -W ignore -c 'import asyncssh' 2>/dev/null; then
	mkfifo "$LAB_DIR/kept"
	lab_in client timeout $patience /usr/bin/python3 -W ignore "$top/tests/interop/sessions_peer.py" \
		$LAB_GW_OUTSIDE "$LAB_PORT" "$LAB_DIR/id_ed25519" kept <"$LAB_DIR/kept" >"$LAB_DIR/kept.out" 8>&- &
	kept_pid=$!
	exec 9>"$LAB_DIR/kept"
	check "a terminal and a command run" in_held "$LAB_DIR/kept.out"
fi
kill -9 "$lab_control_pid"
wait "$lab_control_pid" 2>/dev/null
printf 'status\ntunnels\n' >&8 # while there is none
: >"$LAB_DIR/control.log"
lab_spawn gw "$LAB_DIR/control.log" env SLUICE_RUN="$LAB_DIR/run" \
	"$SLUICE_BUILD/control/sluice-control" -f "$LAB_DIR/sluice.conf" 8>&- 9>&-
lab_control_pid=$lab_pid
lab_wait_log "$lab_control_pid" "$LAB_DIR/control.log" 'Server listening' 20
echo now >"$LAB_DIR/killed"
outlives() { wait $ssh_pid; [ $? = 9 ] && grep -qx 'on goes' "$LAB_DIR/went"; }
check "a command outlives its control, and its status is told" outlives
if [ -n "$kept_pid" ]; then
	exec 9>&-
	check "size, signals and breaks are the next control's" wait $kept_pid
fi
check "a console asks the next control" answered 2
console_ends() {
	echo quit >&8
	exec 8>&-
	wait $console_pid && grep -q '^TYPE' "$LAB_DIR/answers"
}
check "and all that was asked of it meanwhile" console_ends
check "nothing is left running" gone
check "and its recording" recorded 'on goes' taped

# sluice-helper is killed: so is what it runs, and that is written down.
check "a helper that is killed leaves nobody logged in" check_logs_killed
lab_spawn gw "$LAB_DIR/helper.log" env SLUICE_RUN="$LAB_DIR/run" "$SLUICE_BUILD/control/sluice-helper" -f "$LAB_DIR/sluice.conf"
lab_helper_pid=$lab_pid
helper_back() { for _ in $(seq 400); do in_ssh "$gw" true && return; sleep 0.1; done; return 1; }
check "another one takes its place" helper_back

# sluice-helper is stopped: what it runs ends, whatever that says itself, and its clients hear why.
held() {
	local ssh peer='' rc
	: >"$LAB_DIR/ssh.log"
	in_ssh -v "$gw" "trap 'exit 0' HUP; echo here; while :; do sleep 0.1; done" </dev/null >"$LAB_DIR/held" &
	ssh=$!
	in_held "$LAB_DIR/held" || return 1
	if /usr/bin/python3 -W ignore -c 'import paramiko, asyncssh' 2>/dev/null; then
		lab_in client timeout 60 /usr/bin/python3 -W ignore "$top/tests/interop/sessions_peer.py" \
			$LAB_GW_OUTSIDE "$LAB_PORT" "$LAB_DIR/id_ed25519" held >"$LAB_DIR/held.peer" &
		peer=$!
		in_held "$LAB_DIR/held.peer" || return 1
	fi
	kill -TERM "$lab_helper_pid"
	wait $ssh
	rc=$?
	[ $rc = 255 ] && grep -q 'rtype exit-signal' "$LAB_DIR/ssh.log" || { echo "status $rc"; return 1; }
	[ -z "$peer" ] || { wait $peer && is 'HUP False sluice-helper ends' tail -1 "$LAB_DIR/held.peer"; }
}
check "a helper that ends is the reason its clients are given" held
[ "$failures" = 0 ]
