# tests/interop/soft.sh - what tests need that run a gateway without namespaces, by the small dataplane of
# the tests (softplane) on a port of loopback; to be sourced. lib.sh is for those with namespaces.
#
# Gives: $dir, a folder that goes at the end, as do the processes in pids; check(), refused(), wait_for(),
# port_of(), serve_files().
set -u
export SLUICE_KEYS_IN_CONTROL=yes # where a test runs no sluice-signer
dir=$(mktemp -d "${TMPDIR:-/tmp}/sluice-test.XXXXXX")
chmod 755 "$dir"
pids=()
failures=0
finish() {
	for p in "${pids[@]}"; do kill "$p" 2>/dev/null; wait "$p" 2>/dev/null; done
	rm -rf "$dir"
}
trap finish EXIT

check() { # what, command…: counts and goes on; what it said is in $dir/out
	local what=$1
	shift
	if "$@" >"$dir/out" 2>&1; then
		echo "ok: $what"
	else
		echo "FAILED: $what"
		tail -n 5 "$dir/out"
		failures=$((failures + 1))
	fi
}
refused() { ! "$@"; }

wait_for() { # pattern, file
	for _ in $(seq 600); do grep -q -- "$1" "$2" 2>/dev/null && return; sleep 0.05; done
	echo "FAILED: no \"$1\" in $2"
	tail -n 20 "$dir"/*.log
	exit 1
}

port_of() { # the log of softplane or of an echo, whose port it says first
	wait_for '^port ' "$1" >&2
	sed -n 's/^port //p' "$1"
}

serve_files() { # port: the folder by HTTP on loopback, from the word "serving" in http.log on
	python3 -c '
import http.server, functools, sys
h = functools.partial(http.server.SimpleHTTPRequestHandler, directory=sys.argv[1])
s = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), h)
print("serving", flush=True)
s.serve_forever()' "$dir" "$1" >"$dir/http.log" 2>&1 & pids+=($!)
}
