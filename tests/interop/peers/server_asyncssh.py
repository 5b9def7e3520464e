"""asyncssh as a server; see README.md. What stands on standard input is handed to a listener of its own."""
import asyncio
import socket
import sys
import warnings

warnings.simplefilter("ignore")
import asyncssh  # noqa: E402
from asyncssh import compression, encryption, kex, mac, public_key  # noqa: E402

hostkey, authorized = sys.argv[1:]


def names(algs):
    return [a.decode() for a in algs]


def own_key():
    with open(hostkey, "rb") as f:
        text = f.read()
    if b"BEGIN CERT" not in text:
        return hostkey
    return asyncssh.import_private_key(text), asyncssh.load_certificates(text[text.index(b"-----BEGIN CERT"):])


class Server(asyncssh.SSHServer):
    def __init__(self, done):
        self.done = done

    def connection_lost(self, _exc):
        self.done.set_result(None)

    def connection_requested(self, *_):
        return True  # relayed by asyncssh


async def pipe(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    writer.close()


async def main():
    done = asyncio.get_running_loop().create_future()
    known = names(public_key.get_public_key_algs())
    listener = await asyncssh.listen(
        "127.0.0.1", 0, server_factory=lambda: Server(done), server_host_keys=[own_key()], authorized_client_keys=authorized,
        kex_algs=[k for k in names(kex.get_kex_algs()) if not k.startswith("gss-")],
        encryption_algs=names(encryption.get_encryption_algs()), mac_algs=names(mac.get_mac_algs()),
        compression_algs=names(compression.get_compression_algs()), signature_algs=known, config=None)
    outside = await asyncio.open_connection(sock=socket.socket(fileno=0))
    inside = await asyncio.open_connection("127.0.0.1", listener.sockets[0].getsockname()[1])
    ends = [asyncio.ensure_future(pipe(outside[0], inside[1])), asyncio.ensure_future(pipe(inside[0], outside[1]))]
    await done
    await asyncio.wait(ends, timeout=5)


asyncio.run(main())
