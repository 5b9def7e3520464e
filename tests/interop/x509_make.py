#!/usr/bin/env python3
"""X.509 keys for tests: a root, an authority below it, and leaves of every type (RFC 5280, RFC 6187).

    x509_make.py DIR ROLE NAME [KIND...]      ROLE: user or host

Writes DIR/root.pem (made once, with DIR/root.key and the authority beside it) and DIR/ROLE_KIND.pem: the private key, its
certificate, and the authority's; KIND-root is certified by the root itself, as the older algorithms of X.509 show one
certificate alone. NAME is the common name of users; hosts have
it, or several with commas, as alternative names, addresses when they look so.
"""
import datetime
import ipaddress
import os
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.x509.oid import NameOID, ObjectIdentifier

KINDS = {
    "rsa": lambda: rsa.generate_private_key(65537, 2048), "dsa": lambda: dsa.generate_private_key(1024),
    "ecdsa256": lambda: ec.generate_private_key(ec.SECP256R1()), "ecdsa384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "ecdsa521": lambda: ec.generate_private_key(ec.SECP521R1()),
}
# RFC 6187 section 2.2: id-kp-secureShellClient, id-kp-secureShellServer
USAGE = {"user": ObjectIdentifier("1.3.6.1.5.5.7.3.21"), "host": ObjectIdentifier("1.3.6.1.5.5.7.3.22")}
DAY = datetime.timedelta(days=1)


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def alternative(text):
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def usage(**on):
    all_ = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign",
            "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**{k: on.get(k, False) for k in all_})


def certify(subject, key, issuer, issuer_key, extensions, days=(-1, 10)):
    now = datetime.datetime.utcnow()
    extensions = extensions + [(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
                               (x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), False)]
    b = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key()).serial_number(
        x509.random_serial_number()).not_valid_before(now + days[0] * DAY).not_valid_after(now + days[1] * DAY)
    for e, critical in extensions:
        b = b.add_extension(e, critical)
    return b.sign(issuer_key, hashes.SHA256())


def pem(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def save(path, *parts):
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as f:
        for p in parts:
            f.write(p.public_bytes(serialization.Encoding.PEM) if isinstance(p, x509.Certificate) else pem(p))


class Authority:
    """The root of a folder and the one below it, which signs."""

    def __init__(self, folder):
        self.folder = folder
        if not os.path.exists(f"{folder}/root.pem"):
            self.make()
        self.key, (self.cert,) = self.read("issuing")
        self.root_key, (self.root,) = self.read("root")

    def read(self, what):
        with open(f"{self.folder}/{what}.key", "rb") as key, open(f"{self.folder}/{what}.pem", "rb") as cert:
            return serialization.load_pem_private_key(key.read(), None), (x509.load_pem_x509_certificate(cert.read()),)

    def make(self):
        ca = [(x509.BasicConstraints(ca=True, path_length=None), True), (usage(key_cert_sign=True, crl_sign=True), True)]
        root, issuing = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        save(f"{self.folder}/root.key", root)
        save(f"{self.folder}/root.pem", certify(name("Root"), root, name("Root"), root, ca))
        os.chmod(f"{self.folder}/root.pem", 0o644)
        save(f"{self.folder}/issuing.key", issuing)
        save(f"{self.folder}/issuing.pem", certify(name("Issuing"), issuing, name("Root"), root, ca))

    def leaf(self, role, kind, who, days=(-1, 10), key=None):
        key, by_root = key or KINDS[kind.removesuffix("-root")](), kind.endswith("-root")
        ext = [(usage(digital_signature=True), True), (x509.ExtendedKeyUsage([USAGE[role]]), False)]
        subject = name(who)
        if role == "host":
            ext.append((x509.SubjectAlternativeName([alternative(w) for w in who.split(",")]), False))
            subject = name("a host")
        issuer, issuer_key = (self.root, self.root_key) if by_root else (self.cert, self.key)
        return key, certify(subject, key, issuer.subject, issuer_key, ext, days)

    @staticmethod
    def revoked(issuer, key, serials):
        now = datetime.datetime.utcnow()
        b = x509.CertificateRevocationListBuilder().issuer_name(issuer.subject).last_update(now - DAY).next_update(now + DAY)
        b = b.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key()), False).add_extension(x509.CRLNumber(1), False)
        for s in serials:
            b = b.add_revoked_certificate(x509.RevokedCertificateBuilder().serial_number(s).revocation_date(now - DAY).build())
        return b.sign(key, hashes.SHA256())

    def write(self, role, kind, who):
        key, cert = self.leaf(role, kind, who)
        save(f"{self.folder}/{role}_{kind}.pem", key, cert, *([] if kind.endswith("-root") else [self.cert]))


def load(path):
    """(private key, DER certificates) of a file written here."""
    with open(path, "rb") as f:
        text = f.read()
    end = b"-----END CERTIFICATE-----"
    certs = [x509.load_pem_x509_certificate(part[part.index(b"-----BEGIN CERT"):] + end) for part in text.split(end)[:-1]]
    return serialization.load_pem_private_key(text, None), [c.public_bytes(serialization.Encoding.DER) for c in certs]


if __name__ == "__main__":
    authority = Authority(sys.argv[1])
    for k in sys.argv[4:] or KINDS:
        authority.write(sys.argv[2], k, sys.argv[3])
