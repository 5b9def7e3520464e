#!/usr/bin/env python3
"""paramiko and asyncssh as agents of a reverse tunnel: each asks for a port and for any port, says
"up PORT PORT", hands what comes in to 127.0.0.1:18999, and cancels the first one at SIGUSR1."""
import argparse
import asyncio
import signal
import socket
import threading


def copy(read, write, end):
    while True:
        data = read(65536)
        if not data:
            break
        write(data)
    end()


def by_paramiko(a):
    import paramiko

    def come(chan, _origin, _server):
        to = socket.create_connection(("127.0.0.1", 18999))
        for args in ((to.recv, chan.sendall, chan.shutdown_write),
                     (chan.recv, to.sendall, lambda: to.shutdown(socket.SHUT_WR))):
            threading.Thread(target=copy, args=args, daemon=True).start()

    t = paramiko.Transport((a.host, a.port))
    t.connect(username=a.user, pkey=paramiko.Ed25519Key.from_private_key_file(a.key))
    one = t.request_port_forward(a.listen, a.want, come)
    any_port = t.request_port_forward("", 0, come)
    print("up", one or a.want, any_port, flush=True)
    signal.sigwait({signal.SIGUSR1})
    t.cancel_port_forward(a.listen, a.want)
    print("cancelled", flush=True)
    t.close()


async def by_asyncssh(a):
    import asyncssh

    async with asyncssh.connect(a.host, a.port, username=a.user, client_keys=[a.key],
                                known_hosts=None, config=None) as conn:
        one = await conn.forward_remote_port(a.listen, a.want, "127.0.0.1", 18999)
        any_port = await conn.forward_remote_port("", 0, "127.0.0.1", 18999)
        print("up", one.get_port(), any_port.get_port(), flush=True)
        await asyncio.get_running_loop().run_in_executor(None, signal.sigwait,
                                                          {signal.SIGUSR1})
        one.close()
        await one.wait_closed()
        print("cancelled", flush=True)


p = argparse.ArgumentParser()
p.add_argument("peer")
for name in ("host", "user", "key", "listen"):
    p.add_argument("--" + name)
p.add_argument("--port", type=int)
p.add_argument("--want", type=int)
args = p.parse_args()
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
if args.peer == "paramiko":
    by_paramiko(args)
else:
    asyncio.run(by_asyncssh(args))
