#!/usr/bin/env python3
"""A client that looks hard at host keys, for what no packaged client knows.

    hostkey_peer.py x509 PORT USERKEY ROOT NAME ALG...   each algorithm of RFC 6187 or before it: the chain, login, rekey
    hostkey_peer.py info PORT USERKEY USER LIST          ext-info-in-auth@openssh.com: the second list is LIST
    hostkey_peer.py rotate PORT USERKEY N OLD NEW        N connections live while the keys change (a line to stdin): they
                                                         keep OLD.pub, others get NEW.pub; another line ends them
"""
import base64
import socket
import sys

import pyssh
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec


def user_key(path):
    with open(path, "rb") as f:
        key = serialization.load_ssh_private_key(f.read(), None)
    return pyssh.Signer("ssh-ed25519", key, pyssh.string("ssh-ed25519") + pyssh.string(key.public_key().public_bytes(*pyssh.RAW)))


def chain_holds(blob, root, name):
    """From the key's own certificate each is signed by the next, the last by the root, which is not sent itself."""
    chain = [x509.load_der_x509_certificate(der) for der in pyssh.x509_chain(blob)]
    for cert, issuer in zip(chain, chain[1:] + [root]):
        assert cert.issuer == issuer.subject
        issuer.public_key().verify(cert.signature, cert.tbs_certificate_bytes, ec.ECDSA(cert.signature_hash_algorithm))
    alt = chain[0].extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return root not in chain and name in alt.get_values_for_type(x509.DNSName)


def of_x509(port, key, root, name, algs):
    with open(root, "rb") as f:
        root = x509.load_pem_x509_certificate(f.read())
    for alg in algs:
        shown = set()
        c = pyssh.dial("127.0.0.1", port, hostkey_algs=(alg,),
                       check=lambda _, blob: shown.add(blob) or chain_holds(blob, root, name))
        assert c.hostkey_alg == alg and c.login("demo", key), alg
        c.rekey()
        assert len(shown) == 1 and c.exchanges == 2, "a rekey shows the same chain"
        print("shown", alg)


def of_info(port, key, user, want):
    c = pyssh.dial("127.0.0.1", port)
    c.send(b"\x07" + pyssh.u32(1) + pyssh.string("ext-info-in-auth@openssh.com") + pyssh.string("0"))
    assert c.login(user, key)
    assert len(c.all_sig_algs) == 2 and c.all_sig_algs[1] == want.split(","), c.all_sig_algs
    # Who does not say that it takes another one gets none.
    c = pyssh.dial("127.0.0.1", port)
    assert c.login(user, key) and len(c.all_sig_algs) == 1, c.all_sig_algs
    print("told", want)


class Told(pyssh.Client):
    """One that remembers what host keys it was told of."""

    told = ()

    def global_request(self, r):
        name, wants_reply = r.text(), r.byte()
        if name == "hostkeys-00@openssh.com":
            assert not self.told, "told twice: a stock ssh would leave"
            while r.data:
                self.told += r.string(),
        if wants_reply:
            self.send(b"\x52")

    def listen(self):
        """What comes right behind the login."""
        self.global_request(pyssh.Reader(self.rx.open(self.read)[1:]))

    def prove(self, blob):
        """OpenSSH PROTOCOL 2.5: the key signs that it is the server's, for this session."""
        what = "hostkeys-prove-00@openssh.com"
        self.send(b"\x50" + pyssh.string(what) + b"\x01" + pyssh.string(blob))
        p = self.packet()
        if p[0] != 81:
            return False
        pyssh.verify("ssh-ed25519", blob, pyssh.Reader(p[1:]).string(),
                     pyssh.string(what) + pyssh.string(self.session_id) + pyssh.string(blob))
        return True


def of_rotate(port, key, n, old, new):
    def blob(path):
        with open(path + ".pub") as f:
            return base64.b64decode(f.read().split()[1])

    def begin(shown):
        c = Told(socket.create_connection(("127.0.0.1", int(port)), 30), check=lambda _, b: b == blob(shown))
        assert c.login("demo", key)
        c.listen()
        return c

    lives = [begin(old) for _ in range(int(n))]
    print("open", flush=True)
    sys.stdin.readline()
    for c in lives:
        c.rekey()
        assert c.exchanges == 2 and c.told == (blob(old),), "what there was then"
    assert lives[0].prove(blob(new)) and lives[1].prove(blob(old)), "both kinds can be proved"
    later = begin(new)
    later.rekey()
    assert later.prove(blob(old)) and later.told == (blob(new), blob(old))
    lives[0].rekey()
    print("kept", flush=True)
    sys.stdin.readline()
    later.rekey()
    print("kept", flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    what, at, path, *rest = sys.argv[1:]
    try:
        if what == "x509":
            of_x509(at, user_key(path), rest[0], rest[1], rest[2:])
        elif what == "rotate":
            of_rotate(at, user_key(path), *rest)
        else:
            of_info(at, user_key(path), *rest)
    except (pyssh.Refused, AssertionError, socket.timeout) as e:
        sys.exit(f"{what}: {e!r}")
