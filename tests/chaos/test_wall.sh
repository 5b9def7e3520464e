#!/bin/bash
# F-19: the wall clock of all programs of the gateway is set hours and years forth and back while tunnels of all
# kinds move, keys change and keep-alives are asked for. Nothing ends and nothing stands still: what waits goes by
# the monotonic clock, and so do the time for a login and penalties. Certificates go by the wall clock, and so do the
# stamps of the audit log, whose order, durations and bytes do not.
mapfile -t lines < <(printf '%s\n' "GatewayPorts clientspecified" "LogLevel VERBOSE" "ClientAliveInterval 1" "ClientAliveCountMax 30" \
	"LoginGraceTime 20" "PerSourcePenalties authfail:600 noauth:0 grace-exceeded:0 min:1" "PerSourcePenaltyExemptList 198.18.0.1")
. "$(dirname "$0")/../interop/lib.sh"
shim=$SLUICE_BUILD/tests/chaos/wall_shim.so
[ -f "$shim" ] || { echo "no $shim"; exit 77; }
export SLUICE_WALL_SHIM=$LAB_DIR/ahead
set_clock() { # seconds from now
	python3 -c 'import struct, sys; open(sys.argv[1], "r+b").write(struct.pack("=q", int(sys.argv[2])))' "$SLUICE_WALL_SHIM" "$1"
}
head -c 8 /dev/zero >"$SLUICE_WALL_SHIM"
ssh-keygen -q -t ed25519 -N '' -f "$LAB_DIR/ca"
ssh-keygen -q -t ed25519 -N '' -f "$LAB_DIR/user"
ssh-keygen -q -t ed25519 -N '' -f "$LAB_DIR/stranger"
ssh-keygen -q -s "$LAB_DIR/ca" -I demo -n $LAB_USER -V -1h:+1h "$LAB_DIR/user.pub"
mkdir "$LAB_DIR/audit"
LAB_CONF=$(printf '%s\n' "${lines[@]}" "TrustedUserCAKeys $LAB_DIR/ca.pub" "AuditLog $LAB_DIR/audit/log")
lab_own "$LAB_DIR/ca.pub" "$LAB_DIR/audit"
began=$(cut -d' ' -f1 /proc/uptime)
LAB_WRAP="env LD_PRELOAD=$shim"
start_lab
ip -n "$LAB-client" addr add 198.18.0.3/24 dev eth0
mapfile -t opts < <(lab_ssh_opts)
opts=("${opts[@]/$LAB_DIR\/id_ed25519/$LAB_DIR\/none}") # keys are named below

peer=$top/tests/chaos/restart_peer.py
lab_spawn target "$LAB_DIR/echo.log" /usr/bin/python3 "$peer" echo $LAB_TARGET_ADDR 9100
lab_wait_log "$lab_pid" "$LAB_DIR/echo.log" serving 20
mkfifo "$LAB_DIR/end"
lab_spawn client "$LAB_DIR/peer.log" bash -c "exec /usr/bin/python3 -W ignore '$peer' move $LAB_GW_OUTSIDE $LAB_PORT \
	'$LAB_DIR/id_ed25519' '$LAB_DIR/known_hosts' $LAB_TARGET_ADDR 9100 conns=2 tunnels=6 stall=10000 <'$LAB_DIR/end'"
peer_pid=$lab_pid
exec 7>"$LAB_DIR/end"
check "tunnels move" lab_wait_log "$peer_pid" "$LAB_DIR/peer.log" '^up' 60

# And one that changes its keys all the time.
head -c 3000000 /dev/urandom >"$LAB_DIR/www/slow"
lab_forward 18004 "$LAB_TARGET_ADDR:8080" -o RekeyLimit=64K
forward_pid=$lab_pid
lab_in client curl -sf -m 300 --limit-rate 1M -o "$LAB_DIR/slow" -w '%{size_request} %{size_header} %{size_download}\n' \
	http://127.0.0.1:18004/slow 7>&- >"$LAB_DIR/carried" &
curl_pid=$!

said() { grep -q "$1" "$LAB_DIR/control.log"; }
login() { # source, ssh's other options
	local from=$1
	shift
	timeout 20 ip netns exec "$LAB-client" ssh "${opts[@]}" -o PreferredAuthentications=publickey -b "$from" "$@" \
		-W $LAB_TARGET_ADDR:8080 "$LAB_USER@$LAB_GW_OUTSIDE" </dev/null >>"$LAB_DIR/login.log" 2>&1 7>&-
}
by_cert() { login 198.18.0.1 -i "$LAB_DIR/user" -o CertificateFile="$LAB_DIR/user-cert.pub"; }
outside() { # what is said of it
	! by_cert && said "$1"
}
check "a certificate is good now" by_cert

