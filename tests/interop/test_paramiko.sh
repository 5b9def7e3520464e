#!/bin/bash
# paramiko against the gateway: keys and password, direct-tcpip both ways, rekey in the middle.
. "$(dirname "$0")/lib.sh"
LAB_CONF="PasswordAuthentication yes
PasswordHashFile $LAB_DIR/passwd"
echo "$LAB_USER:$(openssl passwd -6 'correct horse')" >"$LAB_DIR/passwd"
chmod 600 "$LAB_DIR/passwd"
start_lab
start_pump || exit 1
for t in ecdsa rsa; do
	ssh-keygen -q -t $t -N '' -m PEM -f "$LAB_DIR/user_$t"
	cat "$LAB_DIR/user_$t.pub" >>"$LAB_DIR/authorized_keys/$LAB_USER"
done
check "paramiko" lab_in client /usr/bin/python3 "$top/tests/interop/paramiko_peer.py" \
	--host $LAB_GW_OUTSIDE --port $LAB_PORT --user $LAB_USER --password 'correct horse' \
	--hostkey "$LAB_DIR/host_ed25519.pub" --keys "$LAB_DIR/id_ed25519" "$LAB_DIR/user_ecdsa" "$LAB_DIR/user_rsa" \
	--target $LAB_TARGET_ADDR:9000 --bytes $((8 << 20))
check "the gateway is alive" gateway_alive
