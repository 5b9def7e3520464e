"""Lets sluice ssh in by a password and by a key with a passphrase, and sluice tunnel by a key, changes keys, and looks for
what was secret in their memory.

memory_scan_client.py SLUICE FOLDER: FOLDER has password, wrong, passphrase, the key "locked" with that passphrase and the
key "rsa" without one. A line for each secret that is still there; exit status 1 then, or when nothing would be seen.
"""
import hashlib
import os
import socket
import subprocess
import sys
import threading

import paramiko
from cryptography.hazmat.primitives import serialization

from memory_scan import found, remains

PATIENCE_S = 60


class Transport(paramiko.Transport):
    """Keeps what both sides have agreed on."""

    def _set_K_H(self, k, h):
        super()._set_K_H(k, h)
        agreed = {"the shared secret": k.to_bytes((k.bit_length() + 7) // 8, "big")}
        for name, size in ("C", 16), ("D", 16), ("E", 32), ("F", 32):
            agreed[f"key {name}"] = self._compute_key(name, size)
        self.__dict__.setdefault("exchanges", []).append(agreed)


class Server(paramiko.ServerInterface):
    def __init__(self, password):
        self.password, self.is_in = password, threading.Event()

    def get_allowed_auths(self, user):
        return "password,publickey"

    def check_auth_password(self, user, text):
        return paramiko.AUTH_SUCCESSFUL if text == self.password else paramiko.AUTH_FAILED

    def check_auth_publickey(self, user, key):
        return paramiko.AUTH_SUCCESSFUL

    def check_channel_request(self, kind, number):
        return paramiko.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel, command):
        self.is_in.set()
        return True

    def check_port_forward_request(self, address, port):
        self.is_in.set()
        return port


def ed25519(path, passphrase):
    """The seed, and what signatures are made with."""
    with open(path, "rb") as f:
        key = serialization.load_ssh_private_key(f.read(), passphrase)
    seed = key.private_bytes(serialization.Encoding.Raw, serialization.PrivateFormat.Raw, serialization.NoEncryption())
    return {"the seed of the key": seed, "the scalar of the key": hashlib.sha512(seed).digest()[1:31]}


def rsa(path):
    """Its numbers as a file has them and as they lie in memory, and the file itself."""
    with open(path, "rb") as f:
        text = f.read()
    n = serialization.load_ssh_private_key(text, None).private_numbers()
    numbers = {"d": n.d, "p": n.p, "q": n.q, "dmp1": n.dmp1, "dmq1": n.dmq1, "iqmp": n.iqmp}
    secrets = {f"{k} of the key": v.to_bytes((v.bit_length() + 7) // 8, order) for k, v in numbers.items() for order in ("big",)}
    secrets.update({f"{k} of the key, as numbers are kept": v.to_bytes((v.bit_length() + 7) // 8, "little") for k, v in numbers.items()})
    secrets["the text of the key"] = text.splitlines()[-4]
    return secrets


def scan(what, command, secrets, listener, password):
    """The program is let in and waits. False: something is left."""
    p = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=dict(
        os.environ, SSH_ASKPASS=os.path.abspath("askpass"), SSH_ASKPASS_REQUIRE="force"))
    sock, _ = listener.accept()
    server, transport = Server(password), Transport(sock)
    transport.add_server_key(paramiko.RSAKey(filename="rsa"))
    transport.start_server(server=server)
    try:
        if not server.is_in.wait(PATIENCE_S):
            print(f"{what}: it was not let in")
            return False
        if not found(p.pid, {"key C": transport.exchanges[0]["key C"]}):
            print(f"{what}: a key that is in use is not seen: nothing would be")
            return False
        transport.renegotiate_keys()
        before, now = transport.exchanges
        secrets = dict(secrets, **{f"{k} of before": v for k, v in before.items()}, shared=now["the shared secret"])
        left = remains({what: (p.pid, secrets)})
        for _, name in left:
            print(f"{what}: it still has {name}")
        return not left
    finally:
        p.kill()
        p.wait()
        transport.close()


def main(sluice, folder):
    os.chdir(folder)
    password, wrong, passphrase = (open(n).read().strip() for n in ("password", "wrong", "passphrase"))
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(PATIENCE_S)
    with open("client.conf", "w") as f:
        f.write(f"""Host box
	Hostname 127.0.0.1
	Port {listener.getsockname()[1]}
	User demo
	StrictHostKeyChecking no
	UserKnownHostsFile /dev/null
	GlobalKnownHostsFile none
	IdentityAgent none
	RemoteForward 127.0.0.1:2201 127.0.0.1:2202
""")
    with open("askpass", "w") as f:  # the first answer is wrong
        f.write('#!/bin/sh\nif mkdir "asked.$ANSWER" 2>/dev/null; then cat wrong; else cat "$ANSWER"; fi\n')
    os.chmod("askpass", 0o700)
    ssh = [sluice, "ssh", "-F", "client.conf", "-o", "ClearAllForwardings=yes"]
    drawn = {"the wrong answer": wrong.encode()}
    ok = True
    for what, answer, command, secrets in (
            ("ssh by a password", "password", [*ssh, "-o", "IdentityFile=none", "box", "wait"],
             dict(drawn, password=password.encode())),
            ("ssh by a key with a passphrase", "passphrase", [*ssh, "-i", "locked", "-o", "IdentitiesOnly=yes", "box", "wait"],
             dict(drawn, passphrase=passphrase.encode(), **ed25519("locked", passphrase.encode()))),
            ("tunnel by a key", "password", [sluice, "tunnel", "-F", "client.conf", "-i", "rsa", "box"], rsa("rsa"))):
        os.environ["ANSWER"] = answer
        ok &= scan(what, command, secrets, listener, password)
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
