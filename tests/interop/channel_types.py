#!/usr/bin/env python3
"""Every type of channel by OpenSSH, Dropbear, paramiko and asyncssh: bytes through each of those a client has.
Prints the table of docs/interop.md; with --save FILE writes it there. What happens inside the gateway's machine
is done by a session of OpenSSH's."""
import argparse
import asyncio
import datetime
import os
import socket
import subprocess
import sys
import threading
import time

TYPES = ("session", "direct-tcpip", "forwarded-tcpip", "direct-streamlocal@openssh.com",
         "forwarded-streamlocal@openssh.com", "x11", "auth-agent@openssh.com")
PEERS = ("ssh", "dbclient", "paramiko", "asyncssh")
MARK = "## Channels"
GET = b"GET / HTTP/1.0\r\n\r\n"
DISPLAY_SAID = "xdpyinfo | grep -c '64x64 pixels'"
AGENT_SAID = "ssh-add -l | grep -c ED25519"

p = argparse.ArgumentParser()
for name in ("host", "key", "dbkey", "home", "target", "agent", "display", "cookies", "here", "tmp", "save"):
    p.add_argument("--" + name)
p.add_argument("--port", type=int)
a = p.parse_args()
known = ["-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o",
         "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "IdentitiesOnly=yes",
         "-o", f"IdentityAgent={a.agent}", "-i", a.key, "-p", str(a.port), "-l", "demo"]
env = os.environ | {"DISPLAY": a.display, "XAUTHORITY": a.cookies, "SSH_AUTH_SOCK": a.agent,
                    "HOME": a.tmp}


def run(*words, **more):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, env=env,
                          input=more.get("input"), check=False)
    return done.stdout.decode(errors="replace").strip() or done.stderr.decode(errors="replace").strip()


def inside(command):
    return run("ssh", *known, "-a", "-x", a.host, command)


def connects_tcp(port):
    return inside(f"exec 3<>/dev/tcp/127.0.0.1/{port} && cat <&3")


def connects_unix(path):
    return inside("python3 -c 'import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); "
                  f"print(s.recv(99).decode())' {path}")


def greeter(family, address):
    """Says hello to whoever comes."""
    listener = socket.socket(family)
    listener.bind(address)
    listener.listen()

    def serve():
        while True:
            to, _ = listener.accept()
            to.sendall(b"hello")
            to.close()

    threading.Thread(target=serve, daemon=True).start()
    return listener.getsockname()


greets = greeter(socket.AF_INET, ("127.0.0.1", 0))[1]
greets_unix = greeter(socket.AF_UNIX, a.tmp + "/greets")
serving = a.home + "/t"
results = {}


def cell(peer, kind, ok):
    results[peer, kind] = ok is True or f"no: {ok}"


def said(fd):
    fd.sendall(b"hello")
    fd.shutdown(socket.SHUT_WR)
    text = b""
    while chunk := fd.recv(4096):
        text += chunk
    return text.startswith(b"5 ") or text


def through_unix(path):
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(path)
        return said(s)


def is_(text, want):
    return want in text or text


# --- OpenSSH, one connection
def by_ssh(peer):
    path = f"{a.tmp}/mux"
    mux = ["ssh", *known, "-S", path, "-A", "-Y"]
    run("ssh", *known, "-M", "-S", path, "-A", "-Y", "-f", "-N", a.host)
    try:
        cell(peer, "session", is_(run(*mux, a.host, "echo one; id -un"), "one\ndemo"))
        cell(peer, "direct-tcpip", is_(run(*mux, "-W", a.target, a.host, input=GET), "HTTP/1."))
        port = run(*mux, "-O", "forward", "-R", f"0:127.0.0.1:{greets}", a.host)
        cell(peer, "forwarded-tcpip", is_(connects_tcp(port), "hello"))
        run(*mux, "-O", "forward", "-L", f"{a.tmp}/l:{serving}", a.host)
        cell(peer, "direct-streamlocal@openssh.com", through_unix(a.tmp + "/l"))
        run(*mux, "-O", "forward", "-R", f"{a.home}/{peer}:{greets_unix}", a.host)
        cell(peer, "forwarded-streamlocal@openssh.com", is_(connects_unix(f"{a.home}/{peer}"), "hello"))
        cell(peer, "x11", is_(run(*mux, a.host, DISPLAY_SAID), "1"))
        cell(peer, "auth-agent@openssh.com", is_(run(*mux, a.host, AGENT_SAID), "1"))
    finally:
        run(*mux, "-O", "exit", a.host)


