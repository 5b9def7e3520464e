#!/bin/bash
# sluicectl and the metrics of a real gateway without ports of its own: what it shows of a connection with
# seventy channels, a reader that never reads, disconnect, close, rekey, drain, reload, top on a terminal;
# /metrics as promtool reads it, every metric of the dashboard and the alerts.
set -u
cd "$(dirname "$0")/../.." || exit 1
top=$PWD
: "${SLUICE_BUILD:=$top/build}"
for tool in ssh ssh-keygen curl promtool; do
	command -v $tool >/dev/null || { echo "no $tool"; exit 77; }
done
. tests/interop/soft.sh
cd "$dir" || exit 1
mkdir run keys
ssh-keygen -q -t ed25519 -N '' -f id
ssh-keygen -q -t ed25519 -N '' -f host
cp id.pub keys/tester
cp id.pub keys/a-name-that-is-long
read -r port metrics target forward <<<"$(python3 -c '
import socket
s = [socket.socket() for _ in range(4)]
[x.bind(("127.0.0.1", 0)) for x in s]
print(*[x.getsockname()[1] for x in s])')"
cat >sluice.conf <<CONF
ListenAddress 127.0.0.1:$port
AuditLog $dir/audit.log
HostKey $dir/host
AuthorizedKeysFile $dir/keys/%u
StrictModes no
PermitOpen 127.0.0.1:*
PerSourcePenalties no
MetricsListen 127.0.0.1:$metrics
MetricsListen $dir/run/metrics.sock
LogLevel VERBOSE
CONF
export SLUICE_RUN=$dir/run XDG_RUNTIME_DIR=$dir
ctl=$SLUICE_BUILD/control/sluicectl
"$SLUICE_BUILD/dataplane/sluice-dataplane" -f sluice.conf >dataplane.log 2>&1 & pids+=($!)
"$SLUICE_BUILD/control/sluice-control" -f sluice.conf >control.log 2>&1 & pids+=($!)
wait_for 'Server listening' control.log

# A target that sends as much as is taken, and a client that opens 70 channels and reads none of them.
cat >peer.py <<'PY'
import socket, sys, threading, time
target, forward, n = map(int, sys.argv[1:])
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('127.0.0.1', target)); s.listen(128)
def serve():
    while True:
        c, _ = s.accept()
        threading.Thread(target=lambda: pour(c), daemon=True).start()
def pour(c):
    try:
        while True: c.send(b'x' * 65536)
    except OSError: pass
threading.Thread(target=serve, daemon=True).start()
c = []
for _ in range(n):
    k = socket.socket(); k.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    k.connect(('127.0.0.1', forward)); c.append(k)
print('connected', flush=True)
time.sleep(600)
PY
login() { # log, options…
	local log=$1
	shift
	ssh -v -F none -i id -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=known -o IdentitiesOnly=yes \
		-o KexAlgorithms=curve25519-sha256 -p "$port" "$@" -N tester@127.0.0.1 >"$log" 2>&1
}
login ssh.log -L "$forward:127.0.0.1:$target" & pids+=($!)
wait_for 'Local forwarding listening' ssh.log
python3 peer.py "$target" "$forward" 70 >peer.log 2>&1 & pids+=($!)
wait_for connected peer.log
all_open() { for _ in $(seq 400); do [ "$("$ctl" -n -t show channels | grep -c direct-tcpip)" = 70 ] && return; sleep 0.05; done; return 1; }
shows() { "$ctl" show "${@:2}" | grep -qE "$1"; }
field() { "$ctl" -j show "$1" | python3 -c "import json,sys; print($2)"; }
check "seventy channels, asked for in pieces" all_open
check "a connection" shows '1 +tester +127.0.0.1 .* open .*OpenSSH' connections
check "its tunnel, once" shows '1 +tester +127.0.0.1 +to +127.0.0.1 +'"$target"' +70$' tunnels
check "its user" shows '^tester +1 +70 +0 ' users
check "where it listens" shows "^gateway +127.0.0.1 +$port +up" listeners
slow() { for _ in $(seq 400); do [ "$("$ctl" -n -t show channels | cut -f14 | sort | uniq -c | awk '$2 == "window" { print $1 }')" = 70 ] && return; sleep 0.05; done; return 1; }
check "each waits for the client's window" slow
check "limits of shards" shows '^MaxChannels +shard 0 +70 +65536 +0 ' limits
check "limits of each user: what has most" shows '^MaxChannelsPerConnection +control +70 +[0-9]+ +0 ' limits
narrow() { "$ctl" show limits | awk '$1 == "LIMIT" && index($0, "SCOPE") > 45 { exit 1 }'; }
check "a table whose first column is no wider than it has to be" narrow
check "cores" [ "$(field lcores 'json.load(sys.stdin)["lcores"][0]["channels"]')" = 70 ]
check "filters" [ "$("$ctl" -n show channels user=nobody)" = "" ]
check "a schema" python3 -c 'import json,subprocess,sys
s = json.loads(subprocess.check_output([sys.argv[1], "schema"]))["$defs"]
for name, d in s.items():
    a = json.loads(subprocess.check_output([sys.argv[1], "-j", "show", name]))
    for row in a[name]:
        assert sorted(row) == sorted(d["properties"][name]["items"]["required"]), name' "$ctl"

