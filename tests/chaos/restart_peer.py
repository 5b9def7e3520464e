#!/usr/bin/env python3
"""Tunnels that move keyed bytes while a program of the gateway is killed or stopped.

echo ADDR PORT   answers every connection with what it says, until it ends

move GATEWAY PORT KEY KNOWN_HOSTS ECHO_ADDR ECHO_PORT [option=value…]
    Tunnels of all kinds over several connections: direct and reverse; with folder also to a program,
    to one in a terminal, to the client's agent (one that says what it hears), and both ways through
    the gateway's own kernel: by a listener on loopback and by a UNIX socket in that folder, to which
    the same connection leads. Each byte of tunnel T at offset N is one of a keyed stream, so none can be another's or be
    lost. Meanwhile keys are exchanged, channels opened, and logins tried. Says "up" once all
    move, goes on until its input ends, then says in one line of JSON what it saw; it fails when
    a byte was wrong or a tunnel ended.
    conns=N tunnels=N (of a connection) folder=PATH chunk=BYTES rekey=BYTES
    stall=MS (how long a tunnel may stand still)
"""
import asyncio
import hashlib
import json
import sys
import time

import asyncssh

BLOCK = 4096


class Pattern:
    """Bytes of one tunnel, one way: a hash of who and where, so that each place has its own."""

    def __init__(self, tunnel):
        self.seed = hashlib.sha256(b"tunnel %d" % tunnel).digest()
        self.blocks = {}

    def block(self, i):
        if i not in self.blocks:
            if len(self.blocks) > 64:
                self.blocks.clear()
            self.blocks[i] = hashlib.shake_128(self.seed + i.to_bytes(8, "big")).digest(BLOCK)
        return self.blocks[i]

    def at(self, offset, size):
        out = b""
        while len(out) < size:
            i, skip = divmod(offset + len(out), BLOCK)
            out += self.block(i)[skip : skip + size - len(out)]
        return out


class Seen:
    def __init__(self):
        self.bytes = self.wrong = self.ended = 0
        self.opens = self.opens_failed = self.logins = self.logins_cut = 0
        self.stall = self.lag = self.open_wait = self.login_gap = 0.0
        self.why = []

    def bad(self, what):
        if len(self.why) < 10:
            self.why.append(what)


class Lag:
    """How long this program itself could not run: its own doing, or the machine's."""

    STEP = 0.01

    def __init__(self):
        self.past = 0.0
        self.due = time.monotonic() + self.STEP

    def total(self, now):
        return self.past + max(0.0, now - self.due)

    async def watch(self):
        self.due = time.monotonic() + self.STEP
        while True:
            await asyncio.sleep(self.STEP)
            now = time.monotonic()
            seen.lag = max(seen.lag, now - self.due)
            self.past = self.total(now)
            self.due = now + self.STEP


seen = Seen()
lag = Lag()
stop = asyncio.Event()
ready = 0


def waited(began, stood):
    """An answer is there: how long it took beyond what we stood still ourselves."""
    now = time.monotonic()
    seen.stall = max(seen.stall, now - began - (lag.total(now) - stood))


async def move(tunnel, reader, writer, chunk, pause):
    """Sends, and hears the same again; how long nothing came is the stall."""
    global ready
    pattern, offset, first = Pattern(tunnel), 0, True
    try:
        while not stop.is_set():
            data = pattern.at(offset, chunk)
            began = time.monotonic()
            stood = lag.total(began)
            writer.write(data)
            got = b""
            while len(got) < len(data):
                more = await reader.read(len(data) - len(got))
                if not more:
                    raise EOFError("it ended at %d" % offset)
                got += more
                if not first:
                    waited(began, stood)
                began = time.monotonic()
                stood = lag.total(began)
            if got != data:
                seen.wrong += 1
                seen.bad("tunnel %d: wrong bytes at %d" % (tunnel, offset))
                return
            offset += len(data)
            seen.bytes += 2 * len(data)
            if first:
                ready += 1
                first = False
            await asyncio.sleep(pause)
    except (OSError, EOFError, asyncssh.Error) as e:
        seen.ended += 1
        seen.bad("tunnel %d: %r" % (tunnel, e))
    finally:
        writer.close()


async def answer(reader, writer):
    while True:
        data = await reader.read(65536)
        if not data:
            break
        writer.write(data)
        await writer.drain()
    writer.close()


class Gateway:
    def __init__(self, host, port, key, known):
        self.host, self.port = host, int(port)
        self.options = dict(username="demo", client_keys=[key], known_hosts=known, config=None,
                            keepalive_interval=0)

    async def connect(self, **more):
        more.setdefault("agent_path", None)
        return await asyncssh.connect(self.host, self.port, **self.options, **more)


async def program(conn):
    """It knows where the client's agent is, too."""
    p = await conn.create_process("echo $SSH_AUTH_SOCK; exec cat", encoding=None)
    conn.set_extra_info(agent=(await p.stdout.readline()).decode().strip())
    return p.stdout, p.stdin


async def terminal(conn):
    p = await conn.create_process("stty raw -echo; echo ready; exec cat", term_type="vt100", encoding=None)
    await p.stdout.readuntil(b"ready\n")
    return p.stdout, p.stdin


