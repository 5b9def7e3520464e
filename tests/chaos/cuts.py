#!/usr/bin/env python3
"""What happens to the links of test_cuts.sh, all at once, each to hosts of its own of one agent.

cuts.py DIR BUILD FAR the table at the end; FAR is a process in the other place
cuts.py names         a name server that knows one name
"""
import concurrent.futures
import contextlib
import ctypes
import hashlib
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

LONG = os.environ.get("SLUICE_LONG") == "1"
INTERVAL_S = 1  # of trying again
CUT_S = 180 if LONG else 0  # or until it is noticed
PATIENCE_S = 60  # of waiting for what comes in a second where nobody else is on the machine
HTTP, SOCKS = ("127.0.0.1", 3128), ("127.0.0.1", 1080)
BLOCK = 16384


class Wrong(Exception):
    pass


def until(what, test, patience=PATIENCE_S):
    """What test says once it is true."""
    end = time.monotonic() + patience
    while True:
        r = test()
        if r:
            return r
        if time.monotonic() > end:
            raise Wrong(f"waited for: {what}")
        time.sleep(0.02)


def exactly(s, n):
    got = b""
    while len(got) < n:
        more = s.recv(n - len(got))
        if not more:
            raise ConnectionError("the other end hung up")
        got += more
    return got


# --- the name server --------------------------------------------------------------------------------


def names_serve():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("127.0.0.53", 53))
    while True:
        q, who = s.recvfrom(512)
        question = q[12 : q.index(b"\0", 12) + 5]
        a = question[-4:-2] == b"\0\1"
        answer = b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4" + socket.inet_aton("10.66.7.1") if a else b""
        s.sendto(q[:2] + struct.pack(">HHHHH", 0x8400, 1, a, 0, 0) + question + answer, who)


if sys.argv[1] == "names":
    names_serve()

dir_, build, far_pid = sys.argv[1:]
sluice = os.path.join(build, "client/sluice")

# --- both places -------------------------------------------------------------------------------------


def far(*command, **how):
    return subprocess.run(("nsenter", "-t", far_pid, "-n", *command), check=True, text=True, capture_output=True, **how)


def near(*command):
    return subprocess.run(command, check=True, text=True, capture_output=True)


def go_far():
    """This thread's sockets are made there from now on."""
    fd = os.open(f"/proc/{far_pid}/ns/net", os.O_RDONLY)
    if ctypes.CDLL(None, use_errno=True).setns(fd, 0x40000000) < 0:
        raise OSError(ctypes.get_errno(), "setns")
    os.close(fd)


def aside(f, *args):
    """In a thread of its own, which may go far."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return pool.submit(f, *args).result()


def spawn(log, *command, away=False, **how):
    with open(log, "ab") as f:
        return subprocess.Popen((("nsenter", "-t", far_pid, "-n") if away else ()) + command, stdin=subprocess.DEVNULL,
                                stdout=f, stderr=f, **how)


def end(p, by=signal.SIGKILL):
    p.send_signal(by)
    return p.wait(PATIENCE_S)


def listens(where, port):
    until(f"port {port}", lambda: where("ss", "-Hltn", f"sport = :{port}").stdout)


def echo_serve(address):
    listener = socket.create_server(address, backlog=64)

    def answer(s):
        with contextlib.suppress(OSError), s:
            while data := s.recv(65536):
                s.sendall(data)

    def serve():
        while True:
            s, _ = listener.accept()
            threading.Thread(target=answer, args=(s,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()


def carries(port):
    """Whether bytes go through the tunnel that listens there, far, and come back."""

    def ask():
        go_far()
        word = os.urandom(32)
        try:
            with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as s:
                s.sendall(word)
                return exactly(s, len(word)) == word
        except OSError:
            return False

    return aside(ask)


class Calm:
    """A transfer through a tunnel of the same agent whose link nothing happens to: blocks there and back."""

    def __init__(self, port):
        self.over = threading.Event()
        self.blocks = 0
        self.pool = concurrent.futures.ThreadPoolExecutor(1)
        self.done = self.pool.submit(self.move, port)

    def move(self, port):
        with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as s:
            while not self.over.wait(0.01):
                block = hashlib.shake_128(b"%d" % self.blocks).digest(BLOCK)
                s.sendall(block)
                if exactly(s, BLOCK) != block:
                    raise Wrong("another block came back")
                self.blocks += 1

    def end(self):
        self.over.set()
        self.done.result(PATIENCE_S)
        self.pool.shutdown()
        if self.blocks == 0:
            raise Wrong("nothing went through")
        return self.blocks


# --- peers ------------------------------------------------------------------------------------------


class Gateway:
    def __init__(self, name, address):
        self.name, self.address = name, address
        self.spawn()

    def spawn(self):
        env = dict(os.environ, SLUICE_RUN=f"run.{self.name}")
        self.programs = [spawn(f"{self.name}.log", f"{build}/{p}", "-f", f"{self.name}.conf", away=True, env=env)
                         for p in ("dataplane/sluice-dataplane", "control/sluice-control")]

    def ready(self):
        until(f"gateway {self.name}", lambda: aside(self.greets))

    def greets(self):
        go_far()
        try:
            with socket.create_connection((self.address, 2203), PATIENCE_S) as s:
                return s.recv(8) == b"SSH-2.0-"
        except OSError:
            return False

    def start(self):
        self.spawn()
        self.ready()

    def kill(self):
        for p in self.programs:
            end(p)


class Names:
    """A name server that knows one; a process, so that it can be gone."""

    def start(self):
        self.p = spawn("names.log", sys.executable, os.path.abspath(__file__), "names")
        until("the name server", lambda: near("ss", "-Hlun", "sport = :53").stdout)

    def stop(self):
        end(self.p)


class Proxies:
    def start(self):
        self.programs = [
            spawn("tinyproxy.log", "tinyproxy", "-d", "-c", "tinyproxy.conf"),
            spawn("socks.log", "ssh", "-F", "none", "-N", "-D", "%s:%d" % SOCKS, "-i", "id", "-o", "IdentityAgent=none",
                  "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "root@10.66.8.1")]
        for _, port in (HTTP, SOCKS):
            listens(near, port)

    def stop(self):
        for p in self.programs:
            end(p)


def sessions_kill(link):
    """sshd's processes on that link, without a chance to say goodbye but what their kernel says."""
    for line in far("ss", "-Htnp", "state", "established", f"src 10.66.{link}.1").stdout.splitlines():
        for pid in {int(w.split(",")[0]) for w in line.split("pid=")[1:]}:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def dark(link):
    """What the other side sends is lost."""
    far("ip", "route", "add", "blackhole", f"10.66.{link}.2/32")


