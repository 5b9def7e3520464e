# Sourced by scripts/unprivileged for test_fds.sh.

# What is little is said at start, by both.
grep -q 'no more than 64 descriptors.*MaxHostStreams and MaxConnections may need' "$dir/dataplane.log" || return 1
run prlimit --nofile=32:64 "$build/control/sluice-control" -f "$dir/sluice.conf" >"$dir/few.log" 2>&1 # and goes: one is here
grep 'no more than 64 descriptors.*MaxConnecting 8192' "$dir/few.log" || return 1

python3 - "$forward" "$port" "/proc/$dataplane_pid/fd" <<'PY' || return 1
import os, socket, sys, time

forward, port, fds = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
request = b"GET /file HTTP/1.0\r\n\r\n"


def fetch(timeout):
    c = socket.create_connection(("127.0.0.1", forward))
    c.settimeout(timeout)
    c.sendall(request)
    n = 0
    while b := c.recv(1 << 16):
        n += len(b)
    return n


def wait_fds(least):
    deadline = time.monotonic() + 30
    while len(os.listdir(fds)) < least and time.monotonic() < deadline:
        time.sleep(0.05)
    if len(os.listdir(fds)) < least:
        sys.exit(f"{len(os.listdir(fds))} descriptors, and not {least}")


# Channels that say nothing, and clients that say nothing: more than there are descriptors.
before = len(os.listdir(fds))
first = socket.create_connection(("127.0.0.1", forward))
wait_fds(before + 1)
held = [socket.create_connection(("127.0.0.1", forward)) for _ in range(48)]
strangers = [socket.create_connection(("127.0.0.1", port)) for _ in range(48)]
wait_fds(62)
# One that was there goes on.
first.settimeout(60)
first.sendall(request)
n = 0
while b := first.recv(1 << 16):
    n += len(b)
if n < 1 << 20:
    sys.exit(f"{n} bytes of a channel that was there")
print("at the limit: a channel that was there goes on")
for c in held + strangers:
    c.close()
deadline = time.monotonic() + 60
while time.monotonic() < deadline:
    try:
        if fetch(10) >= 1 << 20:
            print("with descriptors again: new channels")
            sys.exit(0)
    except OSError:
        pass
    time.sleep(0.2)
sys.exit("no new channel")
PY
kill -0 "$dataplane_pid" && kill -0 "$control_pid"
