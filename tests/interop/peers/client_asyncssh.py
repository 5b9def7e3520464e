"""asyncssh as a client; see README.md."""
import array
import asyncio
import sys
import warnings

warnings.simplefilter("ignore")
import asyncssh  # noqa: E402
from asyncssh import compression, encryption, kex, mac, public_key  # noqa: E402

host, port, user, path, target, target_port, size = sys.argv[1:]
size = int(size)


def names(algs):
    return [a.decode() for a in algs]


async def main():
    known = names(public_key.get_public_key_algs())
    async with asyncssh.connect(
            host, int(port), username=user, client_keys=[path], known_hosts=None, config=None, agent_path=None,
            kex_algs=[k for k in names(kex.get_kex_algs()) if not k.startswith("gss-")],
            encryption_algs=names(encryption.get_encryption_algs()), mac_algs=names(mac.get_mac_algs()),
            compression_algs=names(compression.get_compression_algs()), server_host_key_algs=known,
            signature_algs=known, login_timeout=60) as conn:
        reader, writer = await conn.open_connection(target, int(target_port))
        writer.write(b"GET %d\n" % size)
        data = await reader.readexactly(size)
    return data != array.array("Q", range(size // 8)).tobytes()


sys.exit(asyncio.run(asyncio.wait_for(main(), 120)))
