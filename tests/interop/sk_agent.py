#!/usr/bin/env python3
"""An authentication agent with one security key in software (OpenSSH PROTOCOL.u2f, PROTOCOL.agent).

    sk_agent.py SOCKET PUBFILE ed25519|ecdsa|webauthn [CERTFILE [PEMFILE]]

Writes the public key (of the private one in PEMFILE, if that is given), says "ready", and answers until it is ended. SIGUSR1 takes the finger off the
key and puts it back: the user-presence flag is clear while it is off. A webauthn token signs what a
browser would.
"""
import base64
import hashlib
import json
import os
import signal
import socket
import struct
import sys

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils

APPLICATION = b"ssh:"
ORIGIN = b"https://sluice.example"


def string(b):
    return struct.pack(">I", len(b)) + b


def mpint(n):
    return string(n.to_bytes(n.bit_length() // 8 + 1, "big"))


def blob_of(line):
    return base64.b64decode(line.split()[1])


class Reader:
    def __init__(self, data):
        self.data = data

    def take(self, n):
        out, self.data = self.data[:n], self.data[n:]
        return out

    def string(self):
        return self.take(struct.unpack(">I", self.take(4))[0])


class Token:
    def __init__(self, kind, pem=None):
        self.webauthn = kind == "webauthn"
        self.counter = 0
        self.touched = True
        self.key = None
        if pem is not None:
            with open(pem, "rb") as f:
                self.key = serialization.load_pem_private_key(f.read(), None)
        if kind == "ed25519":
            self.key = self.key or ed25519.Ed25519PrivateKey.generate()
            raw = self.key.public_key().public_bytes(
                serialization.Encoding.Raw, serialization.PublicFormat.Raw)
            self.type = b"sk-ssh-ed25519@openssh.com"
            self.blob = string(self.type) + string(raw) + string(APPLICATION)
        else:
            self.key = self.key or ec.generate_private_key(ec.SECP256R1())
            point = self.key.public_key().public_bytes(
                serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
            self.type = b"sk-ecdsa-sha2-nistp256@openssh.com"
            self.blob = string(self.type) + string(b"nistp256") + string(point) + string(APPLICATION)

    def signer(self, name, cert):
        """Itself as pyssh.py's Signer, with the certificate of a file when the algorithm is one of certificates."""
        self.name = name
        if "-cert-v01" in name:
            with open(cert, "rb") as f:
                self.blob = blob_of(f.read())
        return self

    def line(self):
        return "%s %s token\n" % (self.type.decode(), base64.b64encode(self.blob).decode())

    def sign(self, data):
        self.counter += 1
        tail = bytes([1 if self.touched else 0]) + struct.pack(">I", self.counter)
        name, message, more = self.type, data, b""
        if self.webauthn:
            challenge = base64.urlsafe_b64encode(data).rstrip(b"=").decode()
            message = json.dumps(
                {"type": "webauthn.get", "challenge": challenge, "origin": ORIGIN.decode(),
                 "crossOrigin": False}, separators=(",", ":")).encode()
            name = b"webauthn-" + name
            more = string(ORIGIN) + string(message) + string(b"")
        signed = hashlib.sha256(APPLICATION).digest() + tail + hashlib.sha256(message).digest()
        if isinstance(self.key, ed25519.Ed25519PrivateKey):
            sig = self.key.sign(signed)
        else:
            r, s = utils.decode_dss_signature(self.key.sign(signed, ec.ECDSA(hashes.SHA256())))
            sig = mpint(r) + mpint(s)
        return string(name) + string(sig) + tail + more


def answer(token, cert, request):
    r = Reader(request)
    kind = r.take(1)[0]
    blobs = [token.blob] + ([cert] if cert else [])
    if kind == 11:  # SSH_AGENTC_REQUEST_IDENTITIES
        return b"\x0c" + struct.pack(">I", len(blobs)) + b"".join(
            string(b) + string(b"token") for b in blobs)
    if kind == 13 and r.string() in blobs:  # SSH_AGENTC_SIGN_REQUEST
        return b"\x0e" + string(token.sign(r.string()))
    return b"\x05"


def serve(conn, token, cert):
    data = b""
    while True:
        more = conn.recv(65536)
        if not more:
            return
        data += more
        while len(data) >= 4 and len(data) >= 4 + struct.unpack(">I", data[:4])[0]:
            n = struct.unpack(">I", data[:4])[0]
            conn.sendall(string(answer(token, cert(), data[4:4 + n])))
            data = data[4 + n:]


def main():
    path, pub, kind = sys.argv[1:4]
    token = Token(kind, sys.argv[5] if len(sys.argv) > 5 else None)
    with open(pub, "w") as f:
        f.write(token.line())

    def cert():  # it may be made later
        if len(sys.argv) < 5 or not os.path.exists(sys.argv[4]):
            return None
        with open(sys.argv[4]) as f:
            return blob_of(f.read())

    def finger(signum, frame):
        token.touched = not token.touched

    signal.signal(signal.SIGUSR1, finger)
    s = socket.socket(socket.AF_UNIX)
    s.bind(path)
    s.listen(4)
    print("ready", flush=True)
    while True:
        conn, _ = s.accept()
        try:
            serve(conn, token, cert)
        except OSError:
            pass
        conn.close()


if __name__ == "__main__":
    main()