def light(link):
    """Once its kernel knows nothing any more."""
    until("no sockets", lambda: not far("ss", "-Htn", f"src 10.66.{link}.1").stdout)
    far("ip", "route", "del", "blackhole", f"10.66.{link}.2/32")


# --- agents -----------------------------------------------------------------------------------------


class Agent:
    def __init__(self, hosts, out="agent.out", err="agent.log"):
        self.out = out
        with open(out, "ab") as o, open(err, "ab") as e:
            self.p = subprocess.Popen((sluice, "tunnel", "--json", "-F", "config", *hosts), stdin=subprocess.DEVNULL,
                                      stdout=o, stderr=e)

    def events(self, host, *kinds):
        with open(self.out) as f:
            all_ = [json.loads(line) for line in f if line.endswith("\n")]
        return [e for e in all_ if e["host"] == host and e["event"] in kinds]

    def wait(self, host, kind, n):
        until(f"{host}: {kind} {n}", lambda: len(self.events(host, kind)) >= n, PATIENCE_S + CUT_S)

    def end(self):
        rc = end(self.p, signal.SIGTERM)
        if rc != 0:
            raise Wrong(f"the agent ended with {rc}")


PORTS, HOSTS = {}, []


def host(name, link, gateway=False, *lines):
    PORTS[name] = 2300 + len(PORTS)
    lines = (*lines, f"Hostname 10.66.{link}.1", f"Port {2203 if gateway else 22}",
             f"User {'tester' if gateway else 'root'}", f"RemoteForward 127.0.0.1:{PORTS[name]} 127.0.0.1:7")
    HOSTS.append(f"Host {name}\n" + "".join(f"\t{x}\n" for x in lines))
    return name


def config_write():
    with open("config", "w") as f:
        f.write(f"""Host *
	IdentityFile {dir_}/id
	IdentityAgent none
	GlobalKnownHostsFile none
	StrictHostKeyChecking accept-new
	ServerAliveInterval 1
	ReconnectInterval {INTERVAL_S}
	ReconnectIntervalMax {INTERVAL_S}
Host full
	UserKnownHostsFile {dir_}/full/known
Host *
	UserKnownHostsFile {dir_}/known
""" + "".join(HOSTS))


# --- what happens ------------------------------------------------------------------------------------


