#!/bin/bash
# Both programs give up root when there is a user sluice, and still serve. The user lives in
# copies of passwd and group that only a mount namespace of this test sees.
if [ -z "${SLUICE_OWN_MOUNTS:-}" ]; then
	[ "$(id -u)" = 0 ] || { echo "namespaces need root"; exit 77; }
	exec unshare -m --propagation private env SLUICE_OWN_MOUNTS=1 "$0"
fi
# What a sanitizer adds (it traces itself) is not what runs for real.
plain=$(cd "$(dirname "$0")/../.." && pwd)/build
[ ! -x "$plain/control/sluice-control" ] || export SLUICE_BUILD=$plain
. "$(dirname "$0")/lib.sh"

uid=64022
mkdir "$LAB_DIR/etc"
for f in passwd group; do
	grep -v '^sluice:' /etc/$f >"$LAB_DIR/etc/$f"
done
echo "sluice:x:$uid:$uid:gateway:/nonexistent:/usr/sbin/nologin" >>"$LAB_DIR/etc/passwd"
echo "sluice:x:$uid:" >>"$LAB_DIR/etc/group"
for f in passwd group; do
	mount --bind "$LAB_DIR/etc/$f" /etc/$f || exit 1
done

LAB_CONF="PasswordHashFile $LAB_DIR/passwd
PermitListen *:* localhost:443"
echo "$LAB_USER:$(openssl passwd -5 'correct horse')" >"$LAB_DIR/passwd"
chmod 600 "$LAB_DIR/passwd"
lab_own "$LAB_DIR/passwd"
[ "$(nproc)" -lt 2 ] || LAB_LCORE=0,1 # threads of our own, not only a library's
start_lab
cp -p "$LAB_DIR/authorized_keys/$LAB_USER" "$LAB_DIR/authorized_keys/root"
lab_random_file "$LAB_DIR/www/file" $((10 << 20))
mapfile -t opts < <(lab_ssh_opts)

status() { # pid, field
	sed -n "s/^$2:[[:space:]]*//p" "/proc/$1/status"
}
is() { # expected, actual
	[ "$1" = "$2" ] || { echo "expected $1, there is $2"; return 1; }
}
# Every thread: what one of them kept, all have.
each_thread() { # pid, field, expected
	local f
	for f in /proc/"$1"/task/*/status; do
		is "$3" "$(sed -n "s/^$2:[[:space:]]*//p" "$f")" || return 1
	done
}
no_capability() { # pid
	local set
	for set in CapInh CapPrm CapEff CapAmb; do
		each_thread "$1" $set 0000000000000000 || return 1
	done
}
no_core() { # pid
	grep -qE '^Max core file size +0 +0 ' "/proc/$1/limits"
}
# The files of a process that may be dumped belong to its user, of another one to root.
not_dumpable() { # pid
	is 0 "$(stat -c %u "/proc/$1/environ")"
}
# As much as root may raise it to here: in a container root may not.
locks_enough() { # pid
	local most
	most=$(prlimit --memlock=unlimited bash -c 'ulimit -H -l' 2>/dev/null || ulimit -H -l)
	[ "$most" = unlimited ] || most=$((most * 1024))
	grep -qE "^Max locked memory +$most " "/proc/$1/limits"
}
no_root_groups() { # pid
	local g
	for g in $(status "$1" Groups); do
		is $uid "$g" || return 1
	done
}

for name in dataplane control; do
	pid_of=lab_${name}_pid
	pid=${!pid_of}
	four=$(printf '%s\t%s\t%s\t%s' $uid $uid $uid $uid)
	check "$name: runs as sluice" each_thread "$pid" Uid "$four"
	check "$name: with its group" each_thread "$pid" Gid "$four"
	check "$name: no other groups" no_root_groups "$pid"
	check "$name: no capabilities" no_capability "$pid"
	check "$name: no new privileges" each_thread "$pid" NoNewPrivs 1
	check "$name: system calls are filtered" each_thread "$pid" Seccomp 2
	check "$name: F-31 no core file" no_core "$pid"
	check "$name: F-31 not dumpable" not_dumpable "$pid"
	check "$name: may lock its keys" locks_enough "$pid"
done

check "the folder of sockets is sluice's" is $uid "$(stat -c %u "$LAB_DIR/run")"
check "the link's socket is sluice's alone" is "$uid 600" "$(stat -c '%u %a' "$LAB_DIR/run/link.sock")"
check "the sealing key is sluice's alone" is "$uid 600" "$(stat -c '%u %a' "$LAB_DIR/run/blob.key")"
check "the link was attached" grep -q 'link: control attached' "$LAB_DIR/dataplane.log"

# Another user may not even connect; root of the machine may, who could do anything anyway.
stranger() {
	! setpriv --reuid 64023 --regid 64023 --clear-groups python3 - "$LAB_DIR/run/link.sock" <<-'PY'
		import socket, sys
		socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET).connect(sys.argv[1])
	PY
}
check "the link refuses another user" stranger 2>/dev/null