# --- Dropbear: no UNIX sockets, no display
def by_dbclient(peer):
    words = ["dbclient", "-y", "-y", "-i", a.dbkey, "-p", str(a.port), "-l", "demo"]
    cell(peer, "session", is_(run(*words, a.host, "echo one; id -un"), "one\ndemo"))
    cell(peer, "direct-tcpip", is_(run(*words, "-B", a.target, a.host, input=GET), "HTTP/1."))
    cell(peer, "auth-agent@openssh.com", is_(run(*words, "-A", a.host, AGENT_SAID), "1"))
    with subprocess.Popen([*words, "-N", "-R", f"18377:127.0.0.1:{greets}", a.host], env=env,
                          stderr=subprocess.DEVNULL) as listens:
        end = time.monotonic() + 20
        while "hello" not in (text := connects_tcp(18377)) and time.monotonic() < end:
            time.sleep(0.1)
        listens.terminate()
    cell(peer, "forwarded-tcpip", is_(text, "hello"))


# --- paramiko: no UNIX sockets
def relay(chan, to):
    def copy(read, write, end):
        try:
            while data := read(65536):
                write(data)
            end()
        except OSError:
            pass

    threading.Thread(target=copy, args=(to.recv, chan.sendall, chan.shutdown_write), daemon=True).start()
    threading.Thread(target=copy, args=(chan.recv, to.sendall, lambda: to.shutdown(socket.SHUT_WR)),
                     daemon=True).start()


def connected(family, address):
    s = socket.socket(family)
    s.connect(address)
    return s


def output(chan, command):
    chan.exec_command(command)
    return chan.makefile().read().decode()


def by_paramiko(peer):
    import paramiko
    import paramiko.agent

    os.environ["SSH_AUTH_SOCK"] = a.agent
    t = paramiko.Transport((a.host, a.port))
    t.connect(username="demo", pkey=paramiko.Ed25519Key.from_private_key_file(a.key))
    try:
        cell(peer, "session", is_(output(t.open_session(), "echo one; id -un"), "one\ndemo"))
        host, port = a.target.rsplit(":", 1)
        chan = t.open_channel("direct-tcpip", (host, int(port)), ("127.0.0.1", 1))
        chan.sendall(GET)
        cell(peer, "direct-tcpip", is_(chan.makefile().read().decode(errors="replace"), "HTTP/1."))
        port = t.request_port_forward(
            "localhost", 0, lambda c, _o, _s: relay(c, connected(socket.AF_INET, ("127.0.0.1", greets))))
        cell(peer, "forwarded-tcpip", is_(connects_tcp(port), "hello"))
        chan = t.open_session()
        chan.request_x11(auth_cookie=cookie(), handler=lambda c, _o: relay(
            c, connected(socket.AF_UNIX, f"/tmp/.X11-unix/X{a.display[1:]}")))
        cell(peer, "x11", is_(output(chan, DISPLAY_SAID), "1"))
        chan = t.open_session()
        agent = paramiko.agent.AgentRequestHandler(chan)
        cell(peer, "auth-agent@openssh.com", is_(output(chan, AGENT_SAID), "1"))
        agent.close()
    finally:
        t.close()


def cookie():
    return run("xauth", "-f", a.cookies, "list").split()[2]