class Row:
    """harm(), then heal() once every host has noticed so often; back is what is measured."""

    def __init__(self, what, hosts, harm, heal=lambda: None, times=1, beside=None):
        self.what, self.hosts, self.harm, self.heal, self.times = what, hosts, harm, heal, times
        self.beside = beside

    def run(self, agent):
        downs, ups = ({h: len(agent.events(h, kind)) for h in self.hosts} for kind in ("down", "up"))
        beside = self.beside() if self.beside else None
        began = time.monotonic()
        self.harm()
        for h in self.hosts:
            agent.wait(h, "down", downs[h] + self.times)
        noticed = time.monotonic()
        self.heal()
        healed = time.monotonic()
        tries = {h: len(agent.events(h, "attempt")) for h in self.hosts}
        back = {}

        def all_back():
            for h in self.hosts:
                if h not in back and len(agent.events(h, "up")) > ups[h]:
                    back[h] = time.monotonic() - healed
            return len(back) == len(self.hosts)

        until(f"{self.what}: the tunnels", all_back)
        for h in self.hosts:
            if not carries(PORTS[h]):
                raise Wrong(f"{self.what}: {h} is up and carries nothing")
        print(f"ok: {self.what}: noticed after {noticed - began:.1f} s; back then: "
              + ", ".join(f"{h} after {t:.1f} s" for h, t in back.items()), flush=True)
        for h in self.hosts:
            self.judge(h, agent, tries[h])
        if beside:
            beside()

    def judge(self, h, agent, tries):
        """
        That a machine was busy is no fault: what counts is how often it was tried, and how long was waited. A try
        for the tunnel alone waits for the server to notice that the connection before is gone.
        """
        after = agent.events(h, "attempt")[tries:]
        if sum(e["kind"] == "connection" for e in after) > 1 or any(e["seconds"] > INTERVAL_S + 0.01 for e in after):
            raise Wrong(f"{self.what}: {h}: not back within one interval: {after}")


# --- the command, meanwhile --------------------------------------------------------------------------


def command(*args, **how):
    return subprocess.Popen((sluice, "ssh", "-F", "config", "-o", "ClearAllForwardings=yes", *args), **how)


