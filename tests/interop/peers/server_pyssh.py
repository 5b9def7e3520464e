"""The tests' own server, for what no library speaks; see README.md. One argument more than the others: a folder with root.pem, whose
X.509 users are let in, and ca_user.pub, whose certificates of security keys are."""
import os
import socket
import sys
import warnings

warnings.simplefilter("ignore")
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import mlkem_noble  # noqa: E402
import pyssh  # noqa: E402
import pyssh_mac  # noqa: E402
import pyssh_server  # noqa: E402
import sk_agent  # noqa: E402
import x509_make  # noqa: E402
from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives import serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec  # noqa: E402

hostkey, authorized, folder = sys.argv[1:]
kind, alg = os.environ.get("MATRIX_KIND"), os.environ.get("MATRIX_ALG")


def signer():
    if kind == "host key":
        return pyssh.x509_signer(alg, *x509_make.load(hostkey))
    with open(hostkey, "rb") as f:
        key = serialization.load_ssh_private_key(f.read(), None)
    return pyssh.Signer("ssh-ed25519", key, pyssh.string("ssh-ed25519") + pyssh.string(key.public_key().public_bytes(*pyssh.RAW)))


def of_root(blob, user):
    """Each certificate is signed by the next and the last by the root; the first names the user."""
    chain = [x509.load_der_x509_certificate(der) for der in pyssh.x509_chain(blob)]
    with open(f"{folder}/root.pem", "rb") as f:
        root = x509.load_pem_x509_certificate(f.read())
    for cert, issuer in zip(chain, chain[1:] + [root]):
        issuer.public_key().verify(cert.signature, cert.tbs_certificate_bytes, ec.ECDSA(cert.signature_hash_algorithm))
    return [a.value for a in chain[0].subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)] == [user]


def accept(user, name, blob):
    if kind == "user key" and name != alg:
        return False
    if name.startswith("x509v3-"):
        return of_root(blob, os.environ["MATRIX_USER"])
    if pyssh_server.CERT in name:
        with open(f"{folder}/ca_user.pub") as f:
            return pyssh_server.certified(blob, sk_agent.blob_of(f.read()), user)
    with open(authorized) as f:
        return any(len(line.split()) > 1 and sk_agent.blob_of(line) == blob for line in f if line.startswith("ssh-ed25519 "))


suite = pyssh.Aes128Gcm
if kind == "MAC":
    suite = pyssh_mac.Suite(mac=alg)
elif kind == "cipher":
    suite = pyssh_mac.Suite(cipher=alg)
method = mlkem_noble.method(alg) if kind == "kex" else pyssh.Curve25519
pyssh_server.Server(socket.socket(fileno=0), signer(), accept, kex=method, suite=suite).serve()
