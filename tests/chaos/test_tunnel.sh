#!/bin/bash
# sluice tunnel against OpenSSH's sshd and a gateway of Sluice: connections cut with and without a FIN, an old
# listener that still stands, the gateway restarted under one agent and under many, a NAT that forgets, an address
# that changes, a second agent that takes over. After each the tunnel is back and carries bytes.
# With SLUICE_LONG thousands of agents, or SLUICE_AGENTS; herd.sh has ten thousand.
set -u
cd "$(dirname "$0")/../.." || exit 1
top=$PWD
: "${SLUICE_BUILD:=$top/build}"
[ "$(id -u)" = 0 ] || { echo "namespaces need root"; exit 77; }
[ -n "${SLUICE_TEST_NETNS:-}" ] || SLUICE_TEST_NETNS=yes exec unshare -n -m "$0" "$@"
agents=${SLUICE_AGENTS:-${SLUICE_LONG:+2000}}
for tool in sshd ssh-keygen curl python3 nsenter; do
	command -v $tool >/dev/null || [ -x /usr/sbin/$tool ] || { echo "no $tool"; exit 77; }
done
ip link set lo up
. tests/interop/soft.sh
cd "$dir" || exit 1
sluice=$SLUICE_BUILD/client/sluice
user=$(id -un)

for k in host id; do ssh-keygen -q -t ed25519 -N '' -f $k; done
mkdir -p run keys /run/sshd
cp id.pub keys/tester
cat >sshd_config <<CONF
Port 2201
ListenAddress 127.0.0.1
HostKey $dir/host
AuthorizedKeysFile $dir/id.pub
StrictModes no
PidFile none
UsePAM no
PermitRootLogin yes
CONF
cat >sluice.conf <<CONF
ListenAddress 0.0.0.0:2203
HostKey $dir/host
AuthorizedKeysFile $dir/keys/%u
StrictModes no
PerSourcePenalties no
RetryAfter 1
TargetRule allow 127.0.0.1/32:2204
${agents:+MaxStartups 200:30:2000}
MaxListeners 60000
MaxListenersPerUser 60000
MaxListenersPerSource 60000
CONF
export SLUICE_RUN=$dir/run
gateway() { # which start it is
	"$SLUICE_BUILD/dataplane/sluice-dataplane" -f sluice.conf >"dataplane.$1.log" 2>&1 & dataplane=$!
	"$SLUICE_BUILD/control/sluice-control" -f sluice.conf >"control.$1.log" 2>&1 & control=$!
	pids+=($dataplane $control)
}
$(command -v sshd || echo /usr/sbin/sshd) -D -f sshd_config -E sshd.log & pids+=($!)
gateway 1
echo hello >data
serve_files 2204
cat >config <<CONF
Host *
	UserKnownHostsFile $dir/known
	GlobalKnownHostsFile none
	IdentityFile $dir/id
	IdentityAgent none
	StrictHostKeyChecking accept-new
	Hostname 127.0.0.1
	ReconnectInterval 1
	ReconnectIntervalMax 1
Host sshd
	Port 2201
	ServerAliveInterval 2
	User $user
	RemoteForward 127.0.0.1:2301 127.0.0.1:2204
	RemoteForward 127.0.0.1:0 127.0.0.1:2204
	LocalForward 127.0.0.1:2302 127.0.0.1:2204
Host gate
	Port 2203
	User tester
	RemoteForward 127.0.0.1:2303 127.0.0.1:2204
	RemoteForward 127.0.0.1:2307 127.0.0.1:2204 from=127.0.0.0/8,!127.0.0.9
	ForwardBindAddress 127.0.0.3
	ChannelTimeout forwarded-tcpip=1
Host nothing-here
	Port 1
Host spent
	Port 1
	ReconnectMax 1
	LocalForward 127.0.0.1:2308 127.0.0.1:2204
Host once
	Port 1
	Reconnect never
	LocalForward 127.0.0.1:2308 127.0.0.1:2204
Host nobody
	Port 1
	ReconnectTries 2
	LocalForward 127.0.0.1:2309 127.0.0.1:2204
Host taken
	Port 2201
	User $user
	ReconnectTries 1
	RemoteForward 127.0.0.1:2204 127.0.0.1:2204
CONF

