"""The server of pyssh.py, for what our client knows and no packaged server speaks: ML-KEM, 3des-ctr, X.509 and webauthn keys.

One connection on a socket: key exchanges when the client begins them, users by public key, channels of type direct-tcpip.
What lets a user in is told by accept(name, blob), after the signature was right.
"""
import base64
import hashlib
import select
import socket

import pyssh
from pyssh import Reader, Refused, string, u32

CERT = "-cert-v01@openssh.com"


def webauthn_verify(blob, sig, data):
    """A browser's signature (OpenSSH PROTOCOL.u2f) by the key of a blob, or of the certificate that stands there."""
    r = Reader(blob)
    if CERT in r.text():
        r.string()  # the nonce
    curve, point, application = r.text(), r.string(), r.string()
    s = Reader(sig)
    if s.text() != "webauthn-sk-ecdsa-sha2-nistp256@openssh.com" or curve != "nistp256":
        raise Refused("a signature by another algorithm than agreed")
    raw, flags = s.string(), s.take(5)
    origin, client, extensions = s.string(), s.string(), s.string()
    challenge = base64.urlsafe_b64encode(data).rstrip(b"=")
    if not client.startswith(b'{"type":"webauthn.get","challenge":"' + challenge + b'","origin":"' + origin + b'"') or not flags[0] & 1:
        raise Refused("a browser's signature of something else")
    signed = hashlib.sha256(application).digest() + flags + extensions + hashlib.sha256(client).digest()
    key = pyssh.ec.EllipticCurvePublicKey.from_encoded_point(pyssh.ec.SECP256R1(), point)
    r = Reader(raw)
    first = r.mpint()
    key.verify(pyssh.utils.encode_dss_signature(first, r.mpint()), signed, pyssh.ec.ECDSA(pyssh.hashes.SHA256()))


def verify_user(name, blob, sig, data):
    if name.startswith("webauthn-"):
        webauthn_verify(blob, sig, data)
    else:
        pyssh.verify(name, blob, sig, data)


def certified(blob, ca_blob, user):
    """Is it a certificate of that authority (ssh-ed25519) for this user (OpenSSH PROTOCOL.certkeys)?"""
    r = Reader(blob)
    for _ in range(5):  # type, nonce, curve, point, application
        r.string()
    r.take(8)
    kind = r.u32()
    r.string()
    principals = Reader(r.string())
    r.take(16)
    for _ in range(3):  # options, extensions, reserved
        r.string()
    ca = r.string()
    signed = blob[:len(blob) - len(r.data)]
    pyssh.verify("ssh-ed25519", ca, r.string(), signed)
    names = []
    while principals.data:
        names.append(principals.text())
    return ca == ca_blob and kind == 1 and user in names


class Server(pyssh.Transport):
    role = "s"

    def __init__(self, sock, signer, accept, kex=pyssh.Curve25519, suite=pyssh.Aes128Gcm):
        super().__init__(sock, [signer.name], kex, suite=suite)
        self.signer, self.accept, self.target = signer, accept, None
        self.idents = self.theirs_ident, b"SSH-2.0-pyssh"
        self.exchange()

    def exchange(self, theirs=None):
        theirs = self.begin(theirs)
        method, p = self.method(), self.packet()
        if p[0] != 30:
            raise Refused(f"message {p[0]} in a key exchange")
        init = Reader(p[1:]).string()
        reply, secret = method.respond(init)
        h = pyssh.exchange_hash(*self.idents, theirs, self.ours, self.signer.blob, init, reply, secret=secret)
        self.send(b"\x1f" + string(self.signer.blob) + string(reply) + string(self.signer.sign(h)))
        self.keys(secret, h, (pyssh.S_TO_C, pyssh.C_TO_S))

    def login(self):
        """Until somebody is let in."""
        if (p := self.packet())[0] != 5:
            raise Refused(f"message {p[0]} for a service")
        self.send(b"\x06" + string("ssh-userauth"))
        while not self.let_in(self.packet()):
            self.send(b"\x33" + string("publickey") + b"\0")
        self.send(b"\x34")

    def let_in(self, p):
        r = Reader(p[1:])
        user, _, method = r.text(), r.text(), r.text()
        if p[0] != 50 or method != "publickey":
            return False
        signed, name, blob = r.byte(), r.text(), r.string()
        if not signed:
            raise Refused("a question first")  # ours does not ask
        sig = r.string()
        verify_user(name, blob, sig, string(self.session_id) + p[:-4 - len(sig)])
        return self.accept(user, name, blob)

    # one channel, relayed

    def serve(self):
        self.login()
        self.open(self.packet())
        while True:
            held = bool(self.buffer or self.waiting)
            take = [self.target] if self.window > 0 and not self.at_end else []
            readable, writable, _ = select.select([self.sock] + take, [self.target] if self.out else [], [], 0 if held else 60)
            if not (readable or writable or held):
                raise Refused("nothing moves")
            if writable:
                self.flush()
            if (held or self.sock in readable) and not self.message(self.packet(once=True)):
                return
            if self.target in readable:
                self.relay()

    def open(self, p):
        r = Reader(p[1:])
        if p[0] != 90 or r.text() != "direct-tcpip":
            raise Refused(f"message {p[0]} for a channel")
        self.peer, self.window, self.most = r.u32(), r.u32(), r.u32()
        self.target = socket.create_connection((r.text(), r.u32()), 30)
        self.target.setblocking(False)
        self.out, self.at_end = bytearray(), False
        self.send(b"\x5b" + u32(self.peer) + u32(0) + u32(pyssh.WINDOW) + u32(pyssh.PACKET))

    def message(self, p):
        """False: it was the last."""
        if p is None:
            return True
        r = Reader(p[1:])
        r.u32()
        if p[0] == 93:
            self.window += r.u32()
        elif p[0] == 94:
            self.out += r.string()
        elif p[0] == 97:
            self.send(b"\x61" + u32(self.peer))
            return False
        return True

    def flush(self):
        """What went to the target may come again from the client."""
        n = self.target.send(self.out)
        del self.out[:n]
        self.send(b"\x5d" + u32(self.peer) + u32(n))

    def relay(self):
        data = self.target.recv(min(self.window, self.most, 32000))
        self.window -= len(data)
        self.at_end = not data
        self.send(b"\x5e" + u32(self.peer) + string(data) if data else b"\x60" + u32(self.peer))