def crossing():
    """A transfer across the cut: half before it, half while it lasts. TCP repeats what is lost."""
    half = hashlib.shake_128(b"half").digest(1 << 20)
    p = command("-o", "ServerAliveInterval=0", "-p", "23", "cut-sshd", "cat", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    got = []
    reader = threading.Thread(target=lambda: got.append(p.stdout.read()))

    def write():
        with p.stdin:
            p.stdin.write(half)
            p.stdin.flush()
            first.set()
            cut.wait()
            p.stdin.write(half)

    first, cut = threading.Event(), threading.Event()
    writer = threading.Thread(target=write)
    for t in (reader, writer):
        t.start()
    until("half of a transfer", first.is_set)

    def after():
        cut.set()
        writer.join(PATIENCE_S + CUT_S)  # TCP asks ever more seldom
        reader.join(PATIENCE_S)
        if p.wait(PATIENCE_S) != 0 or got != [half * 2]:
            raise Wrong("a transfer across the cut is not whole")
        print("ok: a transfer of the command's across the cut is whole", flush=True)

    return after


def alone():
    """One whose server is gone: it ends by itself."""
    p = command("silent", "echo there; exec sleep 1000", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if p.stdout.readline() != b"there\n":
        raise Wrong("no command at the silent server")
    began = time.monotonic()

    def after():
        _, said = p.communicate(timeout=PATIENCE_S)
        if p.returncode != 255:
            raise Wrong(f"the command ended with {p.returncode}: {said}")
        print(f"ok: the command ends by itself, {time.monotonic() - began:.1f} s: {said.decode().strip()}", flush=True)

    return after


# --- what happens to other agents --------------------------------------------------------------------


def agent_gone():
    """The servers know of a connection, and its agent's side does not: their ports are still taken."""
    hosts = ("gone-sshd", "gone-gate")
    first = Agent(hosts, "gone.out", "gone.log")
    for h in hosts:
        first.wait(h, "up", 1)
    near("ip", "route", "add", "blackhole", "10.66.6.1/32")
    end(first.p)
    until("no sockets", lambda: not near("ss", "-Htn", "src 10.66.6.2").stdout)
    near("ip", "route", "del", "blackhole", "10.66.6.1/32")
    began = time.monotonic()
    second = Agent(hosts, "second.out", "second.log")
    for h in hosts:
        second.wait(h, "up", 1)
        if not carries(PORTS[h]):
            raise Wrong(f"{h}: taken over, and carries nothing")
        print(f"ok: agent gone without a word: {h} is the next one's after {time.monotonic() - began:.1f} s", flush=True)
    tries = second.events(hosts[0], "attempt")
    if second.events(hosts[1], "attempt") or any(e["kind"] != "tunnel" or e["seconds"] > INTERVAL_S + 0.01 for e in tries):
        raise Wrong(f"an agent's old listeners: {tries}")
    second.end()


def disk_full():
    """Neither what it says nor a server's key can be kept; then there is room again."""
    agent = Agent(("full",), "full/agent.out", "full/agent.log")
    agent.wait("full", "up", 1)
    os.unlink("full/known")
    with open("full/filler", "wb", buffering=0) as f, contextlib.suppress(OSError):
        while True:
            f.write(bytes(512))

    def cut():
        sessions_kill(9)
        began = time.monotonic()
        until("the cut", lambda: not carries(PORTS["full"]))
        until("the way back", lambda: carries(PORTS["full"]))
        return time.monotonic() - began

    print(f"ok: disk full: back after {cut():.1f} s", flush=True)
    os.unlink("full/filler")
    ups = len(agent.events("full", "up"))
    print(f"ok: room on the disk: back after {cut():.1f} s", flush=True)
    agent.wait("full", "up", ups + 1)
    until("the server's key", lambda: os.path.exists("full/known") and os.path.getsize("full/known") > 0)
    agent.end()


# --- the table ---------------------------------------------------------------------------------------


def rows(struck, names, proxies):
    def link(n, way):
        far("ip", "link", "set", f"far{n}", way)

    def cut_back():
        time.sleep(CUT_S)
        link(1, "up")

    def silence():
        dark(2)
        sessions_kill(2)

    def moved():
        near("ip", "addr", "add", "10.66.3.3/24", "dev", "near3")
        near("ip", "addr", "del", "10.66.3.2/24", "dev", "near3")
        near("ip", "addr", "replace", "10.66.3.3/24", "dev", "near3")

    def forgotten():
        dark(5)
        struck.kill()
        light(5)
        struck.start()

    def nameless():
        names.stop()
        sessions_kill(7)

    # Those of one line happen one after another.
    return [
        [Row("link cut", ("cut-sshd", "cut-gate"), lambda: link(1, "down"), cut_back, beside=crossing)],
        [Row("peer killed", ("killed",), lambda: sessions_kill(10))],
        [Row("peer killed in the dark", ("silent",), silence, lambda: light(2), beside=alone)],
        [Row("address changed", ("moved-sshd", "moved-gate"), moved)],
        [Row("gateway restarted", ("restarted", "forgotten"), struck.kill, struck.start),
         Row("gateway forgot us", ("restarted", "forgotten"), forgotten)],
        [Row("no names", ("named",), nameless, names.start, times=2)],
        [Row("no proxy", ("by-http", "by-socks"), proxies.stop, proxies.start, times=2)],
    ]


def main():
    for name, n in (("cut", 1), ("moved", 3), ("gone", 6)):
        host(f"{name}-sshd", n)
        host(f"{name}-gate", n, True)
    for name, n in (("killed", 10), ("silent", 2), ("full", 9)):
        host(name, n)
    for name, n in (("restarted", 4), ("forgotten", 5)):
        host(name, n, True)
    host("named", 7, False, "Hostname far.example")
    host("by-http", 8, False, "Proxy http://%s:%d" % HTTP)
    host("by-socks", 8, False, "Proxy socks5://%s:%d" % SOCKS)
    host("calm", 0, False, "LocalForward 127.0.0.1:2299 127.0.0.1:7", "ServerAliveInterval 30")
    config_write()

    echo_serve(("127.0.0.1", 7))
    aside(lambda: (go_far(), echo_serve(("127.0.0.1", 7))))
    for which in ("patient", "quick"):
        spawn(f"{which}.log", "/usr/sbin/sshd", "-D", "-e", "-f", f"{which}.sshd", away=True)
    still, struck, names, proxies = Gateway("still", "10.66.1.1"), Gateway("struck", "10.66.4.1"), Names(), Proxies()
    for which in ("patient", "quick"):
        until("sshd", lambda: "Server listening" in open(f"{which}.log").read())
    names.start()
    proxies.start()
    still.ready()
    struck.ready()

    table = rows(struck, names, proxies)
    agent = Agent([h for line in table for h in line[0].hosts] + ["calm"])
    for line in table:
        for h in line[0].hosts:
            agent.wait(h, "up", 1)
    agent.wait("calm", "up", 1)
    calm = Calm(2299)

    def run(line):
        for row in line:
            row.run(agent)

    jobs = [lambda line=line: run(line) for line in table] + [agent_gone, disk_full]
    with concurrent.futures.ThreadPoolExecutor(len(jobs)) as pool:
        done = [pool.submit(j) for j in jobs]
        concurrent.futures.wait(done)
    wrong = 0
    for d in done:
        try:
            d.result()
        except (Wrong, OSError, ValueError, subprocess.SubprocessError) as e:
            print(f"FAILED: {e}", flush=True)
            wrong += 1
    print(f"ok: beside all of it {calm.end() * BLOCK >> 10} KiB went through a tunnel there and back", flush=True)
    agent.end()
    os._exit(wrong > 0)  # threads that answer never end


main()
