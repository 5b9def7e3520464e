"""paramiko as a server; see README.md."""
import socket
import sys
import threading

import paramiko

hostkey, authorized = sys.argv[1:]
with open(authorized) as f:
    allowed = {line.split()[1] for line in f if line.strip()}


def load_key():
    for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey, paramiko.DSSKey):
        try:
            return kind.from_private_key_file(hostkey)
        except (paramiko.SSHException, ValueError, IndexError):
            continue
    sys.exit(f"{hostkey}: no key")


class Server(paramiko.ServerInterface):
    def __init__(self):
        self.targets = {}

    def get_allowed_auths(self, _user):
        return "publickey"

    def check_auth_publickey(self, _user, key):
        return paramiko.AUTH_SUCCESSFUL if key.get_base64() in allowed else paramiko.AUTH_FAILED

    def check_channel_direct_tcpip_request(self, chanid, _origin, destination):
        self.targets[chanid] = socket.create_connection(destination, 30)
        return paramiko.OPEN_SUCCEEDED


def copy(read, write):
    while True:
        data = read(65536)
        if not data:
            return
        write(data)


paramiko.Transport.load_server_moduli()  # without them it offers group exchange and cannot
t = paramiko.Transport(socket.socket(fileno=0))
t.add_server_key(load_key())
server = Server()
t.start_server(server=server)
ch = t.accept(60)
if ch is None:
    sys.exit("no channel")
s = server.targets[ch.get_id()]
threading.Thread(target=copy, args=(s.recv, ch.sendall), daemon=True).start()
copy(ch.recv, s.sendall)
ch.close()
t.join(10)
