#!/bin/bash
# Dropbear's dbclient against the gateway: login with a key of its own, forward both ways.
. "$(dirname "$0")/lib.sh"
start_lab
lab_random_file "$LAB_DIR/www/file" $((10 << 20))

mkdir -p "$LAB_DIR/home/.ssh"
dropbearkey -t ed25519 -f "$LAB_DIR/db_key" 2>/dev/null | grep '^ssh-ed25519' >>"$LAB_DIR/authorized_keys/$LAB_USER"

forward_by() { # port, further options…
	local port=$1 rc=0 n=200
	shift
	HOME=$LAB_DIR/home lab_spawn client "$LAB_DIR/peer.log" dbclient -y -y -N -i "$LAB_DIR/db_key" "$@" \
		-L "127.0.0.1:$port:$LAB_TARGET_ADDR:8080" -p $LAB_PORT $LAB_USER@$LAB_GW_OUTSIDE
	local pid=$lab_pid
	until lab_in client curl -sf -m 120 -o "$LAB_DIR/got" "http://127.0.0.1:$port/file"; do
		[ $((n -= 1)) -gt 0 ] && kill -0 $pid 2>/dev/null || { rc=1; break; }
		sleep 0.1
	done
	[ $rc = 1 ] || same_file "$LAB_DIR/got" "$LAB_DIR/www/file" || rc=1
	[ $rc = 1 ] || lab_in client curl -sf -m 120 -T "$LAB_DIR/www/file" "http://127.0.0.1:$port/up/copy" || rc=1
	[ $rc = 1 ] || same_file "$LAB_DIR/www/up/copy" "$LAB_DIR/www/file" || rc=1
	lab_stop_pid $pid
	return $rc
}
check "dbclient, its own choice" forward_by 18201
check "dbclient, aes128-ctr" forward_by 18202 -c aes128-ctr
check "dbclient, aes256-ctr with hmac-sha2-256" forward_by 18203 -c aes256-ctr -m hmac-sha2-256
check "dbclient, chacha20-poly1305" forward_by 18204 -c chacha20-poly1305@openssh.com
check "the gateway is alive" gateway_alive
