# tests/interop/lib.sh - one gateway in namespaces of its own for an interop test; to be sourced.
#
# Gives: the functions of scripts/lab.sh, start_lab(), check(), and a clean-up at exit that fails the
# test when the gateway died or a sanitizer spoke.
set -u
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
[ "$(id -u)" = 0 ] || { echo "namespaces need root"; exit 77; }
: "${SLUICE_BUILD:=$top/build}"
LAB=slt-$$-$RANDOM
LAB_DIR=$(mktemp -d "${TMPDIR:-/tmp}/sluice-test.XXXXXX")
LAB_PORT=22
. "$top/scripts/lab.sh"
chmod 755 "$LAB_DIR"

failures=0
check() { # what, command…: counts and goes on
	local what=$1
	shift
	if "$@"; then
		echo "ok: $what"
	else
		echo "FAILED: $what"
		failures=$((failures + 1))
	fi
}

gateway_alive() { kill -0 "$lab_dataplane_pid" 2>/dev/null && kill -0 "$lab_control_pid" 2>/dev/null; }

finish() {
	local rc=$? log
	trap - EXIT
	if [ -n "${lab_control_pid:-}" ]; then
		gateway_alive || { echo "FAILED: the gateway died"; failures=$((failures + 1)); }
		lab_stop_pid "$lab_control_pid"
		lab_stop_pid "$lab_dataplane_pid"
	fi
	for log in control dataplane; do
		if grep -qE 'ERROR: (Address|Leak)Sanitizer|LeakSanitizer has encountered|runtime error:|Assertion' "$LAB_DIR/$log.log" 2>/dev/null; then
			echo "FAILED: $log.log:"
			grep -E -A25 'ERROR: (Address|Leak)Sanitizer|LeakSanitizer has encountered|runtime error:|Assertion' "$LAB_DIR/$log.log" | head -80
			failures=$((failures + 1))
		fi
	done
	if [ "$failures" -gt 0 ] || [ "$rc" != 0 ]; then
		for log in control dataplane ssh peer; do
			[ ! -f "$LAB_DIR/$log.log" ] || { echo "--- $log.log"; tail -25 "$LAB_DIR/$log.log"; }
		done
	fi
	lab_down
	[ "$failures" = 0 ] || exit 1
	exit $rc
}
trap finish EXIT
trap 'exit 130' INT TERM

start_lab() { # with the gateway and a file server
	lab_up || exit 1
	lab_configure
	lab_fileserver_start || exit 1
	lab_gateway_start "$SLUICE_BUILD" || exit 1
}

# A server on the target's port 9000 that keeps sending after the client's end of input, which
# nginx does not: a source and sink of checked bytes.
start_pump() {
	lab_spawn target "$LAB_DIR/pump.log" "$SLUICE_BUILD/perf/pump" serve $LAB_TARGET_ADDR 9000
	lab_wait_log "$lab_pid" "$LAB_DIR/pump.log" serving 10
}

same_file() { cmp -s "$1" "$2"; }
