"""asyncssh as a client; see README.md."""
import array
import asyncio
import os
import sys
import warnings

warnings.simplefilter("ignore")
import asyncssh  # noqa: E402
from asyncssh import compression, encryption, kex, mac, public_key  # noqa: E402

host, port, user, path, target, target_port, size = sys.argv[1:]
size = int(size)
alg, kind, host_ca = (os.environ.get(f"MATRIX_{x}", "") for x in ("ALG", "KIND", "HOST_CA"))
gss = alg.startswith("gss")


def names(algs):
    return [a.decode() for a in algs]


def own_keys():
    if not alg.startswith("x509v3-") or kind != "user key":
        return [path]
    with open(path, "rb") as f:
        text = f.read()
    return [(asyncssh.import_private_key(text), asyncssh.load_certificates(text[text.index(b"-----BEGIN CERT"):]))]


def by_kerberos():
    """One that is asked for tickets asks for nothing else."""
    if not gss:
        return {"gss_host": None, "client_keys": own_keys()}
    keyex = alg != "gssapi-with-mic"
    return {"gss_host": host, "gss_kex": keyex, "gss_auth": True, "client_keys": None,
            "preferred_auth": "gssapi-keyex" if keyex else "gssapi-with-mic"}


async def main():
    known = names(public_key.get_public_key_algs())
    certs = names(public_key.get_certificate_algs())
    chains = names(public_key.get_x509_certificate_algs())
    if host_ca.endswith("root.pem"):
        believed = [], [], [], asyncssh.load_certificates(host_ca), [], [], []
    else:
        believed = ([], [asyncssh.read_public_key(host_ca)], []) if host_ca else None
    first = names(compression.get_compression_algs()) if kind == "compression" else ["none", "zlib@openssh.com", "zlib"]
    async with asyncssh.connect(
            host, int(port), username=user, known_hosts=believed, config=None, agent_path=None, x509_trusted_certs=[],
            kex_algs=[k for k in names(kex.get_kex_algs()) if gss or not k.startswith("gss-")],
            encryption_algs=names(encryption.get_encryption_algs()), mac_algs=names(mac.get_mac_algs()),
            compression_algs=first, server_host_key_algs=chains + certs + known,
            signature_algs=chains + known, login_timeout=60, **by_kerberos()) as conn:
        reader, writer = await conn.open_connection(target, int(target_port))
        writer.write(b"GET %d\n" % size)
        data = await reader.readexactly(size)
    return data != array.array("Q", range(size // 8)).tobytes()


sys.exit(asyncio.run(asyncio.wait_for(main(), 120)))
