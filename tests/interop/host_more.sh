# Sourced by scripts/unprivileged for test_host.sh: $dir, ${opts[@]}, ports and pids are its.

# The port that was free is told, and another configuration or another control changes nothing about it.
ctl() { run "$build/control/sluicectl" "$@"; }
told() { ctl show listeners --json | grep -q "\"port\":$port,\"state\":\"up\"" && ctl show info --json | grep -q "\"port\":$port"; }
[ "$port" -gt 0 ] && told || { echo "port $port is not in show listeners:"; ctl show listeners; return 1; }
bound=$(sed -n 's/.*Server listening on 127.0.0.1 port \([0-9]*\) rdomain lo\..*/\1/p' "$dir/control.log")
bound_ssh() { timeout 20 ssh -p "$bound" "${opts[@]}" -S "$dir/mine/bound" -o HostKeyAlias="[127.0.0.1]:$port" "$@" 127.0.0.1 </dev/null; }
bound_refuses() { ! bound_ssh -W "localhost:$http" 2>"$dir/bound.log" && grep -q 'Session open refused by peer' "$dir/bound.log"; }
ctl show listeners --json | grep -q "\"rdomain\":\"lo\",\"port\":$bound,\"state\":\"up\"" || { ctl show listeners; return 1; }
bound_ssh -M -f -N || { echo "nobody gets in at port $bound"; return 1; }
bound_refuses || { echo "Match RDomain does not hold"; cat "$dir/bound.log"; return 1; }
ctl reload >/dev/null && told || { echo "port $port is not there after a reload:"; ctl show listeners; return 1; }
kill -9 "$control_pid"
wait "$control_pid" 2>/dev/null
start control2 "$build/control/sluice-control" -f "$dir/sluice.conf"
control_pid=$pid
wait_for "Server listening on 127.0.0.1 port $port\." "$dir/control2.log" "$pid"
told || { echo "port $port is not another control's:"; ctl show listeners; return 1; }
bound_refuses || { echo "Match RDomain does not hold for another control"; cat "$dir/bound.log"; return 1; }
bound_ssh -O exit 2>/dev/null
echo "ListenAddress rdomain lo: $bound, and Match RDomain, also for another control"
echo "ListenAddress 127.0.0.1:0: $port, also after a reload and for another control"

run mkdir -m 0755 "$dir/sock"
start socket python3 "$top/tests/interop/host_peer.py" serve "$dir/sock/s"
for _ in $(seq 400); do [ -S "$dir/sock/s" ] && break; sleep 0.05; done
fds() { ls "/proc/$1/fd" | wc -l; }

python3 "$top/tests/interop/host_peer.py" halves "$forward_unix" "$dir/www/file" || return 1
before_dp=$(fds "$dataplane_pid") before_control=$(fds "$control_pid")
# A reader that takes nothing stops its own channel, and a fetch beside it goes on.
python3 "$top/tests/interop/host_peer.py" stuck "$forward" "$forward" || return 1

# Without interfaces the kernel listens for clients, too.
read -r back <<<"$(free_ports 1)"
ssh "${opts[@]}" -N -o ExitOnForwardFailure=yes -R "$back:localhost:$http" 127.0.0.1 >"$dir/back.log" 2>&1 &
pids+=($!)
wait_port "$back"
[ "$(curl --silent --fail --max-time 60 "http://127.0.0.1:$back/file" | sha256sum)" = "$want" ] || { echo "ssh -R: other bytes"; return 1; }
kill "${pids[-1]}"
wait "${pids[-1]}"
echo "ssh -R: every byte"

refused() { # what a rule does not name
	timeout 20 ssh -o LogLevel=INFO "${opts[@]}" -W "$1" 127.0.0.1 </dev/null >/dev/null 2>"$dir/refused.log" && return 1
	grep -q 'administratively prohibited' "$dir/refused.log"
}
for target in localhost:22 169.254.169.254:80; do
	refused "$target" || { echo "$target was not refused"; cat "$dir/refused.log"; return 1; }
done
echo "targets no rule names: refused"
python3 "$top/tests/interop/host_peer.py" refused "${opts[*]}" "$dir/mine" "$dir/run/control.sock" || return 1

for _ in $(seq 400); do
	[ "$(fds "$dataplane_pid")" -le "$before_dp" ] && [ "$(fds "$control_pid")" -le "$before_control" ] && break
	sleep 0.05
done
[ "$(fds "$dataplane_pid")" -le "$before_dp" ] || { echo "descriptors left in the dataplane"; ls -l "/proc/$dataplane_pid/fd"; return 1; }
[ "$(fds "$control_pid")" -le "$before_control" ] || { echo "descriptors left in control"; return 1; }
echo "no descriptor left behind"
