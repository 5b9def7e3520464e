"""paramiko as a client; see README.md."""
import array
import os
import sys

import paramiko

host, port, user, path, target, target_port, size = sys.argv[1:]
size = int(size)


def load_key():
    for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey, paramiko.DSSKey):
        try:
            key = kind.from_private_key_file(path)
        except (paramiko.SSHException, ValueError, IndexError):
            continue
        if os.path.exists(f"{path}-cert.pub"):
            key.load_certificate(f"{path}-cert.pub")
        return key
    sys.exit(f"{path}: no key")


alg = os.environ.get("MATRIX_ALG", "")
gss_kex = alg.startswith("gss-") or alg == "gssapi-keyex"
t = paramiko.Transport((host, int(port)), gss_kex=gss_kex)
t.set_gss_host(host, gssapi_requested=gss_kex or alg.startswith("gssapi"))
t.get_security_options().compression = ("none", "zlib@openssh.com", "zlib")
t.start_client(timeout=30)
if gss_kex:
    t.auth_gssapi_keyex(user)
elif alg == "gssapi-with-mic":
    t.auth_gssapi_with_mic(user, host, False)
else:
    t.auth_publickey(user, load_key())
ch = t.open_channel("direct-tcpip", (target, int(target_port)), ("127.0.0.1", 1), timeout=30)
ch.settimeout(60)
ch.sendall(b"GET %d\n" % size)
data = bytearray()
while len(data) < size:
    piece = ch.recv(65536)
    if not piece:
        break
    data += piece
t.close()
sys.exit(data != array.array("Q", range(size // 8)).tobytes())
