# tests/interop/hook_more.sh - what test_hook.sh does with the gateway of scripts/unprivileged, which sources this.
start hook python3 "$top/docs/examples/hook.py" "$dir/hook.sock" --deny-port "$forward" \
	--host-key-type ED25519 --max-channels 1 --log "$dir/asked"
hook_pid=$pid
for _ in $(seq 1000); do [ -S "$dir/hook.sock" ] && break; sleep 0.02; done
run tee -a "$dir/sluice.conf" >/dev/null <<CONF
PolicyHook $dir/hook.sock timeout=20
CONF
kill -HUP "$control_pid"
wait_for "configuration was read again" "$dir/control.log" "$control_pid"

# Who is let in by his key reads what the program has to say, and goes where it lets him.
shown=$(printf 'HEAD /file HTTP/1.0\r\n\r\n' | timeout 20 ssh -o LogLevel=INFO "${opts[@]}" -W "localhost:$http" 127.0.0.1 2>&1)
grep -q "Hello tester, you are being watched." <<<"$shown" || fail "no banner: $shown"
grep -q 'HTTP/1.0 200' <<<"$shown" || fail "not let through: $shown"
shown=$(timeout 20 ssh -o LogLevel=INFO "${opts[@]}" -W "127.0.0.1:$forward" 127.0.0.1 2>&1 </dev/null)
grep -q "administratively prohibited" <<<"$shown" || fail "let through: $shown"
for kind in connection established service auth channel-open forward; do
	grep -q "\"kind\":\"$kind\"" "$dir/asked" || fail "never asked about $kind"
done
if grep -q password "$dir/asked"; then fail "it was told what it should not be"; fi
read -r first <<<"$(free_ports 1)"
ssh "${opts[@]}" -N -L "127.0.0.1:$first:localhost:$http" 127.0.0.1 >/dev/null 2>&1 &
pids+=($!)
limited=$!
wait_port "$first"
gets() { curl -s -o /dev/null -m 20 "http://127.0.0.1:$first/file"; }
one_at_a_time() { # who only connects holds the one channel there may be, if none was there before; without him it is another's
	local held=no
	for _ in $(seq 400); do
		exec 5<>"/dev/tcp/127.0.0.1/$first"
		[ $held = yes ] || gets || held=yes
		exec 5>&-
		[ $held = yes ] && gets && return
		sleep 0.05
	done
	return 1
}
one_at_a_time || fail "its limit does not hold"
kill "$limited"
echo "hook: asked, and obeyed"

# Gone, it lets nobody in; back, it is asked again.
kill "$hook_pid"
wait "$hook_pid" 2>/dev/null
sed -i 's/timeout=20/timeout=1/' "$dir/sluice.conf"
kill -HUP "$control_pid"
for _ in $(seq 1000); do [ "$(grep -c 'configuration was read again' "$dir/control.log")" = 2 ] && break; sleep 0.02; done
timeout 20 ssh "${opts[@]}" -W "localhost:$http" 127.0.0.1 </dev/null >/dev/null 2>&1 && fail "let in by nobody"
wait_for "PolicyHook refused connection of anybody" "$dir/control.log" "$control_pid"
sed -i '/^PolicyHook/d' "$dir/sluice.conf"
kill -HUP "$control_pid"
for _ in $(seq 1000); do [ "$(grep -c 'configuration was read again' "$dir/control.log")" = 3 ] && break; sleep 0.02; done
printf 'HEAD /file HTTP/1.0\r\n\r\n' | timeout 20 ssh "${opts[@]}" -W "localhost:$http" 127.0.0.1 | grep -q 'HTTP/1.0 200' ||
	fail "not as before"
echo "hook: gone, nobody was let in; without it all is as before"

