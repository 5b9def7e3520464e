"""A small SSH client of the tests' own, for what no packaged peer speaks (X.509 keys, webauthn, ML-KEM); pyssh_server.py is its server.

One key exchange (curve25519-sha256, or one a caller brings), one cipher (aes128-gcm@openssh.com, or one with a MAC of pyssh_mac.py),
logins by any signer, channels of type direct-tcpip, and a new key exchange when the caller or the server wants one. RFC 4252,
4253, 4254, 5656, 6187, 8308, 8709, 8731, 8332; RFC 5647 as OpenSSH has it. It checks what a client must and is as slow as it is short.
"""
import hashlib
import hmac
import os
import socket
import struct

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, padding, rsa, utils, x25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

WINDOW, PACKET = 2 << 20, 32768
RAW = serialization.Encoding.Raw, serialization.PublicFormat.Raw
HASH = {"nistp256": hashes.SHA256, "nistp384": hashes.SHA384, "nistp521": hashes.SHA512}
CURVE = {"nistp256": ec.SECP256R1, "nistp384": ec.SECP384R1, "nistp521": ec.SECP521R1}


class Refused(Exception):
    """What the other side said no to, or what it did wrong."""


# --- the wire (RFC 4251 section 5) ------------------------------------------------------------------

def u32(n):
    return struct.pack(">I", n)


def string(b):
    b = b.encode() if isinstance(b, str) else b
    return u32(len(b)) + b