async def agent(conn):
    return lambda: asyncio.open_unix_connection(conn.get_extra_info("agent"))


async def direct(conn, echo):
    return lambda: conn.open_connection(*echo, encoding=None)


async def reverse(conn, host):
    listener = await conn.start_server(lambda h, p: answer, host, 0, encoding=None)
    return lambda: asyncio.open_connection(host, listener.get_port())


async def loopback(conn):
    listener = await conn.start_server(lambda h, p: answer, "127.0.0.1", 0, encoding=None)
    return lambda: conn.open_connection("127.0.0.1", listener.get_port(), encoding=None)


async def by_socket(conn, path):
    await conn.start_unix_server(lambda: answer, path, encoding=None)
    return lambda: conn.open_unix_connection(path, encoding=None)


async def connection(gw, first, o, echo):
    """Tunnels first… of one connection, most of them direct; and the ways there are to open more."""
    path = o["folder"] and o["folder"] + "/agent"
    conn = await gw.connect(rekey_bytes=o["rekey"], agent_forwarding=bool(path), agent_path=path or None)
    how = o["chunk"], o["conns"] * o["tunnels"] / o["rate"]
    jobs, ways = [], []
    for i in range(o["tunnels"]):
        run = {0: program, 2: terminal}.get(i) if o["folder"] else None
        if run:
            jobs.append(move(first + i, *await run(conn), *how))
            continue
        if o["folder"] and i == 3:
            way = await by_socket(conn, f"{o['folder']}/{first + i}")
        elif o["folder"] and i == 4:
            way = await agent(conn)
        elif o["folder"] and i == 5:
            way = await loopback(conn)
        elif i % 3 == 1:
            way = await reverse(conn, gw.host)
        else:
            way = await direct(conn, echo)
        jobs.append(move(first + i, *await way(), *how))
        ways.append(way)
    return conn, jobs, ways


async def opens(ways):
    """A channel after the other, each to its end, one way after the other."""
    n = 0
    while not stop.is_set():
        began = time.monotonic()
        n += 1
        try:
            reader, writer = await ways[n % len(ways)]()
            seen.open_wait = max(seen.open_wait, time.monotonic() - began)
            writer.write(b"hello")
            ok = await reader.readexactly(5) == b"hello"
            writer.close()
            seen.opens += ok
        except (OSError, asyncssh.Error, asyncio.IncompleteReadError) as e:
            seen.opens_failed += 1
            seen.bad("open: %r" % e)
        await asyncio.sleep(0.05)


async def logins(gw):
    """One that is cut off half way is tried again: what counts is how long nobody came in."""
    last = time.monotonic()
    stood = lag.total(last)
    while not stop.is_set():
        try:
            conn = await asyncio.wait_for(gw.connect(), 10)
            now = time.monotonic()
            seen.logins += 1
            seen.login_gap = max(seen.login_gap, now - last - (lag.total(now) - stood))
            last = now
            stood = lag.total(last)
            conn.close()
            await conn.wait_closed()
        except (OSError, asyncssh.Error, asyncio.TimeoutError):
            seen.logins_cut += 1
        await asyncio.sleep(0.1)


async def run(gw, o, echo):
    conns, jobs, way = [], [], None
    watch = asyncio.create_task(lag.watch())
    if o["folder"]:
        await asyncio.start_unix_server(answer, o["folder"] + "/agent")
    for i in range(o["conns"]):
        conn, more, ways = await connection(gw, i * o["tunnels"], o, echo)
        conns.append(conn)
        jobs += more
        way = way or ways
    tasks = [asyncio.create_task(j) for j in jobs]
    while ready < len(tasks) and seen.ended == 0:
        await asyncio.sleep(0.02)
    seen.lag = 0.0
    print("up", flush=True)
    tasks += [asyncio.create_task(opens(way)), asyncio.create_task(logins(gw))]
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, sys.stdin.read)
    stop.set()
    await asyncio.wait(tasks, timeout=20)
    watch.cancel()
    for c in conns:
        c.close()
    print(json.dumps({k: round(v, 3) if isinstance(v, float) else v
                      for k, v in vars(seen).items()}), flush=True)
    bad = seen.wrong or seen.ended or seen.opens_failed or seen.stall * 1000 > o["stall"] > 0
    bad = bad or seen.login_gap * 1000 > o["gap"] > 0
    sys.exit(1 if bad or not seen.bytes or not seen.opens else 0)


async def serve(addr, port):
    server = await asyncio.start_server(answer, addr, int(port), backlog=2048)
    print("serving", flush=True)
    await server.serve_forever()


if sys.argv[1] == "echo":
    asyncio.run(serve(*sys.argv[2:]))
else:
    given = dict(a.split("=") for a in sys.argv[8:])
    o = {"conns": 10, "tunnels": 10, "folder": "", "chunk": 2048, "rekey": 1 << 30, "rate": 500,
         "stall": 3000, "gap": 0}
    o.update({k: v if k == "folder" else int(v) for k, v in given.items()})
    asyncio.run(run(Gateway(*sys.argv[2:6]), o, (sys.argv[6], int(sys.argv[7]))))