# Says nothing: it is told to go after LoginGraceTime, whatever the wall clock does in between.
silent() {
	lab_in client python3 - "$LAB_GW_OUTSIDE" "$LAB_PORT" 7>&- <<-'END'
		import socket, sys, time
		began, s = time.monotonic(), socket.create_connection((sys.argv[1], int(sys.argv[2])))
		s.settimeout(60)
		while s.recv(4096):
		    pass
		sys.exit(0 if time.monotonic() - began > 19 else f"{time.monotonic() - began} s")
	END
}
silent >"$LAB_DIR/silent.log" 2>&1 &
silent_pid=$!

login 198.18.0.3 -i "$LAB_DIR/stranger"
kept_out() { ! login 198.18.0.3 -i "$LAB_DIR/id_ed25519" && said 'drop connection.*198.18.0.3.*penalty'; }
check "who failed is kept out" kept_out
: >"$LAB_DIR/control.log"
set_clock 10800
check "three hours later by the wall clock it is kept out still" kept_out
check "a certificate is over" outside 'expired'
set_clock -10800
check "six hours back a certificate is not valid yet" outside 'not yet valid'
set_clock 315360000
check "ten years on, who has a key comes in" login 198.18.0.1 -i "$LAB_DIR/id_ed25519"
set_clock -315360000
check "and twenty years back" login 198.18.0.1 -i "$LAB_DIR/id_ed25519"
set_clock 0
check "a certificate is good again" by_cert
set_clock -1
check "and in a second that is there twice, as a leap second is" by_cert
check "and who failed is kept out" kept_out
check "who says nothing is told to go in time, not before" wait "$silent_pid"
whole() { wait $curl_pid && cmp "$LAB_DIR/slow" "$LAB_DIR/www/slow"; }
check "keys were exchanged all the while, and no byte is lost" whole
exec 7>&-
check "tunnels: none ended or stood still, no byte was wrong, opens went on" wait "$peer_pid"
tail -1 "$LAB_DIR/peer.log"

lab_stop_pid "$forward_pid"
# A line's place, its id and mono_us say what came before what; stamps alone would not.
recorded() {
	python3 - "$LAB_DIR/audit/log" "$began" "$LAB_DIR/carried" "$LAB_DIR/peer.log" <<-'END'
		import collections, json, sys, time
		for _ in range(400):  # the last end comes a moment after its client has gone
		    all = [json.loads(line) for line in open(sys.argv[1])]
		    by = collections.defaultdict(list)
		    for r in all:
		        by[r["event"]].append(r)
		    if len(by["conn.open"]) == len(by["conn.close"]):
		        break
		    time.sleep(0.05)
		ran = time.clock_gettime(time.CLOCK_BOOTTIME) - float(sys.argv[2])
		wall = [r["time"] for r in all]
		late = [pair for pair in zip(all, all[1:]) if pair[0]["mono_us"] > pair[1]["mono_us"]]
		assert not late, late[0]
		assert wall != sorted(wall)
		assert len({t[:4] for t in wall}) >= 3, "years"
		assert len({r["id"] for r in all}) == len(all)
		assert collections.Counter(r["conn"] for r in by["conn.open"]) == collections.Counter(r["conn"] for r in by["conn.close"])
		request, header, body = map(int, open(sys.argv[3]).read().split())
		assert (request, header + body) in {(r["bytes_in"], r["bytes_out"]) for r in by["chan.close"]}
		moved = json.loads(open(sys.argv[4]).read().splitlines()[-1])
		tunnels = [r for r in by["chan.close"] if r.get("port") == 9100 or r["type"] == "forwarded-tcpip"]
		odd = [r for r in tunnels if r["bytes_in"] != r["bytes_out"]]
		assert not odd, odd  # they hear what they have said
		wire = sum(r["bytes_in"] + r["bytes_out"] for r in tunnels)
		assert wire == moved["bytes"] + 2 * len("hello") * moved["opens"], (wire, moved)
		longest = max(r["end_us"] for r in by["conn.close"]) / 1e6
		assert 19 < longest <= ran, (longest, ran)
		for r in by["conn.close"] + by["chan.close"]:
		    assert 0 <= r.get("first_us", 0) <= r.get("last_us", 0) <= ran * 1e6, r
		print(len(all), "records,", wire, "bytes in", len(tunnels), "tunnels, the longest connection", round(longest), "s of", round(ran))
	END
}
check "the audit log: one beginning and one end, in their order, the bytes of the wire, and durations of the monotonic clock" recorded