# --- asyncssh
async def with_asyncssh(peer):
    import asyncssh

    loop = asyncio.get_running_loop()

    async def thread(*call):
        return await loop.run_in_executor(None, *call)

    async with asyncssh.connect(a.host, a.port, username="demo", client_keys=[a.key], known_hosts=None,
                                config=None, agent_path=a.agent, agent_forwarding=True) as c:
        done = await c.run("echo one; id -un")
        cell(peer, "session", is_(done.stdout, "one\ndemo"))
        host, port = a.target.rsplit(":", 1)
        reads, writes = await c.open_connection(host, int(port))
        writes.write(GET)
        cell(peer, "direct-tcpip", is_((await reads.read()).decode(errors="replace"), "HTTP/1."))
        listens = await c.forward_remote_port("localhost", 0, "127.0.0.1", greets)
        cell(peer, "forwarded-tcpip", is_(await thread(connects_tcp, listens.get_port()), "hello"))
        reads, writes = await c.open_unix_connection(serving)
        writes.write(b"hello")
        writes.write_eof()
        cell(peer, "direct-streamlocal@openssh.com", is_((await reads.read()).decode(), "5 "))
        listens = await c.forward_remote_path(f"{a.home}/{peer}", greets_unix)
        cell(peer, "forwarded-streamlocal@openssh.com",
             is_(await thread(connects_unix, f"{a.home}/{peer}"), "hello"))
        done = await c.run(DISPLAY_SAID, x11_forwarding=True, x11_display=a.display,
                           x11_auth_path=a.cookies)
        cell(peer, "x11", is_(done.stdout, "1"))
        done = await c.run(AGENT_SAID)
        cell(peer, "auth-agent@openssh.com", is_(done.stdout, "1"))


def by_asyncssh(peer):
    asyncio.run(with_asyncssh(peer))


# --- the table
def table():
    lines = ["| channel | " + " | ".join(PEERS) + " |", "| --- " * (1 + len(PEERS)) + "|"]
    for kind in TYPES:
        marks = ["yes" if results.get((peer, kind)) is True else "" for peer in PEERS]
        lines.append(f"| `{kind}` | " + " | ".join(marks) + " |")
    return "\n".join(lines) + "\n"


def save(path):
    with open(path, encoding="utf-8") as f:
        text, _, behind = f.read().partition(MARK)
    text, by_hand = text.rstrip(), "".join(behind.partition("\n## ")[1:])  # what is measured by hand stays
    with open(path, "w", encoding="utf-8") as f:
        f.write(f"{text}\n\n{MARK}\n\nMade by `tests/interop/test_sessions.sh --save` on {datetime.date.today()}: bytes through a channel of each "
                "type the client has, a real agent and a real display among what they lead to. Empty: the client "
                f"has no such channel.\n\n{table()}{by_hand}")


has = {"ssh": (by_ssh, set(TYPES)),
       "dbclient": (by_dbclient, {"session", "direct-tcpip", "forwarded-tcpip", "auth-agent@openssh.com"}),
       "paramiko": (by_paramiko, set(TYPES) - {t for t in TYPES if "streamlocal" in t}),
       "asyncssh": (by_asyncssh, set(TYPES))}


def one(peer):
    try:
        has[peer][0](peer)
    except Exception as e:  # its other cells are empty, and that fails
        print(f"{peer}: {type(e).__name__}: {e}", file=sys.stderr)


threads = [threading.Thread(target=one, args=(peer,)) for peer in PEERS]
for t in threads:
    t.start()
for t in threads:
    t.join()
print(table(), end="")
wrong = [f"{peer} {kind}: {results.get((peer, kind), 'not tried')}"
         for peer in PEERS for kind in sorted(has[peer][1]) if results.get((peer, kind)) is not True]
print("\n".join(wrong), file=sys.stderr)
if a.save and not wrong:
    save(a.save)
sys.exit(len(wrong) > 0)