def mpint(n):
    return string(n.to_bytes(n.bit_length() // 8 + 1, "big") if n else b"")


class Reader:
    def __init__(self, data):
        self.data = memoryview(data)

    def take(self, n):
        if n > len(self.data):
            raise Refused("a message is too short")
        out, self.data = bytes(self.data[:n]), self.data[n:]
        return out

    def byte(self):
        return self.take(1)[0]

    def u32(self):
        return struct.unpack(">I", self.take(4))[0]

    def string(self):
        return self.take(self.u32())

    def text(self):
        return self.string().decode()

    def mpint(self):
        return int.from_bytes(self.string(), "big")

    def names(self):
        return [n for n in self.text().split(",") if n]


# --- signatures -------------------------------------------------------------------------------------

def x509_chain(blob):
    """The DER certificates of a blob of RFC 6187 section 2.1, or of the older form, which is one alone."""
    if blob[:1] == b"\x30":
        return [blob]
    r = Reader(blob)
    r.string()
    chain = [r.string() for _ in range(r.u32())]
    for _ in range(r.u32()):
        r.string()  # OCSP responses
    return chain


def x509_blob(name, chain):
    if name.startswith("x509v3-sign-"):
        return chain[0]
    return string(name) + u32(len(chain)) + b"".join(map(string, chain)) + u32(0)


def inner(name):
    """The name in front of a signature (RFC 6187 sections 3 and 4)."""
    return name if name.startswith("x509v3-sign-") or not name.startswith("x509v3-") else name[len("x509v3-"):]


def rsa_hash(name):
    if name in ("rsa-sha2-256", "x509v3-rsa2048-sha256"):
        return hashes.SHA256()
    return hashes.SHA512() if name == "rsa-sha2-512" else hashes.SHA1()


def sign_with(key, name, data):
    """The signature blob of a private key of python3-cryptography."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        sig = key.sign(data)
    elif isinstance(key, rsa.RSAPrivateKey):
        sig = key.sign(data, padding.PKCS1v15(), rsa_hash(name))
    elif isinstance(key, dsa.DSAPrivateKey):
        r, s = utils.decode_dss_signature(key.sign(data, hashes.SHA1()))
        sig = r.to_bytes(20, "big") + s.to_bytes(20, "big")
    else:
        r, s = utils.decode_dss_signature(key.sign(data, ec.ECDSA(HASH[name[-8:]]())))
        sig = mpint(r) + mpint(s)
    return string(inner(name)) + string(sig)


def public_of(name, blob):
    if name.startswith("x509v3-"):
        if not name.startswith("x509v3-sign-") and Reader(blob).text() != name:
            raise Refused("a key of another type than agreed")
        return x509.load_der_x509_certificate(x509_chain(blob)[0]).public_key()
    r = Reader(blob)
    kind = r.text()
    if kind == "ssh-ed25519":
        return ed25519.Ed25519PublicKey.from_public_bytes(r.string())
    if kind.startswith("ecdsa-"):
        return ec.EllipticCurvePublicKey.from_encoded_point(CURVE[r.text()](), r.string())
    if kind == "ssh-rsa":
        e = r.mpint()
        return rsa.RSAPublicNumbers(e, r.mpint()).public_key()
    raise Refused(f"keys of type {kind} are not known here")


def verify(name, blob, sig, data):
    """Raises when sig is no signature of data by the key of the blob, under the algorithm of this name."""
    key, r = public_of(name, blob), Reader(sig)
    if r.text() != inner(name):
        raise Refused("a signature by another algorithm than agreed")
    raw = r.string()
    if isinstance(key, ed25519.Ed25519PublicKey):
        key.verify(raw, data)
    elif isinstance(key, rsa.RSAPublicKey):
        key.verify(raw, data, padding.PKCS1v15(), rsa_hash(name))
    elif isinstance(key, dsa.DSAPublicKey):
        pair = utils.encode_dss_signature(int.from_bytes(raw[:20], "big"), int.from_bytes(raw[20:], "big"))
        key.verify(pair, data, hashes.SHA1())
    else:
        r = Reader(raw)
        first = r.mpint()
        key.verify(utils.encode_dss_signature(first, r.mpint()), data, ec.ECDSA(HASH[name[-8:]]()))


class Signer:
    """A user's key: the algorithm a login names, the public blob, and sign(data), the signature blob."""

    def __init__(self, name, key, blob):
        self.name, self.key, self.blob = name, key, blob

    def sign(self, data):
        return sign_with(self.key, self.name, data)


def x509_signer(name, key, chain):
    return Signer(name, key, x509_blob(name, chain))


# --- key exchange -----------------------------------------------------------------------------------

class Curve25519:
    """RFC 8731. Others have the same three: names, init() of ours, and secret() of theirs, encoded for the hash."""
    names = "curve25519-sha256", "curve25519-sha256@libssh.org"

    def init(self):
        self.key = x25519.X25519PrivateKey.generate()
        return self.key.public_key().public_bytes(*RAW)

    def respond(self, theirs):
        """A server's value and the secret, encoded."""
        ours = self.init()
        return ours, self.secret(theirs)

    def secret(self, theirs):
        return mpint(int.from_bytes(self.key.exchange(x25519.X25519PublicKey.from_public_bytes(theirs)), "big"))


class Half:
    """One direction: aes128-gcm@openssh.com, or nothing before the first keys."""

    def __init__(self, key=None, iv=None):
        self.aead = AESGCM(key) if key else None
        self.fixed, self.counter = (iv[:4], int.from_bytes(iv[4:12], "big")) if iv else (None, 0)

    def nonce(self):
        n = self.fixed + struct.pack(">Q", self.counter)
        self.counter = (self.counter + 1) & (2 ** 64 - 1)
        return n

    def seal(self, payload):
        block, outside = (16, 0) if self.aead else (8, 4)
        pad = block - (outside + 1 + len(payload)) % block
        pad += block if pad < 4 else 0
        body = bytes([pad]) + payload + os.urandom(pad)
        head = u32(len(body))
        return head + (self.aead.encrypt(self.nonce(), body, head) if self.aead else body)

    def open(self, read):
        head = read(4)
        n = struct.unpack(">I", head)[0]
        if n > 1 << 18:
            raise Refused("a packet of %d bytes" % n)
        body = read(n + (16 if self.aead else 0))
        if self.aead:
            body = self.aead.decrypt(self.nonce(), body, head)
        return body[1:n - body[0]]


class Aes128Gcm:
    """The suite that is used when a caller brings no other: names, and a direction's half of the keys, which key(letter, length) derives."""
    cipher, mac = "aes128-gcm@openssh.com", "hmac-sha2-256"

    @staticmethod
    def half(key, letters):
        return Half(key(letters[1], 16), key(letters[0], 12))


class Transport:
    """What both roles have: packets, lists, keys. Of a rekey only this: it begins when the other side's KEXINIT comes, or with rekey()."""
    role = "c"

    def __init__(self, sock, hostkey_algs, kex, compression="none", suite=Aes128Gcm):
        self.sock, self.algs, self.method, self.compression, self.suite = sock, list(hostkey_algs), kex, compression, suite
        sock.settimeout(60)
        self.tx, self.rx = Half(), Half()
        self.buffer, self.session_id, self.exchanges = bytearray(), None, 0
        self.sig_algs, self.all_sig_algs, self.banner = None, [], b""
        self.ours, self.waiting = None, []
        sock.sendall(b"SSH-2.0-pyssh\r\n")
        while not (line := self.line()).startswith(b"SSH-"):
            pass
        self.theirs_ident = line

    # packets

    def line(self):
        while (i := self.buffer.find(b"\n")) < 0:
            self.fill()
        line = bytes(self.buffer[:i]).rstrip(b"\r")
        del self.buffer[:i + 1]
        return line

    def fill(self):
        more = self.sock.recv(1 << 17)
        if not more:
            raise Refused("the connection was closed")
        self.buffer += more

    def read(self, n):
        while len(self.buffer) < n:
            self.fill()
        out = bytes(self.buffer[:n])
        del self.buffer[:n]
        return out

    def send(self, payload):
        self.sock.sendall(self.tx.seal(payload))

    def packet(self, once=False):
        """The next payload that is for whoever asks; the rest is dealt with. None: one was, and the caller has other things to do."""
        while True:
            p = self.waiting.pop(0) if self.waiting and self.ours is None else self.rx.open(self.read)
            if p[0] == 1:
                r = Reader(p[1:])
                reason = r.u32()
                raise Refused(f"disconnected ({reason}): {r.text()}")
            if p[0] == 7:
                self.ext_info(Reader(p[1:]))
            elif p[0] == 20 and self.session_id is not None and self.ours is None:
                self.exchange(p)
            elif p[0] == 53:
                self.banner += Reader(p[1:]).string()
            elif p[0] == 80 and self.ours is None:
                self.global_request(Reader(p[1:]))
            elif p[0] not in (2, 3, 4):
                return p
            if once:
                return None

    def ext_info(self, r):
        for _ in range(r.u32()):
            name, value = r.text(), r.string()
            if name == "server-sig-algs":
                self.sig_algs = value.decode().split(",")
                self.all_sig_algs.append(self.sig_algs)

    def global_request(self, r):
        r.string()
        if r.byte():
            self.send(b"\x52")

    # key exchange

    def kexinit(self):
        markers = "" if self.session_id else f",ext-info-{self.role},kex-strict-{self.role}-v00@openssh.com"
        first = [",".join(self.method.names) + markers, ",".join(self.algs)]
        rest = [self.suite.cipher] * 2 + [self.suite.mac] * 2 + [self.compression] * 2 + [""] * 2
        return b"\x14" + os.urandom(16) + b"".join(map(string, first + rest)) + bytes(5)

    def rekey(self):
        """Now, from our side."""
        self.exchange()

    def begin(self, theirs):
        """Our KEXINIT and theirs, when it has not come before; the lists of both that decide."""
        self.ours = self.kexinit()
        self.send(self.ours)
        while theirs is None:  # what was under way comes first
            p = self.packet()
            if p[0] == 20:
                theirs = p
            elif self.session_id is None:
                raise Refused(f"message {p[0]} in a key exchange")
            else:
                self.waiting.append(p)
        r = Reader(theirs[17:])
        kex, algs = r.names(), r.names()
        first, second = (self.algs, algs) if self.role == "c" else (algs, self.algs)
        self.hostkey_alg = next((a for a in first if a in second), None)
        if not any(n in kex for n in self.method.names) or self.hostkey_alg is None:
            raise Refused(f"nothing in common: {kex} {algs}")
        if self.session_id is None and not any(n.startswith("kex-strict-") for n in kex):
            raise Refused("no strict key exchange")  # numbers begin anew with each keys here
        return theirs

    def keys(self, secret, h, letters):
        """Both halves from here on: letters are those of what we send (RFC 4253 section 7.2)."""
        self.session_id = self.session_id or h

        def key(letter, n):
            out = hashlib.sha256(secret + h + letter + self.session_id).digest()
            while len(out) < n:
                out += hashlib.sha256(secret + h + out).digest()
            return out[:n]
        self.send(b"\x15")
        self.tx = self.suite.half(key, letters[0])
        if (p := self.packet())[0] != 21:
            raise Refused(f"message {p[0]} for NEWKEYS")
        self.rx = self.suite.half(key, letters[1])
        self.ours = None
        self.exchanges += 1


C_TO_S, S_TO_C = (b"A", b"C", b"E"), (b"B", b"D", b"F")


def exchange_hash(*strings, secret):
    return hashlib.sha256(b"".join(map(string, strings)) + secret).digest()


class Client(Transport):
    """
    Over a connected socket. check(name, blob) is asked about the server's key at each exchange, after its signature
    was right; None: any key. What was agreed is in .hostkey_alg and .hostkey; server-sig-algs in .sig_algs, all of
    the lists that came in .all_sig_algs.
    """

    def __init__(self, sock, hostkey_algs=("ssh-ed25519",), check=None, kex=Curve25519, compression="none", suite=Aes128Gcm):
        super().__init__(sock, hostkey_algs, kex, compression, suite)
        self.check, self.channels = check, {}
        self.idents = b"SSH-2.0-pyssh", self.theirs_ident
        self.exchange()

    def exchange(self, theirs=None):
        theirs = self.begin(theirs)
        method = self.method()
        init = method.init()
        self.send(b"\x1e" + string(init))
        p = self.packet()
        if p[0] != 31:
            raise Refused(f"message {p[0]} in a key exchange")
        self.finish(method, init, theirs, Reader(p[1:]))

    def finish(self, method, init, theirs, r):
        blob, reply, sig = r.string(), r.string(), r.string()
        secret = method.secret(reply)
        h = exchange_hash(*self.idents, self.ours, theirs, blob, init, reply, secret=secret)
        verify(self.hostkey_alg, blob, sig, h)
        if self.check is not None and not self.check(self.hostkey_alg, blob):
            raise Refused("not the host key")
        self.hostkey = blob
        self.keys(secret, h, (C_TO_S, S_TO_C))

    # authentication (RFC 4252)

    def service(self):
        self.send(b"\x05" + string("ssh-userauth"))
        if self.packet()[0] != 6:
            raise Refused("no ssh-userauth")

    def login(self, user, signer):
        """True when let in; what can continue is in .methods."""
        if not hasattr(self, "methods"):
            self.service()
        what = string(user) + string("ssh-connection") + string("publickey") + b"\x01" + string(signer.name) + string(signer.blob)
        sig = signer.sign(string(self.session_id) + b"\x32" + what)
        self.send(b"\x32" + what + string(sig))
        p = self.packet()
        self.methods = Reader(p[1:]).names() if p[0] == 51 else []
        return p[0] == 52

    # channels (RFC 4254)

    def connect(self, host, port):
        ch = Channel(self, len(self.channels))
        self.channels[ch.number] = ch
        self.send(b"\x5a" + string("direct-tcpip") + u32(ch.number) + u32(WINDOW) + u32(PACKET) + string(host) + u32(port) +
                  string("127.0.0.1") + u32(1))
        while ch.theirs is None:
            self.step()
        return ch

    def step(self):
        """One message of the connection protocol."""
        p = self.packet()
        r = Reader(p[1:])
        ch = self.channels.get(r.u32())
        if ch is None or not 91 <= p[0] <= 97:
            raise Refused(f"message {p[0]}")
        ch.message(p[0], r)


class Channel:
    def __init__(self, client, number):
        self.client, self.number, self.theirs = client, number, None
        self.window, self.granted, self.data, self.eof = 0, WINDOW, bytearray(), False

    def message(self, kind, r):
        if kind == 91:
            self.theirs, self.window, self.packet = r.u32(), r.u32(), r.u32()
        elif kind == 92:
            reason = r.u32()
            raise Refused(f"the channel was refused ({reason}): {r.text()}")
        elif kind == 93:
            self.window += r.u32()
        elif kind == 94:
            piece = r.string()
            self.granted -= len(piece)
            if self.granted < 0:
                raise Refused("more than the window")
            self.data += piece
            if self.granted < WINDOW // 2:
                self.client.send(b"\x5d" + u32(self.theirs) + u32(WINDOW - self.granted))
                self.granted = WINDOW
        else:
            self.eof = True

    def write(self, data):
        data = memoryview(data)
        while data:
            while self.window == 0:
                self.client.step()
            n = min(len(data), self.window, self.packet)
            self.client.send(b"\x5e" + u32(self.theirs) + string(bytes(data[:n])))
            self.window -= n
            data = data[n:]

    def recv(self):
        """Some bytes; none at the end."""
        while not self.data and not self.eof:
            self.client.step()
        out, self.data = bytes(self.data), bytearray()
        return out


def fetch(client, target, port, size, rekey=True):
    """So many bytes of perf/pump through a channel, with a key exchange of ours in the middle: were all of them right?"""
    ch = client.connect(target, port)
    ch.write(b"GET %d\n" % size)
    at, right = 0, True
    while at < size:
        piece = ch.recv()
        if not piece:
            return False
        first = at // 8
        want = struct.pack(f"<{(at + len(piece) + 7) // 8 - first}Q", *range(first, (at + len(piece) + 7) // 8))
        right = right and hmac.compare_digest(want[at - 8 * first:at - 8 * first + len(piece)], piece)
        at += len(piece)
        if rekey and at > size // 2:
            client.rekey()
            rekey = False
    return right and at == size


def dial(host, port, **options):
    return Client(socket.create_connection((host, int(port)), 30), **options)
