# tests/chaos/kinds.sh - a user of the gateway's machine for tunnels that its own kernel has a part in: programs,
# terminals, UNIX sockets, loopback. To be sourced first, with "$@": the test goes on in a mount namespace.
[ "$(id -u)" = 0 ] || { echo "another user needs root"; exit 77; }
if [ -z "${INSIDE:-}" ]; then
	unshare -m true 2>/dev/null || { echo "no mount namespaces"; exit 77; }
	INSIDE=1 exec unshare -m "$0" "$@"
fi
. "$(dirname "${BASH_SOURCE[0]}")/../interop/lib.sh"
cp -a /etc "$LAB_DIR/etc" && mount --bind "$LAB_DIR/etc" /etc || { echo "no bind mounts"; exit 77; }
sed -i '/^demo:/d' /etc/passwd /etc/group
echo "demo:x:64996:64996::$LAB_DIR/demo:/bin/sh" >>/etc/passwd
echo "demo:x:64996:" >>/etc/group
mkdir -m 700 "$LAB_DIR/demo"
chown 64996:64996 "$LAB_DIR/demo"
LAB_CONF="PermitSession yes
PermitStreamLocal $LAB_DIR/demo/*
PermitStreamLocalListen $LAB_DIR/demo/*
PermitOpen 127.0.0.1:* *:*
"