"$ctl" top --once --interval 0.1 >top.txt
check "top, once" grep -qE '^1\.[0-9]+ +tester .*out: window +127.0.0.1:' top.txt
check "top of a core" grep -qE '^core dp0/0 \[' top.txt
# As people see it: small and large, with one that a cap holds back.
capped() { exec ssh -F none -i id -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=known -o IdentitiesOnly=yes -p "$port" -W "127.0.0.1:$target" a-name-that-is-long@127.0.0.1 >/dev/null 2>&1; }
mux() { tmux -f /dev/null -S "$dir/tmux" "$@"; }
pictured() { # columns, pattern…: at last the screen is so wide at most, and has them all
	local columns=$1 p n
	shift
	for _ in $(seq 400); do
		mux capture-pane -p -t top >pane.txt
		n=0
		for p; do grep -qE -- "$p" pane.txt || n=1; done
		[ $n = 0 ] && ! grep -qE ".{$((columns + 1))}" pane.txt && return
		sleep 0.05
	done
	cat pane.txt
	return 1
}
if command -v tmux >/dev/null; then
	cp sluice.conf before.conf
	echo 'ChannelRate 80kbit' >>sluice.conf
	check "a cap" "$ctl" reload
	capped & slow_pid=$!
	pids+=($slow_pid)
	mux new-session -d -s top -x 80 -y 24 "SLUICE_RUN=$SLUICE_RUN exec '$ctl' top --interval 0.2"
	check "top, 80 by 24: each column to its end" pictured 80 '^core dp0/0 \[[# ]{8}\] +[0-9]+%  in .*/s  out .*/s  [a-z]+ ' \
		'^CHANNEL USER +IN +OUT CAPPED SLOW +TARGET$' "^1\.[0-9]+ +tester +0/s +0/s +- out: window +127.0.0.1:$target\$"
	mux send-keys -t top c
	check "who is held back by a cap, by how much, and all of it" pictured 80 'sorted by capped;.* q quits$' \
		"^2\.[0-9]+ +a-name-tha +0/s +[0-9.]+K?/s +[0-9]+% out: cap \(channel\) +127.0.0.1:$target\$" '^caps hold back 1 of 71 channels; these waited [0-9]+s for caps so far$'
	mux resize-window -t top -x 200 -y 60
	check "200 by 60: the rest, too" pictured 200 ' 71 channels  [a-z]+ [0-9]+%' '^CHANNEL USER +IN +OUT +RTT +AGE CAPPED SLOW +TARGET$' \
		"^2\.[0-9]+ +a-name-that-is-long +0/s +[0-9.]+K?/s +([0-9.]+ms|-) +[0-9]+s +[0-9]+% out: cap"
	mux send-keys -t top q
	kill $slow_pid
	wait $slow_pid 2>/dev/null
	cp before.conf sluice.conf
	check "who has left is gone" all_open
	check "and no cap" "$ctl" reload