# --- events ------------------------------------------------------------------------------------
cat >events.py <<'PY'
import json, sys, time
# FILE HOST EVENT COUNT [KEY]: waits for so many of this host's; the last one's value of KEY.
for _ in range(1200):
    l = [json.loads(x) for x in open(sys.argv[1]) if x.endswith('\n')]
    l = [x for x in l if x['host'] == sys.argv[2] and x['event'] == sys.argv[3]]
    if len(l) >= int(sys.argv[4]):
        print(*[x.get(k) for x in l[-1:] for k in sys.argv[5:]])
        sys.exit(0)
    time.sleep(0.05)
sys.exit('no %s %s' % (sys.argv[2], sys.argv[3]))
PY
event() { python3 events.py agent.out "$@"; }
n_of() { grep -c "\"event\":\"$2\",\"host\":\"$1\"" agent.out; }
back() { event "$1" up $(($2 + 1)); } # host, how often it was up before
get() { [ "$(curl -sS --max-time 30 "http://127.0.0.1:$1/data")" = hello ]; }
nobody_at() { # a server takes a moment to close it
	for _ in $(seq 1200); do
		ss -tlnH "( sport = :$1 )" | grep -q . || return 0
		sleep 0.05
	done
	return 1
}
session_of() { # the process of sshd's that serves our connection
	ss -tnpH state established "( sport = :2201 )" | grep -o 'pid=[0-9]*' | cut -d= -f2 | sort -n | tail -1
}
wait_for 'Server listening' sshd.log
wait_for 'Server listening' control.1.log
wait_for serving http.log

cp config config.nobody
"$sluice" tunnel --json -F config.nobody nobody taken >nobody.out 2>nobody.log & nobody=$!
pids+=($nobody)
check "a host without forwards" refused "$sluice" tunnel -F config nothing-here

sed -i '/^Host nobody/,$d' config
cat >config.agent <<CONF
StatusSocket $dir/status
MetricsListen 127.0.0.1:2205
Include $dir/config
CONF
"$sluice" tunnel --json -F config.agent >agent.out 2>agent.log & agent=$!
pids+=($agent)

# --- many, of which more is heard when the gateway is restarted -----------------------------------
cat >herd.conf <<CONF
UserKnownHostsFile $dir/known
GlobalKnownHostsFile none
IdentityFile $dir/id
IdentityAgent none
Hostname 127.0.0.1
Port 2203
User tester
Host herd*
	RemoteForward 127.0.0.1:0 127.0.0.1:2204
	ReconnectInterval $([ -n "$agents" ] && echo 5 || echo 1)
CONF
python3 "$top/tests/chaos/tunnel_herd.py" "$sluice" "${agents:-30}" herd.conf >herd.log 2>&1 & herd=$!
pids+=($herd)

check "sshd: up" event sshd up 1
check "gateway: up" event gate up 1
wait_for '^up: ' herd.log
port=$(event sshd listening 3 port)
for p in 2301 2302 2303 "$port"; do check "bytes by port $p" get "$p"; done

check "from the address that is wanted" grep -q '^127.0.0.3 .*GET' http.log
idle=$(python3 -c '
import socket
s = socket.create_connection(("127.0.0.1", 2303))
s.settimeout(60)
try: print(len(s.recv(1)))
except ConnectionResetError: print(0)')
check "idle channels are closed" test "$idle" = 0
wait_for 'closed: idle for too long' agent.log

# --- from where it is wanted ---------------------------------------------------------------------
from() { curl -sS --max-time 30 --interface "$1" http://127.0.0.1:2307/data; }
check "from: wanted" eval '[ "$(from 127.0.0.8)" = hello ]'
check "from: not wanted" refused from 127.0.0.9
wait_for 'forwarded-tcpip: refused: from 127.0.0.9 port .* at port 2307' agent.log

# --- what it is asked ----------------------------------------------------------------------------
cat >status.py <<'PY'
import json, subprocess, sys, time
# SLUICE WORD HOST EXPRESSION: of what it says of the host, once that holds.
for _ in range(1200):
    r = subprocess.run([sys.argv[1], 'tunnel', sys.argv[2], '--json', '-F', 'config.agent', sys.argv[3]],
                       capture_output=True, text=True)
    h = json.loads(r.stdout.splitlines()[0]) if r.returncode == 0 else None
    if h is not None and eval(sys.argv[4]): sys.exit(0)
    time.sleep(0.05)
sys.exit('%s %s: %s %s' % (sys.argv[2], sys.argv[3], r.stdout, r.stderr))
PY
status() { python3 status.py "$sluice" "$@"; }
asked() { "$sluice" tunnel "$1" -F config.agent "${@:2}"; }
check "the socket is its owner's" test "$(stat -c %a status)" = 600
check "status" status status sshd "h['state'] == 'up' and h['bytes_in'] > 0 and h['channels_total'] >= 3 and [f['port'] for f in h['forwards']] == [2302, 2301, $port]"
check "status of a host" status status gate "h['state'] == 'up' and h['ups'] >= 1 and 'seconds' not in h"
check "status for people" eval "asked status | grep -q '^gate  *up .*remote 2303'"
check "tried as often as it may be" status status spent "(h['state'], h['tries'], h['remaining'], 'seconds' in h) == ('over', 1, 0, False)"
check "not tried again" status status once "(h['state'], h['tries'], 'seconds' in h) == ('over', 0, False) and 'refused' in h['last_error']"
check "and they say why" test "$(event spent over 1 code) $(event once over 1 code)" = "1037 None"
check "no such host" refused asked status nobody
check "no such request" refused asked stop
# By both formats; a label is a host of the file.
check "metrics" eval "curl -sS http://127.0.0.1:2205/metrics | grep -qx 'sluice_tunnel_up{host=\"gate\"} 1'"
check "OpenMetrics" eval "curl -sS -H 'Accept: application/openmetrics-text' http://127.0.0.1:2205/metrics | tail -1 | grep -qx '# EOF'"
check "metrics: who was not wanted" eval "curl -sS http://127.0.0.1:2205/metrics | grep -qx 'sluice_tunnel_channels_refused_total{host=\"gate\"} 1'"
check "no other page" eval "curl -sS -o /dev/null -w '%{http_code}' http://127.0.0.1:2205/ | grep -qx 404"
cat >crowd.py <<'PY'
import socket, sys
def ask(line):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(60)
    s.connect('status')
    try: s.sendall(line)
    except OSError: pass
    return s
def turned_away(s):
    try: return s.recv(1) == b''
    except ConnectionResetError: return True
assert turned_away(ask(b'x' * 2000))  # a line without end
s = ask(b'status\nfollow me\n' * 20)   # as many as lie there, each answered
f = s.makefile()
for _ in range(20):
    assert [len(f.readline()) > 2 for _ in range(1 + 4)] and 'no such request' in f.readline()
f.close(); s.close()
full = [ask(b'follow\n') for _ in range(8)]
assert all(x.recv(1) for x in full) and turned_away(ask(b''))  # and no more
PY
check "a crowd at the socket" python3 crowd.py

# --- listeners that are cancelled, while somebody is on one --------------------------------------
mkfifo cancel.in
python3 -c '
import socket, sys
s = socket.create_connection(("127.0.0.1", 2301))
print("connected", flush=True)
sys.stdin.readline()
s.sendall(b"GET /data HTTP/1.0\r\n\r\n")
s.settimeout(60)
d = b""
while b := s.recv(4096): d += b
print("got" if d.endswith(b"hello\n") else d, flush=True)' <cancel.in >cancel.log & on_it=$!
exec 7>cancel.in
wait_for connected cancel.log
check "cancel: somebody is on it" status channels sshd "any(c.get('connected_port') == 2301 and c['state'] == 'open' for c in h['channels'])"
check "cancel: no such listener" refused asked cancel sshd 127.0.0.1:2399
check "cancel: no such host" refused asked cancel nobody 2301
check "cancel: without a port" refused asked cancel sshd
check "cancel" asked cancel sshd 127.0.0.1:2301
check "cancel: it does not listen" status status sshd "(h['state'], [f['port'] for f in h['forwards']], h['cancelled']) \
	== ('up', [2302, $port], ['[127.0.0.1]:2301 [127.0.0.1]:2204'])"
check "cancel: nobody gets in" nobody_at 2301
check "cancel: not twice" refused asked cancel sshd 127.0.0.1:2301
check "cancel: by the port that was assigned" asked cancel sshd "127.0.0.1:$port"
check "cancel: nobody gets in there" nobody_at "$port"
echo >&7
exec 7>&-
wait $on_it
check "cancel: who was on it goes on" grep -qx got cancel.log
# --- events, and channels -----------------------------------------------------------------------
asked follow >follow.out 2>follow.log & pids+=($!)
python3 -c '
import socket
s = socket.create_connection(("127.0.0.1", 2302))
print("connected", s.getsockname()[1], flush=True)
try: s.recv(1); print("end", flush=True)
except ConnectionResetError: print("reset", flush=True)' >held.log & held=$!
wait_for connected held.log
check "channels" status channels sshd "[(c['state'], c['origin_port'], c['connected_port'], c['target'], c['target_port'])
	for c in h['channels']] == [('open', $(sed -n 's/^connected //p' held.log), 2302, '127.0.0.1', 2204)]"
check "channels for people" eval "asked channels | grep -q '^sshd .* at .*:2302 to 127.0.0.1:2204'"

# --- cut with a FIN ------------------------------------------------------------------------------
ups=$(n_of sshd up)
kill -9 "$(session_of)"
check "sshd, cut: back" back sshd "$ups"
check "sshd, cut: its channel is told of" test "$(event sshd channel 1 target_port)" = 2204
wait $held
wait_for reset held.log
wait_for '"event":"channel","host":"sshd"' follow.out
check "sshd, cut: bytes of ours" get 2302
check "cancelled: not asked for by the next connection" status status sshd "[f['port'] for f in h['forwards']] == [2302] and len(h['cancelled']) == 2"
ups=$(n_of sshd up)
check "cancelled: wanted again" asked reconnect sshd
check "cancelled: back" back sshd "$ups"
check "cancelled: they listen" status status sshd "h['state'] == 'up' and len(h['forwards']) == 3 and 'cancelled' not in h"
check "sshd, cut: bytes" get 2301

# --- gone without a word, and its listener stands when we are back; the gateway is restarted -----
session=$(session_of)
ups_sshd=$(n_of sshd up)
kill -STOP "$session"
ups=$(n_of gate up)
kill -9 $control $dataplane
wait $control $dataplane 2>/dev/null
gateway 2
wait_for '"reason":"the server does not answer".*"host":"sshd"' agent.out
wait_for '"kind":"tunnel".*"host":"sshd"' agent.out # its port is not given yet
kill -9 "$session"
check "sshd, silent: back" back sshd "$ups_sshd"
check "sshd, silent: bytes" get 2301
check "gateway, killed: noticed" event gate down 1
first=$(grep -m1 '"event":"attempt","host":"gate"' agent.out | sed 's/.*"seconds":\([0-9]*\).*/\1/')
check "gateway, killed: stayed away from as it asked" test "$first" -ge 1
check "gateway, killed: back" back gate "$ups"
check "gateway, killed: bytes" get 2303

# --- stopped, and wanted again -------------------------------------------------------------------
check "stop" asked stop gate
check "stopped" status status gate "h['state'] == 'stopped' and h['last_error'] == 'somebody stopped it'"
failed=$(grep '"event":"down","host":"gate"' agent.out | grep -vcE 'somebody|come again later') # who was sent away did not fail
check "stopped: no failure" status status gate "h['downs'] == $failed"
ups=$(n_of gate up)
check "reconnect" asked reconnect gate
check "reconnect: back" back gate "$ups"
check "reconnect: bytes" get 2303
ups=$(n_of gate up)
check "reconnect, of one that is up" asked reconnect gate
check "reconnect, of one that is up: back" back gate "$ups"
check "followed" python3 events.py follow.out gate up 2

# --- F-18: a NAT that forgets, and an address that changes ---------------------------------------
if [ -c /dev/net/tun ]; then
	unshare -n sleep 600 & there=$!
	pids+=($there)
	until [ "$(readlink /proc/$there/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.01; done
	inside() { nsenter -t $there -n "$@"; }
	python3 "$top/tests/chaos/tunnel_nat.py" $there "$dir/answer" >nat.log 2>&1 & nat=$!
	pids+=($nat)
	wait_for serving nat.log
	sed '/^Host sshd/,$d; s/127.0.0.1/10.9.1.1/' config >config.roams
	cat >>config.roams <<CONF
Host roams
	Port 2203
	ServerAliveInterval 2
	User tester
	RemoteForward 127.0.0.1:2306 $dir/answer
CONF
	nsenter -t $there -n "$sluice" tunnel --json -F config.roams >roams.out 2>roams.log & roams=$!
	pids+=($roams)
	one_owner() { # who accepts there is one at any time, and then alone: that of before ends behind its last channel
		for _ in $(seq 1200); do
			"$SLUICE_BUILD/control/sluicectl" -t show listeners | grep $'\t2306\t' >listeners
			case "$(grep -vc $'\tending\t' listeners)/$(wc -l <listeners)" in
			1/1) return ;;
			0/* | 1/*) sleep 0.05 ;;
			*) break ;;
			esac
		done
		cat listeners
		return 1
	}
	quiet() { # what was asked for is over for the gateway, too: an end that is lost is waited for
		for _ in $(seq 1200); do
			[ "$("$SLUICE_BUILD/control/sluicectl" -t show listeners | awk -F'\t' '$3 == 2306 { print $7 }')" = 0 ] && return
			sleep 0.05
		done
		return 1
	}
	roams() { python3 events.py roams.out roams "$@"; }
	check "behind a NAT: up" roams up 1
	check "behind a NAT: bytes" get 2306
	ups=$(grep -c '"event":"up"' roams.out)
	check "behind a NAT: its channel is over" quiet
	kill -USR1 $nat
	check "a NAT that forgets: back" roams up $((ups + 1))
	check "a NAT that forgets: one owner" one_owner
	check "a NAT that forgets: bytes" get 2306
	ups=$(grep -c '"event":"up"' roams.out)
	check "a NAT that forgets: its channel is over" quiet
	inside ip addr del 10.9.0.2/24 dev inside
	wait_for '"reason":"our address is gone"' roams.out
	inside ip addr add 10.9.0.3/24 dev inside
	inside ip route replace default dev inside
	check "another address: back" roams up $((ups + 1))
	check "another address: one owner" one_owner
	check "another address: bytes" get 2306
	# A second that the gateway asks for (RetryAfter), and an interval.
	check "and nobody waited for longer than an interval" python3 -c '
import json
waits = [x["seconds"] for x in map(json.loads, open("roams.out")) if x["event"] == "attempt"]
assert len(waits) >= 2 and max(waits) <= 2.01, waits'
else
	echo "skipped: no /dev/net/tun for a NAT"
fi

# --- an agent that hangs, and its port taken over by one that started later ----------------------
kill -STOP $agent
python3 -c '
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print("bound", flush=True)
while True: print(s.recv(4096).decode(), flush=True)' "$dir/notify" >notify.log & pids+=($!)
wait_for bound notify.log
NOTIFY_SOCKET=$dir/notify WATCHDOG_USEC=900000 "$sluice" tunnel --json -F config gate >second.out 2>second.log & second=$!
pids+=($second)
check "gateway: taken over" python3 events.py second.out gate up 1
check "gateway: bytes of the second" get 2303
for word in READY=1 'STATUS=0 of 1 hosts are up' 'STATUS=1 of 1 hosts are up' WATCHDOG=1; do wait_for "$word" notify.log; done
kill -CONT $agent

# --- and the end ---------------------------------------------------------------------------------
wait $nobody
check "tries come to an end" test $? = 255
"$sluice" tunnel -F config once 2>once.log
check "as does the one of who is to have no other" test $? = 255
last=$(python3 events.py nobody.out nobody attempt 2 kind count remaining)
check "and are counted" test "$last $(python3 events.py nobody.out nobody over 1 code)" = "connection 2 0 1037"
last=$(python3 events.py nobody.out taken attempt 1 kind count remaining)
check "those of a tunnel as well" test "$last $(python3 events.py nobody.out taken over 1 code)" = "tunnel 1 0 10057"
check "many: back" wait $herd
wait_for '^back: ' herd.log
cat herd.log
for p in $second $agent ${roams:-}; do
	kill "$p"
	wait "$p"
	[ $? = 0 ] || { echo "FAILED: SIGTERM ends it with 0"; failures=$((failures + 1)); }
done
for log in agent second nobody once follow roams herd.0 control.1 control.2; do
	[ -f $log.log ] && grep -qE 'ERROR: (Address|Leak)Sanitizer|runtime error:' $log.log || continue
	echo "FAILED: $log.log"
	cat $log.log
	failures=$((failures + 1))
done
[ "$failures" = 0 ] || tail -n 30 agent.log agent.out nobody.out sshd.log control.2.log
exit $((failures > 0))