fetch() {
	: >"$LAB_DIR/ssh.log"
	lab_forward 18301 "$LAB_TARGET_ADDR:8080" || return 1
	local pid=$lab_pid rc=0
	lab_in client curl -sf -m 60 -o "$LAB_DIR/got" http://127.0.0.1:18301/file &&
		same_file "$LAB_DIR/got" "$LAB_DIR/www/file" || rc=1
	lab_stop_pid "$pid"
	return $rc
}
check "a login by key and 10 MiB" fetch
password() {
	printf '#!/bin/sh\necho "correct horse"\n' >"$LAB_DIR/askpass"
	chmod 755 "$LAB_DIR/askpass"
	SSH_ASKPASS=$LAB_DIR/askpass SSH_ASKPASS_REQUIRE=force lab_in client timeout 60 ssh \
		-o BatchMode=no "${opts[@]}" -o PreferredAuthentications=password \
		-W "$LAB_TARGET_ADDR:8080" "$LAB_USER@$LAB_GW_OUTSIDE" <<<"GET / HTTP/1.0" >/dev/null 2>&1
}
check "a login by password" password

# Ports that only root may open: by number for whoever has them so, any for root himself.
low_port() { # user, port: fetched from the gateway by way of his client
	: >"$LAB_DIR/ssh.log"
	lab_spawn client "$LAB_DIR/ssh.log" ssh "${opts[@]}" -v -N -o ExitOnForwardFailure=yes \
		-L "18302:$LAB_TARGET_ADDR:8080" -R "localhost:$2:127.0.0.1:18302" "$1@$LAB_GW_OUTSIDE"
	local pid=$lab_pid rc=0
	lab_wait_log "$pid" "$LAB_DIR/ssh.log" 'remote forward success' 20 &&
		lab_in gw curl -sf -m 60 -o "$LAB_DIR/got" "http://127.0.0.1:$2/file" &&
		same_file "$LAB_DIR/got" "$LAB_DIR/www/file" || rc=1
	lab_stop_pid "$pid"
	return $rc
}
no_port() { # user, port
	: >"$LAB_DIR/ssh.log"
	lab_in client timeout 60 ssh "${opts[@]}" -N -o ExitOnForwardFailure=yes -R "localhost:$2:127.0.0.1:1" \
		"$1@$LAB_GW_OUTSIDE" 2>"$LAB_DIR/ssh.log"
	grep -q "remote port forwarding failed for listen port $2" "$LAB_DIR/ssh.log"
}
check "a port below 1024 that is named" low_port "$LAB_USER" 443
check "one that is not" no_port "$LAB_USER" 442
check "any of them for root" low_port root 80

# Control again, alone: its files are its own, and the dataplane takes it.
again() {
	lab_stop_pid "$lab_control_pid"
	: >"$LAB_DIR/control.log"
	lab_spawn gw "$LAB_DIR/control.log" env SLUICE_RUN="$LAB_DIR/run" \
		"$SLUICE_BUILD/control/sluice-control" -f "$LAB_DIR/sluice.conf"
	lab_control_pid=$lab_pid
	lab_wait_log "$lab_pid" "$LAB_DIR/control.log" 'Server listening on' 10 && fetch
}
check "control again" again
check "the gateway is alive" gateway_alive

# Once more with no more than the service units leave to root.
bounded() { # unit: as setpriv wants it
	sed -n 's/^CapabilityBoundingSet=//p' "$top/conf/$1.service.in" | tr 'A-Z' 'a-z' | sed 's/cap_/+/g; s/ /,/g'
}
with_units() {
	local name
	lab_stop_pid "$lab_control_pid"
	lab_stop_pid "$lab_dataplane_pid"
	: >"$LAB_DIR/control.log"
	for name in dataplane control; do
		lab_spawn gw "$LAB_DIR/$name.log" setpriv --inh-caps=-all --bounding-set="-all,$(bounded sluice-$name)" \
			env SLUICE_RUN="$LAB_DIR/run" "$SLUICE_BUILD/$name/sluice-$name" -f "$LAB_DIR/sluice.conf"
		declare -g "lab_${name}_pid=$lab_pid"
	done
	lab_wait_log "$lab_control_pid" "$LAB_DIR/control.log" 'Server listening on' 10 && fetch
}
check "with the capabilities of the service units" with_units
check "the gateway is alive again" gateway_alive

# Another signer reads the keys as root, and takes the socket as user sluice.
replaced() {
	local old=$lab_signer_pid
	lab_spawn gw "$LAB_DIR/signer2.log" env SLUICE_RUN="$LAB_DIR/run" "$SLUICE_BUILD/control/sluice-signer" -r \
		-f "$LAB_DIR/sluice.conf"
	lab_signer_pid=$lab_pid
	lab_wait_log "$lab_control_pid" "$LAB_DIR/control.log" 'new connections get other host keys' 10 && fetch &&
		is $uid "$(status "$lab_signer_pid" Uid | cut -f1)" || return 1
	wait "$old" # nobody has its keys
}
check "another signer in its place" replaced

# Both leave nothing of theirs behind.
lab_stop_pid "$lab_control_pid"
lab_stop_pid "$lab_dataplane_pid"
lab_control_pid=
check "the link's socket is gone" [ ! -e "$LAB_DIR/run/link.sock" ]
check "the dataplane ended by itself" grep -q ' ends$' "$LAB_DIR/dataplane.log"
