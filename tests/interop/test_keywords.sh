#!/bin/bash
# Keywords whose effect no other test shows, one user each; then, in a second gateway, those that
# hold for all. docs/keywords.md says where the others are tested.
. "$(dirname "$0")/lib.sh"

users='permit rules unused noforward disabled tries alive rekey rekeytime window patient idle onechan nokeys
	nopubkey quiet slow stuck here elsewhere denied notlisted loose addr'
gw=$LAB_GW_OUTSIDE
target=$LAB_TARGET_ADDR:9000 # the pump
bytes=$((8 << 20))

LAB_CONF="Port 2022
ListenAddress $LAB_GW_INSIDE
ListenAddress $gw:0
Route 10.99.0.0/16 via $LAB_TARGET_ADDR
LogLevel VERBOSE
VersionAddendum of the house
Hugepages no
ReceiveBuffer 64K
SendBuffer 64K
AuditBacklog 4
Ciphers aes256-gcm@openssh.com,aes128-ctr
MaxAuthTries 4
DenyUsers denied addr@198.18.0.0/24
Match User permit
	PermitOpen $target
Match User rules
	TargetRule deny *:8081
	TargetRule allow ${LAB_TARGET_ADDR%.*}.0/24:8000-9099 from=198.18.0.0/24
Match User unused
	UnusedConnectionTimeout 1
Match User noforward
	AllowTcpForwarding no
Match User disabled
	DisableForwarding yes
Match User tries
	MaxAuthTries 2
Match User alive
	ClientAliveInterval 1
	ClientAliveCountMax 1
Match User rekey
	RekeyLimit 1M
Match User rekeytime
	RekeyLimit default 1s
Match User window
	ChannelWindow 32K
	ChannelMaxPacket 4K
Match User idle
	IdleTimeout 1
Match User onechan
	MaxChannelsPerConnection 1
Match User nokeys
	AuthorizedKeysFile none
Match User nopubkey
	PubkeyAuthentication no
Match User quiet
	LogLevel QUIET
Match User slow
	OperationTimeout 1
	LogVerbose none words.c:words_auth():*
Match User stuck
	OperationTimeout 2
Match User patient
	OperationTimeout none
Match Address 198.18.0.0/24 LocalAddress $gw LocalPort 22 User here
	PermitOpen none
Match Address 203.0.113.0/24,!198.18.0.1 User elsewhere
	PermitOpen none
Match User notlisted
	AllowUsers somebody"
start_lab
for u in $users; do
	cp -p "$LAB_DIR/authorized_keys/$LAB_USER" "$LAB_DIR/authorized_keys/$u"
done
chmod 666 "$LAB_DIR/authorized_keys/loose"
start_pump || exit 1
ip -n "$LAB-target" addr add 10.99.0.1/32 dev lo
lab_spawn target "$LAB_DIR/pump2.log" "$SLUICE_BUILD/perf/pump" serve 10.99.0.1 9000
lab_wait_log "$lab_pid" "$LAB_DIR/pump2.log" serving 10 || exit 1
lab_spawn target "$LAB_DIR/deaf.log" python3 -uc 'import socket, sys
s, held = socket.create_server((sys.argv[1], 9100)), []
print("serving")
while True: held.append(s.accept())' $LAB_TARGET_ADDR # it never reads
lab_wait_log "$lab_pid" "$LAB_DIR/deaf.log" serving 20 || exit 1
"$SLUICE_BUILD/perf/pump" pattern $bytes >"$LAB_DIR/www/file"
echo "GET $bytes" >"$LAB_DIR/get"
mapfile -t opts < <(lab_ssh_opts)