# A service of its own: a subsystem, and a target that is a program.
start handler python3 "$top/docs/examples/handler.py" "$dir/handler.sock"
handler_pid=$pid
start built python3 "$top/tests/interop/handler_peer.py" "$dir/built.sock"
built_pid=$pid
start hook python3 "$top/docs/examples/hook.py" "$dir/hook.sock" --log "$dir/asked.more"
hook_pid=$pid
for _ in $(seq 1000); do [ -S "$dir/handler.sock" ] && [ -S "$dir/hook.sock" ] && break; sleep 0.02; done
sed -i 's/^PermitOpen .*/& echo.internal:7/' "$dir/sluice.conf" # a tunnel like any other
run tee -a "$dir/sluice.conf" >/dev/null <<CONF
ChannelHandler session/subsystem:greet $dir/handler.sock
ChannelHandler session/subsystem:built $dir/built.sock
ChannelHandler direct-tcpip/echo.internal:7 $dir/handler.sock
ChannelHandler x-news@example.org $dir/handler.sock
ChannelHandler x-other@example.org $dir/handler.sock
ChannelHandler session/shell $dir/nobody.sock
PolicyHook $dir/hook.sock kinds=channel-request,news timeout=20
CONF
kill -HUP "$control_pid"
for _ in $(seq 1000); do [ "$(grep -c 'configuration was read again' "$dir/control.log")" = 4 ] && break; sleep 0.02; done
shown=$(printf 'one\n\ntwo\n' | timeout 20 ssh "${opts[@]}" -s 127.0.0.1 greet 2>"$dir/errors"; echo "status $?")
[ "$shown" = "Hello tester
ONE
TWO
3 lines
status 3" ] || fail "the subsystem said: $shown $(cat "$dir/errors")"
[ "$(cat "$dir/errors")" = "nothing to say?" ] || fail "standard error: $(cat "$dir/errors")"
grep -q '"type":"subsystem".*"params":{"name":"greet"}' "$dir/asked.more" || fail "not asked about the request"
grep -q '"peer":0.*"type":"subsystem"' "$dir/asked.more" || fail "not told whose channel it is"
wait_for listening "$dir/built.log" "$built_pid"
shown=$(timeout 20 ssh "${opts[@]}" -s 127.0.0.1 built 2>"$dir/errors" </dev/null; echo "status $?")
[ "$shown $(cat "$dir/errors")" = "out
out again
status 5 err" ] || fail "by messages it said: $shown $(cat "$dir/errors")"
shown=$(printf 'four\n' | timeout 20 ssh "${opts[@]}" -W echo.internal:7 127.0.0.1)
[ "$shown" = "direct-tcpip: four" ] || fail "the target said: $shown"
for kind in status auth-result channel-opened channel-eof channel-closed closed; do
	wait_for "\"kind\":\"$kind\"" "$dir/asked.more" "$hook_pid"
done
wait_for "\"kind\":\"channel-opened\".*\"peer\":0" "$dir/asked.more" "$hook_pid"
wait_for "\"type\":\"session\".*\"rule\":\"ChannelHandler\"" "$dir/asked.more" "$hook_pid"
wait_for "^tester has gone, after [0-9]* channels" "$dir/hook.log" "$hook_pid"
timeout 20 ssh "${opts[@]}" -T 127.0.0.1 </dev/null >/dev/null 2>&1 && fail "nobody has a shell"
timeout 20 ssh "${opts[@]}" 127.0.0.1 true >/dev/null 2>&1 && fail "nobody runs commands"

# A type of its own: opened, refused, asked, and one opened towards the client.
own=
if /usr/bin/python3 -c 'import paramiko' 2>/dev/null; then
	mkfifo "$dir/mine/tells"
	timeout 120 /usr/bin/python3 -W ignore "$top/tests/interop/own_channel.py" "$port" "$dir/mine/id" tester \
		<"$dir/mine/tells" >"$dir/mine/own" 2>"$dir/own.log" &
	pids+=($!)
	own=$!
	exec 7>"$dir/mine/tells"
	wait_for '^back' "$dir/mine/own" "$own"
	[ "$(cat "$dir/mine/own")" = "refused 3
news True
unknown False
call True
back x-back@example.org True" ] || fail "a type of its own: $(cat "$dir/mine/own")"
	grep -q "it is not known here" "$dir/own.log" || fail "refused without the program's reason"
fi

# F-01: a session of a handler goes on when control is killed under it, and the next one says how it ended.
mkfifo "$dir/mine/says"
timeout 120 ssh "${opts[@]}" -s 127.0.0.1 greet <"$dir/mine/says" >"$dir/mine/greeted" 2>/dev/null &
pids+=($!)
greeted=$!
exec 6>"$dir/mine/says"
echo one >&6
wait_for ONE "$dir/mine/greeted" "$greeted"
kill -9 "$control_pid"
wait "$control_pid" 2>/dev/null
echo two >&6
wait_for TWO "$dir/mine/greeted" "$greeted"
if [ -n "$own" ]; then
	echo bytes >&7
	wait_for '^bytes True True' "$dir/mine/own" "$own"
	[ "$(grep -c "^aside, of type 1 b'aside\\\\n'" "$dir/handler.log")" = 2 ] || fail "standard error of its client: $(cat "$dir/handler.log")"
fi
start control "$build/control/sluice-control" -f "$dir/sluice.conf" 6>&- 7>&-
control_pid=$pid
wait_for "Server listening on 127.0.0.1 port" "$dir/control.log" "$control_pid"
port=$(sed -n 's/.*Server listening on 127.0.0.1 port \([0-9]*\)\..*/\1/p' "$dir/control.log")
sed -i "s/:[0-9]*\]/:$port]/; s/\]:[0-9]* /]:$port /" "$dir/mine/known_hosts"
opts[-3]=$port # -p PORT -l USER
exec 6>&-
wait "$greeted"
[ "$? $(tail -n 1 "$dir/mine/greeted")" = "2 2 lines" ] || fail "another control, and the subsystem ended so: $(cat "$dir/mine/greeted")"
if [ -n "$own" ]; then # theirs, and what it has opened
	echo requests >&7
	wait_for '^requests True True' "$dir/mine/own" "$own"
	exec 7>&-
	wait "$own"
	grep -q '^end True True' "$dir/mine/own" || fail "its channels ended otherwise: $(cat "$dir/mine/own" "$dir/own.log")"
fi
echo "handler: its channels outlive control"

# One that never reads stops its own channel and no other; one that dies takes its channel along.
head -c 4000000 /dev/zero | tr '\0' '\n' | timeout 60 ssh "${opts[@]}" -s 127.0.0.1 greet >/dev/null 2>&1 &
pids+=($!)
stuck=$!
shown=$(printf 'five\n' | timeout 20 ssh "${opts[@]}" -W echo.internal:7 127.0.0.1)
[ "$shown" = "direct-tcpip: five" ] || fail "beside a stuck one: $shown"
kill "$handler_pid"
wait "$handler_pid" 2>/dev/null
wait "$stuck"
[ $? != 124 ] || fail "its channel outlived it"
echo "handler: a subsystem and a target"

# Channels that the gateway opens: a stock client has an agent where it was asked for, and nothing else.
eval "$(ssh-agent -s)" >/dev/null
pids+=("$SSH_AGENT_PID")
timeout 20 ssh-add -q "$dir/mine/id" || fail "the agent has no key"
start opened python3 "$top/tests/interop/handler_peer.py" "$dir/opened.sock"
opened_pid=$pid
wait_for listening "$dir/opened.log" "$opened_pid"
ssh -o IdentityAgent="$SSH_AUTH_SOCK" -A "${opts[@]}" -N 127.0.0.1 >"$dir/agent.log" 2>&1 &
pids+=($!)
agent_client=$!
ctl() { run "$build/control/sluicectl" "$@"; }
for _ in $(seq 400); do
	uids=$(ctl -n -t show connections user=tester | cut -f1 | sort -n)
	[ "$(wc -w <<<"$uids")" -ge 2 ] && break
	sleep 0.05
done
uid=$(tail -n 1 <<<"$uids")
shown=$(ctl open "$uid" x-news@example.org "$dir/opened.sock" 2>&1) && fail "a stock client took it: $shown"
grep -q "the client refused it, with reason [1-4]" <<<"$shown" || fail "refused otherwise: $shown"
ctl open "$uid" auth-agent@openssh.com "$dir/opened.sock" raw= >"$dir/opened.said" || fail "not opened: $(cat "$dir/opened.said")"
grep -q "$uid\.[0-9]" "$dir/opened.said" || fail "no channel was named: $(cat "$dir/opened.said")"
wait_for closed "$dir/opened.log" "$opened_pid"
grep -q "^channel auth-agent@openssh.com True tester" "$dir/opened.log" || fail "told otherwise: $(cat "$dir/opened.log")"
grep -q "^agent 12 keys 1" "$dir/opened.log" || fail "the agent said: $(cat "$dir/opened.log")"
grep -q "^request False" "$dir/opened.log" || fail "the client said: $(cat "$dir/opened.log")"
grep -q "^ready False 131072" "$dir/opened.log" || fail "not told how much is taken: $(cat "$dir/opened.log")"
[ "$(sed -n '/^packet/,/^closed/p' "$dir/opened.log")" = "packet False
global True 5 False
data True
window 6 1023
another's 1021
open x-news@example.org refused 7 1020 the client refused it
open x11 refused 7 1020 a type that is the gateway's to open
behind its end 1023
closed" ] || fail "its messages and opens: $(cat "$dir/opened.log")"
kill -0 "$agent_client" || fail "its client is gone: $(cat "$dir/agent.log")"
kill "$agent_client"
echo "open: a client's agent for a program; what it does not know it refuses"

# HAProxy before the gateway, and as a target of it.
command -v haproxy >/dev/null || { echo "no haproxy"; return 0; }
read -r by_v1 by_v2 told <<<"$(free_ports 3)"
run tee "$dir/haproxy.cfg" >/dev/null <<CONF
defaults
	mode tcp
	timeout connect 5s
	timeout client 30s
	timeout server 30s
listen v1
	bind 127.0.0.1:$by_v1
	server gateway 127.0.0.1:$port send-proxy source 127.0.0.2
listen v2
	bind 127.0.0.1:$by_v2
	server gateway 127.0.0.1:$port send-proxy-v2 source 127.0.0.2
frontend told
	mode http
	bind 127.0.0.1:$told accept-proxy
	http-request return status 200 content-type text/plain lf-string "client %[src]\n"
CONF
start haproxy haproxy -db -f "$dir/haproxy.cfg"
wait_port "$by_v1"
wait_port "$told"
run sed -i "s/^PermitOpen .*/& localhost:$told/; /^PolicyHook/d" "$dir/sluice.conf"
echo "SendProxyProtocol v2 localhost:$told" | run tee -a "$dir/sluice.conf" >/dev/null
kill -HUP "$control_pid"
for _ in $(seq 1000); do [ "$(grep -c 'configuration was read again' "$dir/control.log")" = 1 ] && break; sleep 0.02; done
known=(-o HostKeyAlias=gateway -o UserKnownHostsFile="$dir/mine/known_gateway")
sed "s/^[^ ]*/gateway/" "$dir/mine/known_hosts" >"$dir/mine/known_gateway"
for by in "$by_v1 127.0.0.3" "$by_v2 127.0.0.4"; do
	shown=$(printf 'GET / HTTP/1.0\r\n\r\n' | timeout 20 ssh "${known[@]}" -p "${by% *}" -b "${by#* }" "${opts[@]}" -W "localhost:$told" 127.0.0.1)
	grep -q "client ${by#* }" <<<"$shown" || fail "the target was told: $shown"
	wait_for "Accepted publickey for tester from ${by#* } port" "$dir/control.log" "$control_pid"
done
# Without a header the balancer is nobody; with one anybody else is.
timeout 20 ssh "${opts[@]}" -b 127.0.0.2 -W "localhost:$http" 127.0.0.1 </dev/null >/dev/null 2>&1 && fail "taken without a header"
exec 4<>"/dev/tcp/127.0.0.1/$port"
printf 'PROXY TCP4 127.0.0.9 127.0.0.1 1 22\r\n' >&4
timeout 10 cat <&4 >/dev/null
exec 4>&-
grep -q '127\.0\.0\.9' "$dir/control.log" && fail "anybody names his address"
echo "PROXY protocol: believed where it may be, sent where it is wanted"
