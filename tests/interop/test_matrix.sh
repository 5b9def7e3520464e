#!/bin/bash
# The interop matrix: peers of many makes against every algorithm both know, in both roles. By default some
# cells of it, with --long all; --save also writes docs/interop.md. Other options are matrix.py's.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/kdc.sh"
: "${SLUICE_BUILD:=$top/build}"
# What needs OpenSSL's legacy provider is made ready when the dataplane starts.
LAB_CONF="Ciphers $("$SLUICE_BUILD/control/sluice-control" -Q cipher | paste -sd,)"
if { [ $# != 0 ] || [ -n "${SLUICE_LONG:-}" ]; } && have_kdc; then
	make_realm $LAB_GW_OUTSIDE 127.0.0.1 localhost -- $LAB_USER root
	export LAB_REALM=1
fi
start_lab
start_pump || exit 1
args=("$@")
if [ -n "${SLUICE_LONG:-}" ] || [[ " $* " == *" --save "* ]]; then
	export SLUICE_LONG=1
elif [ $# = 0 ]; then
	args=(--sample 2 --bytes $((4 << 20)))
fi
# npm's ssh2 and ML-KEM, in a folder that goes with the lab: from here, as the lab has no way out.
if { [ $# != 0 ] || [ -n "${SLUICE_LONG:-}" ]; } && command -v npm node >/dev/null &&
	timeout 120 npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$LAB_DIR/npm" ssh2 @noble/post-quantum >/dev/null 2>&1; then
	export LAB_NPM=$LAB_DIR/npm
fi
export SLUICE_BUILD LAB LAB_DIR LAB_GW_OUTSIDE LAB_PORT LAB_USER LAB_TARGET_ADDR LAB_CONTROL_PID=$lab_control_pid LAB_SIGNER_PID=$lab_signer_pid
check "matrix" lab_in client /usr/bin/python3 "$top/tests/interop/matrix.py" "${args[@]}"
[ ! -f "$LAB_DIR/control.pid" ] || read -r lab_control_pid <"$LAB_DIR/control.pid"
check "the gateway is alive" gateway_alive