# Runs a check beside the others; settle prints them all and counts.
waiting=()
beside() { # what, command…
	local what=$1 out=$LAB_DIR/beside.${#waiting[@]}
	shift
	(trap - EXIT; "$@") >"$out" 2>&1 &
	waiting+=("$!:$out:$what")
}
came_well() { # pid, output
	wait "$1" || { tail -5 "$2"; return 1; }
}
settle() {
	local w rest
	for w in "${waiting[@]}"; do
		rest=${w#*:}
		check "${rest#*:}" came_well "${w%%:*}" "${rest%%:*}"
	done
	waiting=()
}

go() { # user, ssh arguments…
	local user=$1
	shift
	lab_in client timeout 20 ssh "${opts[@]}" "$user@$gw" "$@"
}
reaches() { # user, host:port, ssh arguments…
	local user=$1 to=$2
	shift 2
	go "$user" -W "$to" "$@" <"$LAB_DIR/get" 2>/dev/null | cmp -s - "$LAB_DIR/www/file"
}
refuses() { # pattern of ssh's words, user, ssh arguments…
	local pattern=$1 out
	shift
	out=$(go "$@" 2>&1 </dev/null) && { echo "it was let"; return 1; }
	grep -qE -- "$pattern" <<<"$out" || { echo "$out" | tail -5; return 1; }
}
not() { ! "$@"; }
in_log() { # pattern: soon
	local n=400
	until grep -qE -- "$1" "$LAB_DIR/control.log"; do
		[ $((n -= 1)) -gt 0 ] || { echo "no /$1/ in the log"; return 1; }
		sleep 0.05
	done
}

banner() { # expected
	local line
	line=$(lab_in client timeout 5 bash -c "exec 3<>/dev/tcp/$gw/22; head -n 1 <&3")
	[ "$line" = "$1"$'\r' ] || { echo "it says $line"; return 1; }
}
check "VersionAddendum" banner "SSH-2.0-Sluice_$("$SLUICE_BUILD/control/sluice-control" -V | cut -d' ' -f2) of the house"

dump_again() { # sluice-control|sluice-dataplane
	local p=$SLUICE_BUILD/${1#sluice-}/$1
	"$p" -T -f "$LAB_DIR/sluice.conf" >"$LAB_DIR/$1.dump" && "$p" -t -f "$LAB_DIR/$1.dump" &&
		"$p" -T -f "$LAB_DIR/$1.dump" | cmp - "$LAB_DIR/$1.dump"
}
check "what -T prints loads again (control)" dump_again sluice-control
check "what -T prints loads again (dataplane)" dump_again sluice-dataplane
matches() {
	"$SLUICE_BUILD/control/sluice-control" -T -C user=window,addr=198.18.0.1 -f "$LAB_DIR/sluice.conf" |
		grep -qx 'channelwindow 32768'
}
check "-T -C shows what a Match changes" matches
named() { # host, what holds for it
	local conf=$LAB_DIR/named.conf
	printf '%s\n' 'UseDNS yes' 'Match Host *.example.org' 'MaxAuthTries 3' >"$conf"
	"$SLUICE_BUILD/control/sluice-control" -T -C "user=demo,host=$1,addr=198.18.0.1" -f "$conf" |
		grep -qx "maxauthtries $2"
}
check "-T -C host= is what Match Host goes by" named box.example.org 3
check "and another host's rules are others" named box.example.com 6
check "Port and ListenAddress" in_log "Server listening on $LAB_GW_INSIDE port 2022"
any_port() { # of ours: in the log, in show listeners, and where somebody comes in
	local port=$(sed -n "s/.*Server listening on $gw port \([0-9]*\)\..*/\1/p" "$LAB_DIR/control.log" | grep -vx 22)
	[ "$port" -ge 49152 ] && SLUICE_RUN="$LAB_DIR/run" "$SLUICE_BUILD/control/sluicectl" show listeners --tsv |
		grep -q "$gw.*$port.*up" || return 1
	reaches permit $target -p "$port" -o HostKeyAlias="$gw"
}
check "ListenAddress with port 0" any_port
check "Dataplane" in_log 'dataplane lab attached'
check "Route" reaches "$LAB_USER" 10.99.0.1:9000
check "Hugepages no" grep -q 'ordinary memory' "$LAB_DIR/dataplane.log"

# What waits for its time.
unused() {
	local began=$SECONDS
	go unused -N 2>/dev/null
	[ $((SECONDS - began)) -lt 6 ] && in_log 'Connection from user unused .*: idle for too long'
}
idle() {
	local began=$SECONDS
	go idle -N 2>/dev/null
	[ $((SECONDS - began)) -lt 6 ] && in_log 'Connection from user idle .*: idle for too long'
}
alive() { # a client that does not answer
	go alive -N 2>/dev/null &
	local wrapper=$! pid='' n=400
	in_log 'Accepted publickey for alive' || return 1
	until pid=$(pgrep -f "ssh .* alive@$gw" | tail -n 1) && [ -n "$pid" ]; do
		[ $((n -= 1)) -gt 0 ] || return 1
		sleep 0.05
	done
	kill -STOP "$pid"
	n=400
	until grep -q 'Timeout, client not responding from user alive' "$LAB_DIR/control.log"; do
		[ $((n -= 1)) -gt 0 ] || break
		sleep 0.05
	done
	kill -CONT "$pid"
	wait $wrapper
	[ $n -gt 0 ]
}
slow() { # nobody answers ARP there
	local began=$SECONDS
	refuses 'open failed: connect failed' slow -W 198.19.0.77:80 && [ $((SECONDS - began)) -lt 4 ] &&
		in_log 'connect_to 198.19.0.77 port 80: failed: Connection timed out'
}
deaf_target() {
	go stuck -W "$LAB_TARGET_ADDR:9100" </dev/zero
	in_log 'channel end: user stuck .* port 9100: .* its target took no byte for too long'
}
deaf_client() {
	{ go stuck -W $target <"$LAB_DIR/get" || :; } |
		in_log 'channel end: user stuck .* port 9000: .* its client took no byte for too long'
}
rekey_time() {
	(sleep 3.5; cat "$LAB_DIR/get") | go rekeytime -v -W "$target" 2>"$LAB_DIR/rekeytime.log" >/dev/null
	[ "$(grep -c 'SSH2_MSG_KEXINIT received' "$LAB_DIR/rekeytime.log")" -ge 3 ]
}
beside "IdleTimeout" idle
beside "ClientAliveInterval and CountMax" alive
beside "OperationTimeout" slow
beside "OperationTimeout: a target that never reads" deaf_target
beside "OperationTimeout: a client that never reads" deaf_client
beside "RekeyLimit by time, by the server" rekey_time

check "no forwarding without a reason" reaches "$LAB_USER" $target
check "OperationTimeout none" reaches patient $target
check "PermitOpen permits" reaches permit $target
check "PermitOpen refuses another port" refuses 'administratively prohibited' permit -W "$LAB_TARGET_ADDR:8081"
check "PermitOpen compares names as asked for" refuses 'administratively prohibited' permit -W "target.invalid:8080"
check "TargetRule allows a network" reaches rules $target
check "TargetRule denies a port" refuses 'administratively prohibited' rules -W "$LAB_TARGET_ADDR:8081"
check "TargetRule allows no other" refuses 'administratively prohibited' rules -W 10.99.0.1:8080
ruled() { # target, answer
	"$SLUICE_BUILD/control/sluice-control" -T -C "user=rules,addr=198.18.0.9,dest=$1" -f "$LAB_DIR/sluice.conf" |
		grep -q "^$2"
}
check "-T -C dest= allows" ruled $target "allow $LAB_TARGET_ADDR .*: TargetRule allow"
check "-T -C dest= denies" ruled "$LAB_TARGET_ADDR:8081" "deny $LAB_TARGET_ADDR .*: TargetRule deny"
check "UnusedConnectionTimeout" unused
check "AllowTcpForwarding no" refuses 'administratively prohibited' noforward -W $target
check "DisableForwarding yes" refuses 'administratively prohibited' disabled -W $target
check "Match Address, LocalAddress, LocalPort" refuses 'administratively prohibited' here -W $target
check "Match of another Address" reaches elsewhere $target
check "DenyUsers" refuses 'Permission denied' denied true
check "DenyUsers user@prefix" refuses 'Permission denied' addr true
check "AllowUsers" refuses 'Permission denied' notlisted true
check "log: AllowUsers and DenyUsers" in_log 'User denied from .* not allowed because'
check "AuthorizedKeysFile none" refuses 'Permission denied' nokeys true
check "PubkeyAuthentication no" refuses 'Permission denied \(password\)' nopubkey true
check "StrictModes yes" refuses 'Permission denied' loose true
check "log: StrictModes" in_log 'Authentication refused: bad ownership or modes for file .*/loose'
check "Ciphers" refuses 'no matching cipher' "$LAB_USER" -c aes128-gcm@openssh.com true
check "LogVerbose of Match User" in_log 'words.c:words_auth\(\):[0-9]+ \(pid=[0-9]+\): Accepted publickey for slow'
check "LogLevel QUIET carries" reaches quiet $target
check "LogLevel QUIET says nothing" not grep -q 'quiet' "$LAB_DIR/control.log"

for i in 1 2; do
	ssh-keygen -q -t ed25519 -N '' -f "$LAB_DIR/wrong$i"
done
three_keys() { # user: two wrong keys, then the right one
	lab_in client timeout 20 ssh -i "$LAB_DIR/wrong1" -i "$LAB_DIR/wrong2" "${opts[@]}" \
		-W $target "$1@$gw" <"$LAB_DIR/get" 2>&1 >/dev/null
}
too_many() { three_keys tries | grep -q 'Too many authentication failures'; }
check "MaxAuthTries" three_keys "$LAB_USER"
check "MaxAuthTries of Match User" too_many

window() {
	local out
	out=$(go window -vv -W $target <"$LAB_DIR/get" 2>&1 >"$LAB_DIR/window.out")
	grep -q 'open confirm rwindow 32768 rmax 4096' <<<"$out" &&
		same_file "$LAB_DIR/window.out" "$LAB_DIR/www/file"
}
check "ChannelWindow and ChannelMaxPacket" window
upload() { # user: through a window of 32 KiB
	: >"$LAB_DIR/ssh.log"
	lab_spawn client "$LAB_DIR/ssh.log" ssh "${opts[@]}" -v -N -o ExitOnForwardFailure=yes \
		-L "127.0.0.1:18401:$LAB_TARGET_ADDR:8080" "$1@$gw"
	local pid=$lab_pid rc=0
	lab_wait_log "$pid" "$LAB_DIR/ssh.log" 'Entering interactive session|pledge: ' 20 || return 1
	lab_in client curl -sf -m 30 -T "$LAB_DIR/www/file" http://127.0.0.1:18401/up/copy &&
		same_file "$LAB_DIR/www/up/copy" "$LAB_DIR/www/file" || rc=1
	lab_stop_pid "$pid"
	rm -f "$LAB_DIR/www/up/copy"
	return $rc
}
check "ChannelWindow: 8 MiB through 32 KiB" upload window

rekey() {
	go rekey -v -W $target <"$LAB_DIR/get" 2>"$LAB_DIR/rekey.log" |
		cmp -s - "$LAB_DIR/www/file" || return 1
	# One for the login, one behind it for this user's limit, then about one a MiB.
	[ "$(grep -c 'SSH2_MSG_KEXINIT received' "$LAB_DIR/rekey.log")" -ge 6 ]
}
check "RekeyLimit by size, by the server" rekey

many() { # user, port, connections: as many at once through one forward; how many were refused
	: >"$LAB_DIR/ssh.log"
	lab_spawn client "$LAB_DIR/ssh.log" ssh "${opts[@]}" -v -N -o ExitOnForwardFailure=yes \
		-L "127.0.0.1:$2:$target" "$1@$gw"
	local pid=$lab_pid
	lab_wait_log "$pid" "$LAB_DIR/ssh.log" 'Entering interactive session|pledge: ' 20 || return 1
	lab_in client python3 - "$2" "$3" <<-'PY'
		import socket, sys
		# All are held until each has answered: with the bytes it was asked for, or with the end.
		held = [socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=20) for _ in range(int(sys.argv[2]))]
		for step in (lambda s: s.sendall(b"GET 1000000000\n"), lambda s: s.recv(1)):
		    for s in held:
		        try:
		            step(s)
		        except (ConnectionResetError, BrokenPipeError):
		            pass # refused
	PY
	lab_stop_pid "$pid"
	refused=$(grep -c 'open failed: resource shortage' "$LAB_DIR/ssh.log")
}
one_channel() { many onechan 18402 3 && [ "$refused" = 2 ]; }
check "MaxChannelsPerConnection" one_channel

buffers() { # 64 KiB: what the kernel at the other end was told it may send
	: >"$LAB_DIR/ssh.log"
	lab_forward 18403 $target || return 1
	local pid=$lab_pid wnd
	wnd=$(lab_in client ss -tinH dst $gw | grep -o 'snd_wnd:[0-9]*' | cut -d: -f2 | sort -n | tail -n 1)
	lab_stop_pid "$pid"
	[ -n "$wnd" ] && [ "$wnd" -gt 0 ] && [ "$wnd" -le 65536 ] || { echo "the window is '$wnd'"; return 1; }
}
check "ReceiveBuffer" buffers
check "SendBuffer: 8 MiB through 64 KiB" reaches "$LAB_USER" $target
settle

# --- the second gateway -------------------------------------------------------------------------
lab_gateway_stop
sed -i '/^Port/,$d' "$LAB_DIR/sluice.conf"
ssh-keygen -q -t rsa -b 2048 -N '' -f "$LAB_DIR/host_rsa"
echo "$gw $(cut -d' ' -f1,2 "$LAB_DIR/host_rsa.pub")" >>"$LAB_DIR/known_hosts"
cat >>"$LAB_DIR/sluice.conf" <<CONF
VersionString SSH-2.0-Other
CryptoEngine openssl
KexAlgorithms curve25519-sha256
HostKey $LAB_DIR/host_rsa
HostKeyAlgorithms rsa-sha2-512
MACs hmac-sha2-512
StrictKex off
StrictModes no
TCPKeepAliveTime 1
TCPKeepAliveInterval 1
TCPKeepAliveCount 2
MaxConnections 3
MaxChannels 2
CONF
: >"$LAB_DIR/control.log"
: >"$LAB_DIR/dataplane.log"
: >"$LAB_DIR/signer.log"
lab_gateway_start "$SLUICE_BUILD" || exit 1

check "VersionString" banner SSH-2.0-Other
check "CryptoEngine openssl" reaches "$LAB_USER" $target
check "StrictModes no" reaches loose $target
check "MACs" reaches "$LAB_USER" $target -o Ciphers=aes128-ctr -o MACs=hmac-sha2-512
check "MACs refuse" refuses 'no matching MAC' "$LAB_USER" -c aes128-ctr -m hmac-sha2-256 true
check "KexAlgorithms" refuses 'no matching key exchange' "$LAB_USER" -o KexAlgorithms=curve25519-sha256@libssh.org true
check "HostKeyAlgorithms" refuses 'no matching host key' "$LAB_USER" -o HostKeyAlgorithms=ssh-ed25519 true
strict() { go "$LAB_USER" -v -W $target <"$LAB_DIR/get" 2>&1 >/dev/null | grep -q 'resetting read seqnr'; }
check "StrictKex off" not strict
two_channels() { many "$LAB_USER" 18404 4 && [ "$refused" = 2 ]; }
check "MaxChannels" two_channels

fills() {
	local pids=() i rc=0
	for i in 1 2 3; do
		: >"$LAB_DIR/peer.log"
		lab_spawn client "$LAB_DIR/peer.log" bash -c "exec 3<>/dev/tcp/$gw/22; read -r line <&3; echo \"\$line\"; sleep 20"
		pids+=("$lab_pid")
		lab_wait_log "$lab_pid" "$LAB_DIR/peer.log" SSH-2.0- 10 || rc=1
	done
	refuses 'Connection (reset|closed)|reset by peer' "$LAB_USER" true || rc=1
	for i in "${pids[@]}"; do lab_stop_pid "$i"; done
	for i in $(seq 20); do reaches "$LAB_USER" $target && return $rc; done
	return 1
}
check "MaxConnections, and room again" fills
check "MaxConnections is said" grep -qE '^drop connection .* past MaxConnections$' "$LAB_DIR/control.log"
keepalive() { # a client that is gone without a word
	: >"$LAB_DIR/ssh.log"
	lab_forward 18405 $target || return 1
	sleep 0.3 # until nothing of ours waits for its acknowledgement
	ip -n "$LAB-client" route add blackhole $gw
	local n=400
	until grep -qE "Connection from user $LAB_USER .* timed out" "$LAB_DIR/control.log"; do
		[ $((n -= 1)) -gt 0 ] || break
		sleep 0.05
	done
	ip -n "$LAB-client" route del blackhole $gw
	lab_stop_pid "$lab_pid"
	[ $n -gt 0 ]
}
check "TCPKeepAlive, Time, Interval, Count" keepalive
check "the gateway is alive" gateway_alive
