#!/bin/bash
# The gateway's outside on net_memif: DPDK's own testpmd forwards between the shared-memory
# interface and the veth end of the client. Another driver, and a peer process that keeps buffers.
. "$(dirname "$0")/lib.sh"
command -v dpdk-testpmd >/dev/null || { echo "no dpdk-testpmd (package dpdk-dev)"; exit 77; }
[ "$(nproc)" -ge 2 ] || { echo "testpmd wants two cores"; exit 77; }

lab_up || exit 1
LAB_OUTSIDE="net_memif0,role=server,id=0,socket=$LAB_DIR/memif.sock,socket-abstract=no"
lab_configure
start_pump || exit 1
lab_gateway_start "$SLUICE_BUILD" || exit 1
mkdir "$LAB_DIR/pmd"
lab_spawn gw "$LAB_DIR/peer.log" env RUNTIME_DIRECTORY="$LAB_DIR/pmd" dpdk-testpmd -l 0,1 --no-huge -m 256 --no-pci \
	--no-shconf --no-telemetry \
	--vdev "net_memif0,role=client,id=0,socket=$LAB_DIR/memif.sock,socket-abstract=no" \
	--vdev "net_af_packet0,iface=outside,framesz=2048,framecnt=1024,blocksz=65536" \
	-- --forward-mode=io --auto-start --no-mlockall --total-num-mbufs=16384 --stats-period 1
lab_wait_log "$lab_pid" "$LAB_DIR/peer.log" 'Press enter to exit|Port statistics' 30 || exit 1

mapfile -t opts < <(lab_ssh_opts)
bytes=$((32 << 20))
[ -z "${SLUICE_LONG:-}" ] || bytes=$((1 << 30))
carry() { # get|put
	lab_in client timeout 120 "$SLUICE_BUILD/perf/pump" "$1" $bytes -- \
		ssh "${opts[@]}" -W "$LAB_TARGET_ADDR:9000" "$LAB_USER@$LAB_GW_OUTSIDE" 2>>"$LAB_DIR/ssh.log"
}
check "from the target over net_memif" carry get
check "to the target over net_memif" carry put
check "the gateway is alive" gateway_alive
