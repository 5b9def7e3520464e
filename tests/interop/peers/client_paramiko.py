"""paramiko as a client; see README.md."""
import array
import sys

import paramiko

host, port, user, path, target, target_port, size = sys.argv[1:]
size = int(size)


def load_key():
    for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey, paramiko.DSSKey):
        try:
            return kind.from_private_key_file(path)
        except (paramiko.SSHException, ValueError, IndexError):
            continue
    sys.exit(f"{path}: no key")


t = paramiko.Transport((host, int(port)))
t.start_client(timeout=30)
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