fi
check "top on a terminal" python3 - "$ctl" <<'PY'
import fcntl, os, pty, select, struct, sys, termios, time
sized, size = os.pipe()
pid, fd = pty.fork()
if pid == 0:
    os.read(sized, 1)
    os.execv(sys.argv[1], ['sluicectl', 'top', '--interval', '0.1'])
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack('HHHH', 10, 90, 0, 0))
os.write(size, b'.')
out, keys = b'', b'u'
while True:
    if select.select([fd], [], [], 10)[0]:
        try: out += os.read(fd, 65536)
        except OSError: break
    if b'sorted by rate' in out and keys == b'u': os.write(fd, keys); keys = b'q'
    elif b'sorted by user' in out and keys == b'q': os.write(fd, keys); keys = b''
assert os.waitpid(pid, 0)[1] == 0
assert out.endswith(b'\x1b[?1049l'), out[-200:]
last = out.split(b'\x1b[H')[-1].split(b'\r\n')
assert len(last) <= 10 and all(len(l.replace(b'\x1b[K', b'')) <= 90 for l in last[:-1]), last
PY

says() { curl -s "$@"; }
check "healthz" [ "$(says "http://127.0.0.1:$metrics/healthz")" = ok ]
check "readyz" [ "$(says "http://127.0.0.1:$metrics/readyz")" = ready ]
says --unix-socket run/metrics.sock http://x/metrics >metrics.txt
check "metrics as promtool reads them" promtool check metrics <metrics.txt
check "of a core" grep -q '^sluice_stage_cycles_total{dataplane="dp0",shard="0",stage="relay"} [1-9]' metrics.txt
check "of a limit" grep -q '^sluice_limit_used{limit="MaxChannels",scope="shard",dataplane="dp0",shard="0"} 70$' metrics.txt
bounded() { ! grep -qE 'tester|127\.0\.0' metrics.txt; }
check "nothing of clients is in a label" bounded
check "alerts" promtool check rules "$top/conf/alerts.yml"
# Every metric that the dashboard and the alerts name is there.
check "the dashboard names what there is" python3 - "$top" <<'PY'
import json, re, sys
have = set(re.findall(r'^(sluice_\w+)[{ ]', open('metrics.txt').read(), re.M))
text = ' '.join(t['expr'] for p in json.load(open(sys.argv[1] + '/conf/grafana-sluice.json'))['panels'] for t in p['targets'])
text += ' '.join(re.findall(r'expr: (.*)', open(sys.argv[1] + '/conf/alerts.yml').read()))
want = set(re.findall(r'\bsluice_\w+', text)) - {'sluice_ssh_', 'sluice_port_rx_missed_total'} # no port here
assert want and want <= have, want - have
PY

one=$("$ctl" -n -t show channels | head -1 | cut -f1)
check "a channel is closed" "$ctl" close "$one"
ends() { for _ in $(seq 400); do "$ctl" -n -t show channels | cut -f1,10 | grep -qx "$one.open" || return 0; sleep 0.05; done; return 1; }
check "and ends, as soon as its client has read" ends
is() { local want=$1; shift; "$@" >/dev/null 2>&1; [ $? = "$want" ]; }
check "there is no such channel" is 1 "$ctl" close 1.7
check "no such command" is 2 "$ctl" fly
check "nobody there" is 3 "$ctl" -s "$dir/nowhere" show info
check "a key exchange" "$ctl" rekey 1
twice() { for _ in $(seq 400); do [ "$(grep -c 'SSH2_MSG_NEWKEYS received' ssh.log)" = 2 ] && return; sleep 0.05; done; return 1; }
check "it is made" twice
exchanged() { # process: keys are changed until it has seen enough; while they change already nothing more comes of it
	while kill -0 "$1" 2>/dev/null; do
		"$ctl" rekey 1 || break
		for _ in $(seq 40); do kill -0 "$1" 2>/dev/null || break; sleep 0.05; done
	done
	wait "$1"
}
# Its messages, while it changes its keys: names and fields, and a file of packets.
traced() {
	"$ctl" trace 1 --for 60 --messages 6 >trace.txt 2>trace.err & local pid=$!
	for _ in $(seq 400); do grep -q 'trace: connection 1' control.log && break; sleep 0.05; done
	exchanged $pid && grep -qE '^[0-9.]+ +out KEXINIT len=[0-9]+ kex=.*curve25519' trace.txt &&
		grep -qE '^[0-9.]+ +in +KEXINIT ' trace.txt && [ "$(wc -l <trace.txt)" = 6 ] && grep -q '^6 messages' trace.err
}
check "a key exchange, message by message" traced
captured() {
	"$ctl" trace 1 --pcapng trace.pcapng --messages 6 >/dev/null 2>&1 & local pid=$!
	for _ in $(seq 400); do [ "$(grep -c 'trace: connection 1' control.log)" -ge 2 ] && break; sleep 0.05; done
	exchanged $pid && python3 - trace.pcapng <<'PY'
import struct, sys
b, at, packets = open(sys.argv[1], 'rb').read(), 0, []
while at < len(b):
    kind, n = struct.unpack_from('<II', b, at)
    assert n % 4 == 0 and struct.unpack_from('<I', b, at + n - 4)[0] == n
    if kind == 1: assert struct.unpack_from('<H', b, at + 8)[0] == 147
    if kind == 6:
        high, low, caught, length = struct.unpack_from('<IIII', b, at + 12)
        flags = struct.unpack_from('<HHI', b, at + 28 + (caught + 3) // 4 * 4)
        assert caught <= length and flags[:2] == (2, 4) and flags[2] in (1, 2)
        packets.append((b[at + 28], flags[2]))
    at += n
assert len(packets) == 6 and (20, 1) in packets and (20, 2) in packets, packets
PY
}
check "the same as packets" captured
if command -v tshark >/dev/null; then
	check "tshark reads them" [ "$(tshark -r trace.pcapng 2>/dev/null | wc -l)" = 6 ]
fi
no_trace() { ! "$ctl" trace 4711 2>err.txt && grep -q 'no such connection' err.txt; }
check "of a connection there is not" no_trace
check "drain" "$ctl" drain
check "nobody new comes in" refused timeout 10 ssh -F none -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=known -i id -p "$port" tester@127.0.0.1 -N
check "not ready" [ "$(says "http://127.0.0.1:$metrics/readyz")" = 'it drains' ]
check "undrain" "$ctl" undrain
echo 'MaxStartups 7' >>sluice.conf
check "what a reload would do" [ "$("$ctl" -n -t reload --dry-run)" = $'MaxStartups\tnow' ]
more_conns() {
	local rc=0
	echo 'MaxConnections 300000' >>sluice.conf
	"$ctl" reload --dry-run 2>&1 >/dev/null | grep -qx 'MaxConnections is 200000 (446 MiB when all are there) until sluice-dataplane starts again with 300000 (669 MiB)' || rc=1
	sed -i '$s/.*/MaxConnections 200000/' sluice.conf
	[ "$("$ctl" -n -t reload --dry-run 2>&1 | grep MaxConnections)" = $'MaxConnections\tnow' ] || rc=1
	sed -i '$d' sluice.conf
	return $rc
}
check "what more MaxConnections would take" more_conns
check "it was not done" shows '^maxstartups +10:30:100$' config maxstartups
check "reload" "$ctl" reload
check "it was done" shows '^maxstartups +7:100:7$' config maxstartups
check "more connections, and fewer, by a reload: nobody is cut" python3 - "$ctl" "$port" <<'PY'
import json, select, socket, subprocess, sys, time
ctl, port = sys.argv[1], int(sys.argv[2])
conf = open('sluice.conf').read()
def until(what):
    for _ in range(400):
        if what(): return
        time.sleep(0.05)
    raise AssertionError(row())
def row():
    rows = json.loads(subprocess.check_output([ctl, '-j', 'show', 'limits']))['limits']
    return next((r['used'], r['max'], r['refused']) for r in rows if r['limit'] == 'MaxConnections')
def limit(n, max):
    open('sluice.conf', 'w').write(conf + (f'MaxConnections {n}\n' if n else ''))
    said = subprocess.run([ctl, 'reload'], check=True, capture_output=True, text=True).stderr
    until(lambda: row()[1] == max)
    return said
def come():
    s = socket.create_connection(('127.0.0.1', port))
    s.settimeout(60)
    try: first = s.recv(4)
    except ConnectionResetError: first = b''
    if first == b'SSH-': return s
    assert first == b'', first
def refused():
    n = row()[2]
    assert come() is None
    until(lambda: row()[2] == n + 1)
def are_there():
    for s in crowd:
        s.setblocking(False)
        try:
            while True: assert s.recv(4096) != b''
        except BlockingIOError: pass
limit(3, 3)
crowd = [come(), come()] # and the first one, which has channels
assert all(crowd)
refused()
limit(6, 6)
crowd += [come(), come(), come()]
assert all(crowd)
refused()
limit(2, 2)
refused()
are_there()
assert row()[0] == 6
for s in crowd[1:]: s.close()
until(lambda: row()[0] == 2)
refused()
crowd[0].close()
until(lambda: row()[0] == 1)
crowd = [come()]
assert crowd[0]
said = limit(300000, 200000)
assert 'MaxConnections is 200000' in said, said
crowd.append(come())
assert crowd[1]
limit(0, 100000)
are_there()
for s in crowd: s.close()
until(lambda: row()[0] == 1)
PY
check "and what there is no room for is in the log" grep -q 'MaxConnections is 200000, and not 300000, until sluice-dataplane starts again' control.log
cp sluice.conf was.conf
printf 'DenyUsers tester\nEndRevokedSessions yes\n' >>sluice.conf
check "whom a reload would end" grep -qx $'1\ttester\t127.0.0.1' <("$ctl" -n -t reload --dry-run)
echo 'AllowGroups *' >>sluice.conf
check "whatever groups come in" grep -qx $'1\ttester\t127.0.0.1' <("$ctl" -n -t reload --dry-run)
check "who is still there" shows '1 +tester' connections
printf 'UserRate 800mbit\n' >>was.conf
cp was.conf sluice.conf
check "who would have other rates" grep -qx $'1\ttester\t127.0.0.1' <("$ctl" -n -t reload --dry-run)
cp was.conf sluice.conf
echo 'Nonsense 7' >>sluice.conf
check "a file with an error" is 1 "$ctl" reload
# What bash offers.
completes() { # words…: the last is completed
	bash -c '. "$1/conf/sluicectl.bash"; PATH=$2:$PATH; shift 2; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _sluicectl; echo "${COMPREPLY[*]}"' \
		_ "$top" "$SLUICE_BUILD/control" sluicectl "$@"
}
check "completion of commands" [ "$(completes sh)" = 'show shutdown' ]
check "completion of what is there" [ "$(completes disconnect 1)" = 1 ]

check "the client is told why" "$ctl" disconnect 1 the house is on fire
wait_for ':11: the house is on fire' ssh.log
# A user who is revoked: who is in goes, and what listened for him with him.
cp was.conf sluice.conf
login back.log -R "0:127.0.0.1:$target" & pids+=($!)
wait_for 'Allocated port' back.log
back=$(sed -n 's/^Allocated port \([0-9]*\) for remote forward.*/\1/p' back.log)
listens() { (exec 3<>"/dev/tcp/127.0.0.1/$back") 2>/dev/null; }
check "ssh -R listens" listens
echo 'DenyUsers tester' >>sluice.conf
check "a reload that denies its user" "$ctl" reload
wait_for ':11: you are not let in any more' back.log
closed() { for _ in $(seq 400); do listens || return 0; sleep 0.05; done; return 1; }
check "its port refuses" closed
check "shutdown" "$ctl" shutdown --grace 1s
ended() { for _ in $(seq 400); do [ -S run/control.sock ] || return 0; sleep 0.05; done; return 1; }
check "it ends" ended
check "and in the audit log" grep -q "\"operator.request\".*\"operator\":$(id -u),\"request\":\"disconnect 1 reason=the house is on fire\",\"text\":\"1 connections\"" audit.log
check "who asked is in the log" grep -q "operator uid $(id -u) pid [0-9]*: disconnect: 1 connections" control.log
exit $((failures > 0))
