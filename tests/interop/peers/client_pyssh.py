"""The tests' own client, for what no library speaks; see README.md. Two arguments more than the others: the algorithm of the
user's key, or "plain", and the key exchange, or "-". KEY is what x509_make.py writes, a PEM file of a token in software, or a key in PEM."""
import os
import sys
import warnings

warnings.simplefilter("ignore")
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import hostkey_peer  # noqa: E402
import mlkem_noble  # noqa: E402
import pyssh  # noqa: E402
import pyssh_mac  # noqa: E402
import sk_agent  # noqa: E402
import x509_make  # noqa: E402
from cryptography.hazmat.primitives import serialization  # noqa: E402

host, port, user, path, target, target_port, size, alg, kex = sys.argv[1:]


def signer():
    if alg.startswith("x509v3-"):
        return pyssh.x509_signer(alg, *x509_make.load(path))
    if "sk-" in alg:
        return sk_agent.Token("webauthn" if "webauthn" in alg else "ecdsa", path).signer(alg, f"{path}-cert.pub")
    with open(path, "rb") as f:
        key = serialization.load_ssh_private_key(f.read(), None)
    line = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return pyssh.Signer("ssh-ed25519", key, sk_agent.blob_of(line))


method = mlkem_noble.method(kex) if kex.startswith("mlkem") else pyssh.Curve25519
algs, check = ("ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-512"), None
if os.environ.get("MATRIX_KIND") == "host key":
    algs = os.environ["MATRIX_ALG"],
    with open(os.environ["MATRIX_HOST_CA"], "rb") as f:
        root = hostkey_peer.x509.load_pem_x509_certificate(f.read())
    check = lambda _, blob: hostkey_peer.chain_holds(blob, root, "localhost")
suite = pyssh_mac.Suite(mac=os.environ["MATRIX_ALG"]) if os.environ.get("MATRIX_KIND") == "MAC" else pyssh.Aes128Gcm
c = pyssh.dial(host, port, hostkey_algs=algs, kex=method, check=check, suite=suite)
if not c.login(user, signer()):
    sys.exit(f"not let in: {c.methods}")
sys.exit(not pyssh.fetch(c, target, int(target_port), int(size)))
