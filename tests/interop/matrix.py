"""The interop matrix: every algorithm the gateway and a peer both know, one at a time, in both roles.

Run by test_matrix.sh, in the client's namespace of its lab. What we know we are asked for (sluice-control -Q); what a peer knows
is what stands in its KEXINIT when everything it has is switched on. For each algorithm control is started anew with that
alone in its list, so that no peer needs to be told; then each peer that knows it logs in and takes --bytes through a
direct-tcpip channel, every byte checked, with a key exchange due after a fifth of it. In the other role our client
asks for that algorithm alone.
"""
import argparse
import os
import random
import re
import signal
import socket
import struct
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
ENV = os.environ
BUILD, DIR, LAB = ENV["SLUICE_BUILD"], ENV["LAB_DIR"], ENV["LAB"]
GATE, PORT, USER, TARGET = ENV["LAB_GW_OUTSIDE"], ENV["LAB_PORT"], ENV["LAB_USER"], ENV["LAB_TARGET_ADDR"]
PUMP_PORT = "9000"
PYTHON = "/usr/bin/python3"
PATIENCE_S = 120
PROBE = f"{BUILD}/tests/interop/ssh_probe"

# Where the names of a kind stand in a KEXINIT (RFC 4253 section 7.1), and the keyword of ours.
KINDS = {"kex": (0, "KexAlgorithms"), "host key": (1, "HostKeyAlgorithms"), "cipher": (2, "Ciphers"), "MAC": (4, "MACs"),
         "user key": (1, "PubkeyAcceptedAlgorithms")}
QUERY = {"kex": "kex", "host key": "sig", "cipher": "cipher", "MAC": "mac", "user key": "sig"}
KEY_OF = {"ssh-ed25519": "ed25519", "ssh-ed448": "ed448", "ecdsa-sha2-nistp256": "ecdsa256", "ecdsa-sha2-nistp384": "ecdsa384",
          "ecdsa-sha2-nistp521": "ecdsa521", "rsa-sha2-256": "rsa", "rsa-sha2-512": "rsa", "ssh-rsa": "rsa", "ssh-dss": "dsa"}
# What both know and yet does not work, and why that is not ours.
EXCEPT = {
    ("libssh2", "user key", "rsa-sha2-256"): "signs with SHA-1 only",
    ("libssh2", "user key", "rsa-sha2-512"): "signs with SHA-1 only",
    ("asyncssh", "user key", "ssh-ed448"): "reads no key file of PuTTY's",
}
# Servers that break off a key exchange we begin while data moves, and why.
NO_REKEY = {"asyncssh": "2.10 sends data between its KEXINIT and its NEWKEYS (RFC 4253 section 7.1 forbids it)"}


def run(*cmd, **kw):
    return subprocess.run([str(c) for c in cmd], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace", **kw)


def known(what):
    r = subprocess.run([f"{BUILD}/control/sluice-control", "-Q", what], stdout=subprocess.PIPE, text=True, check=True)
    return r.stdout.split()


def authenticates(cipher):
    return "gcm@" in cipher or "poly1305" in cipher


# --- keys -----------------------------------------------------------------------------------------

class Keys:
    """Host and user keys of every type somebody here can make, in the forms the peers read."""

    def __init__(self):
        self.types = []
        for name, args in (("ed25519", ("-t", "ed25519")), ("rsa", ("-t", "rsa", "-b", "2048", "-m", "PEM")),
                           ("dsa", ("-t", "dsa", "-m", "PEM")), ("ed448", None),
                           *((f"ecdsa{b}", ("-t", "ecdsa", "-b", b, "-m", "PEM")) for b in ("256", "384", "521"))):
            if all(self.make(f"{role}_{name}", args) for role in ("h", "u")):
                self.types.append(name)
        with open(f"{DIR}/authorized_keys/{USER}", "a") as f:
            for t in self.types:
                with open(self.user(t, ".pub")) as pub:
                    f.write(pub.read().rstrip("\n") + "\n")

    @staticmethod
    def make(name, args):
        path = f"{DIR}/{name}"
        if args is not None:
            ok = run("ssh-keygen", "-q", "-N", "", "-C", name, "-f", path, *args).returncode == 0
        else:  # OpenSSH has no Ed448
            with open(f"{path}.none", "w"):
                pass
            ok = all(run("puttygen", *a, "--new-passphrase", f"{path}.none").returncode == 0 for a in (
                ("-q", "-t", "ed448", "-C", name, "-O", "private-openssh-new", "-o", path),)) and run(
                    "puttygen", path, "-O", "public-openssh", "-o", f"{path}.pub").returncode == 0
        if ok and name.startswith("u_"):
            ok = run("puttygen", path, "-O", "private", "-o", f"{path}.ppk").returncode == 0
            run("dropbearconvert", "openssh", "dropbear", path, f"{path}.db")
        return ok

    @staticmethod
    def user(name, form=""):
        return f"{DIR}/u_{name}{form}"

    @staticmethod
    def host(name, form=""):
        return f"{DIR}/h_{name}{form}"


# --- the gateway ----------------------------------------------------------------------------------

class Gateway:
    def __init__(self, keys, limit):
        self.keys, self.limit = keys, limit
        self.control = self.signer = None
        self.pid = int(ENV["LAB_CONTROL_PID"])
        self.log = f"{DIR}/control.log"
        with open(f"{DIR}/sluice.conf") as f:
            self.base = [x for x in f.read().splitlines() if not x.startswith(("HostKey ", "Ciphers "))]
        self.all = {kind: known(what) for kind, what in QUERY.items()}

    def end(self):
        os.kill(self.pid, signal.SIGTERM)
        if self.control is not None:
            self.control.wait(30)
        else:
            self.wait_gone(self.pid)

    @staticmethod
    def wait_gone(pid):
        """One that is no child of ours."""
        for _ in range(600):
            try:
                os.kill(pid, 0)
            except ProcessLookupError:
                return
            time.sleep(0.05)

    def spawn(self, program, conf, log, until):
        """In the gateway's namespace; what it says goes to the log, and has to have these words."""
        seen = os.path.getsize(log)
        with open(log, "a") as f:
            p = subprocess.Popen(
                ["ip", "netns", "exec", f"{LAB}-gw", "env", f"SLUICE_RUN={DIR}/run", f"{BUILD}/control/{program}", "-f", conf],
                stdin=subprocess.DEVNULL, stdout=f, stderr=f)
        for _ in range(400):
            with open(log, errors="replace") as f:
                f.seek(seen)
                said = f.read()
            if until in said:
                return p
            if p.poll() is not None:
                break
            time.sleep(0.025)
        sys.exit(f"{program} does not start: {said[-500:]}")

    def start_signer(self, conf):
        """The one of the lab has one host key."""
        pid = int(ENV["LAB_SIGNER_PID"])
        os.kill(pid, signal.SIGTERM)
        self.wait_gone(pid)
        self.signer = self.spawn("sluice-signer", conf, f"{DIR}/signer.log", "signer.sock")

    def start(self, kind, alg):
        """Control with nothing else of this kind."""
        self.end()
        names = dict(self.all, **{kind: [alg]})
        if kind == "MAC":
            names["cipher"] = [c for c in names["cipher"] if not authenticates(c)]
        path = f"{DIR}/matrix.conf"
        with open(path, "w") as f:
            f.writelines(x + "\n" for x in self.base + [f"HostKey {self.keys.host(t)}" for t in self.keys.types] + [
                f"{keyword} {','.join(names[k])}" for k, (_, keyword) in KINDS.items()] + [
                    f"RekeyLimit {self.limit}", "LogLevel DEBUG1", "LoginGraceTime 60"])
        if self.signer is None:
            self.start_signer(path)
        self.control = self.spawn("sluice-control", path, self.log, "Server listening on")
        self.pid = self.control.pid
        with open(f"{DIR}/control.pid", "w") as f:
            f.write(f"{self.pid}\n")

    def said(self, since):
        with open(self.log, errors="replace") as f:
            f.seek(since)
            return f.read()


# --- what a peer knows ----------------------------------------------------------------------------

def kexinit_of(sock):
    """The name-lists of the KEXINIT the other side sends."""
    sock.settimeout(20)
    sock.sendall(b"SSH-2.0-matrix\r\n")
    f = sock.makefile("rb")
    while not (line := f.readline(512)).startswith(b"SSH-"):
        if not line:
            raise OSError("no identification")
    length, padding, msg = struct.unpack(">IBB", f.read(6))
    payload = f.read(length - 2)[16:-padding or None]
    if msg != 20:
        raise OSError(f"message {msg}")
    lists = []
    for _ in range(8):
        n = struct.unpack(">I", payload[:4])[0]
        lists.append(payload[4:4 + n].decode().split(","))
        payload = payload[4 + n:]
    return lists


class Client:
    """A client of the gateway."""

    def __init__(self, name, version, command):
        self.name, self.version, self.command = name, version, command
        self.offers = None

    def learn(self, keys):
        with socket.create_server(("127.0.0.1", 0)) as s:
            s.settimeout(20)
            cmd, env = self.command("127.0.0.1", s.getsockname()[1], keys, "ed25519", "ed25519", 8)
            p = subprocess.Popen(cmd, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                 start_new_session=True)
            try:
                with s.accept()[0] as c:
                    self.offers = kexinit_of(c)
            finally:
                os.killpg(p.pid, signal.SIGKILL)
                p.wait()

    def knows(self, kind, alg):
        return alg in self.offers[KINDS[kind][0]]

    def attempt(self, gate, kind, alg, size):
        since = os.path.getsize(gate.log)
        host = KEY_OF[alg] if kind == "host key" else "ed25519"
        user = KEY_OF[alg] if kind == "user key" else "ed25519"
        cmd, env = self.command(GATE, PORT, gate.keys, host, user, size)
        try:
            r = run(*cmd, env=env, timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            return f"no end in {PATIENCE_S} s"
        exchanges = len(re.findall(r"^debug1: kex: ", gate.said(since), re.M))
        if r.returncode:
            return f"exit {r.returncode}: {r.stdout[-300:]} gateway: {gate.said(since)[-600:]}"
        return None if exchanges > 1 else f"{exchanges} key exchange"


class Server:
    """A server our client logs in at: a program that speaks on its standard input and output."""

    def __init__(self, name, version, command):
        self.name, self.version, self.command = name, version, command
        self.offers = None

    def learn(self, keys):
        self.offers = self.kexinit(keys, "ed25519")
        self.keys, self.hosts = keys, {"ed25519": self.offers[1]}

    def kexinit(self, keys, host):
        with socket.create_server(("127.0.0.1", 0)) as s:
            ours = socket.create_connection(s.getsockname())
            theirs = s.accept()[0]
        p = subprocess.Popen(self.command(keys, host), stdin=theirs, stdout=theirs, stderr=subprocess.DEVNULL,
                             start_new_session=True)
        theirs.close()
        try:
            return kexinit_of(ours)
        finally:
            ours.close()
            os.killpg(p.pid, signal.SIGKILL)
            p.wait()

    def host_algs(self, host):
        """What it signs with when it has this key."""
        if host not in self.hosts:
            try:
                self.hosts[host] = self.kexinit(self.keys, host)[1]
            except (OSError, ValueError, struct.error):
                self.hosts[host] = []  # it cannot read the key
        return self.hosts[host]

    def knows(self, kind, alg):
        if kind.endswith("key"):  # of a server's own list nothing says which users' keys it takes
            return alg in self.host_algs(KEY_OF[alg])
        return alg in self.offers[KINDS[kind][0]]

    def attempt(self, gate, kind, alg, size):
        keys, host = gate.keys, KEY_OF[alg] if kind == "host key" else "ed25519"
        user = KEY_OF[alg] if kind == "user key" else "ed25519"
        option = {"kex": ("-x", alg), "cipher": ("-c", alg), "host key": ("-H", alg), "user key": ("-S", alg),
                  "MAC": ("-m", alg, "-c", ",".join(c for c in gate.all["cipher"] if not authenticates(c)))}[kind]
        rekeys = 0 if self.name in NO_REKEY else 1
        try:
            r = run(PROBE, "-u", "root", "-i", keys.user(user), "-k", keys.host(host, ".pub"), "-n", size, "-r", rekeys, *option, "--",
                    *self.command(keys, host), timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            return f"no end in {PATIENCE_S} s"
        if r.returncode:
            return f"exit {r.returncode}: {r.stdout[-400:]}"
        exchanges = int(re.search(r"(\d+) key exchanges", r.stdout).group(1))
        return None if exchanges > rekeys else "no second key exchange"


# --- the peers ------------------------------------------------------------------------------------

def first_line(*cmd):
    try:
        lines = run(*cmd).stdout.splitlines()
    except FileNotFoundError:
        return None
    return lines[0].strip() if lines else ""


def openssh_all():
    """Everything on, as options."""
    out = []
    for keyword, what in (("KexAlgorithms", "kex"), ("Ciphers", "cipher"), ("MACs", "mac"), ("HostKeyAlgorithms", "HostKeyAlgorithms"),
                          ("PubkeyAcceptedAlgorithms", "PubkeyAcceptedAlgorithms")):
        names = run("ssh", "-Q", what).stdout.split()
        names.sort(key=lambda n: "3des" in n)  # slow ones only when nothing else is there
        out += ["-o", f"{keyword}={','.join(names)}"]
    return out


def by_pump(command):
    """A client that makes its standard input and output the channel."""
    def build(host, port, keys, hostkey, userkey, size):
        cmd, env = command(host, port, keys, hostkey, userkey)
        return [f"{BUILD}/perf/pump", "get", str(size), "--", *map(str, cmd)], env
    return build


def ssh(host, port, keys, hostkey, userkey):
    return ["ssh", "-F", "none", "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", "-o", "UserKnownHostsFile=/dev/null", "-o",
            "StrictHostKeyChecking=no", "-o", "BatchMode=yes", "-o", "LogLevel=ERROR", *openssh_all(), "-i", keys.user(userkey), "-p", port,
            "-W", f"{TARGET}:{PUMP_PORT}", f"{USER}@{host}"], ENV


def dbclient(host, port, keys, _hostkey, userkey):
    return ["dbclient", "-y", "-y", "-i", keys.user(userkey, ".db"), "-p", port, "-B", f"{TARGET}:{PUMP_PORT}",
            f"{USER}@{host}"], dict(ENV, HOME=DIR)


PUTTY = """Cipher=aesgcm,aes,chacha20,3des,blowfish,arcfour,des,WARN
KEX=ntru-curve25519,ecdh,dh-group18-sha512,dh-group17-sha512,dh-group16-sha512,dh-group15-sha512,dh-gex-sha1,dh-group14-sha1,rsa,dh-group1-sha1,WARN
HostKey=ed25519,ed448,ecdsa,rsa,dsa,WARN
SSH2DES=1
"""


def plink(host, port, keys, hostkey, userkey):
    os.makedirs(f"{DIR}/.putty/sessions", exist_ok=True)
    with open(f"{DIR}/.putty/sessions/matrix", "w") as f:
        f.write(PUTTY)
    fingerprint = run("ssh-keygen", "-l", "-f", keys.host(hostkey, ".pub")).stdout.split()
    args = [] if len(fingerprint) < 2 or not fingerprint[1].startswith("SHA256") else [fingerprint[1]]
    args = args or run("puttygen", "-l", keys.host(hostkey, ".pub")).stdout.split()[2:3]
    pinned = []
    for t in keys.types:  # which of them it takes is the gateway's first
        r = run("puttygen", "-l", keys.host(t, ".pub")).stdout
        pinned += ["-hostkey", re.search(r"SHA256:\S+", r).group(0)]
    return ["plink", "-batch", "-load", "matrix", "-P", port, "-i", keys.user(userkey, ".ppk"), *pinned, "-nc",
            f"{TARGET}:{PUMP_PORT}", f"{USER}@{host}"], dict(ENV, HOME=DIR)


def library(*program, env=ENV):
    def build(host, port, keys, _hostkey, userkey, size):
        return [*program, host, str(port), USER, keys.user(userkey), TARGET, PUMP_PORT, str(size)], env
    return build


def python_version(module, what="__version__"):
    r = subprocess.run([PYTHON, "-W", "ignore", "-c", f"import {module}; print({module}.{what})"], stdout=subprocess.PIPE,
                       stderr=subprocess.DEVNULL, text=True)
    return r.stdout.strip() or None


def libssh2_version():
    r = subprocess.run([PYTHON, "-c", "import ctypes; f = ctypes.CDLL('libssh2.so.1').libssh2_version; f.restype = ctypes.c_char_p; "
                        "print(f(0).decode())"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return r.stdout.strip() or None


def clients():
    yield Client("ssh", first_line("ssh", "-V"), by_pump(ssh))
    yield Client("dbclient", first_line("dbclient", "-V"), by_pump(dbclient))
    yield Client("plink", (first_line("plink", "-V") or "").replace("plink: Release", "PuTTY"), by_pump(plink))
    yield Client("paramiko", python_version("paramiko"), library(PYTHON, "-W", "ignore", f"{HERE}/peers/client_paramiko.py"))
    yield Client("asyncssh", python_version("asyncssh"), library(PYTHON, f"{HERE}/peers/client_asyncssh.py"))
    yield Client("libssh2", libssh2_version(), library(PYTHON, f"{HERE}/peers/client_libssh2.py"))
    node = dict(ENV, NODE_PATH=f"{ENV.get('LAB_NPM', '/nonexistent')}/node_modules")
    version = run("node", "-p", "require('ssh2/package.json').version", env=node).stdout.strip() if "LAB_NPM" in ENV else None
    yield Client("ssh2", version, library("node", f"{HERE}/peers/client_ssh2.js", env=node))


def sshd(keys, _host):
    path = f"{DIR}/matrix.sshd"
    options = [x for x in openssh_all() if x != "-o"]
    with open(path, "w") as f:
        f.writelines(x + "\n" for x in [f"HostKey {keys.host(t)}" for t in keys.types if t != "ed448"] + [
            f"AuthorizedKeysFile {DIR}/authorized_keys/{USER}", "StrictModes no", "UsePAM no", "PermitRootLogin yes", "PidFile none"] + [
                x.replace("=", " ", 1) for x in options])
    os.makedirs("/run/sshd", exist_ok=True)
    return ["/usr/sbin/sshd", "-i", "-e", "-f", path]


def dropbear(keys, host):
    """Users' keys stand in their homes: root has one of its own here."""
    run("dropbearconvert", "openssh", "dropbear", keys.host(host), keys.host(host, ".db"))
    return ["/usr/bin/unshare", "-m", "sh", "-c", 'mount -t tmpfs -o mode=700 none /root && mkdir -m 700 /root/.ssh && cp "$0" /root/.ssh/authorized_keys && '
            'chmod 600 /root/.ssh/authorized_keys && exec "$@"', f"{DIR}/authorized_keys/{USER}", "/usr/sbin/dropbear", "-i", "-r",
            keys.host(host, ".db")]


def python_server(name):
    def build(keys, host):
        return [PYTHON, "-W", "ignore", f"{HERE}/peers/server_{name}.py", keys.host(host), f"{DIR}/authorized_keys/{USER}"]
    return build


def servers():
    yield Server("sshd", first_line("ssh", "-V"), sshd)
    yield Server("dropbear", first_line("dbclient", "-V"), dropbear)
    yield Server("paramiko", python_version("paramiko"), python_server("paramiko"))
    yield Server("asyncssh", python_version("asyncssh"), python_server("asyncssh"))


# --- cells ----------------------------------------------------------------------------------------

def learned(peers, keys):
    """Those that are here, with what they know."""
    out = []
    for p in peers:
        if not p.version:
            print(f"skipped: {p.name} is not installed")
            continue
        try:
            p.learn(keys)
            out.append(p)
        except OSError as e:
            print(f"FAILED: what {p.name} knows: {e}")
            sys.exit(1)
    return out


def cells(gate, peers):
    for kind in KINDS:
        for alg in gate.all[kind]:
            if kind.endswith("key") and KEY_OF.get(alg) not in gate.keys.types:
                continue
            for p in peers:
                if p.knows(kind, alg) and (p.name, kind, alg) not in EXCEPT:
                    yield kind, alg, p


def attempt_all(gate, wanted, size):
    """{(role, kind, alg, peer): None or what is wrong}"""
    got, last = {}, None
    for kind, alg, p in wanted:
        role = "client" if isinstance(p, Client) else "server"
        if role == "client" and last != (kind, alg):
            gate.start(kind, alg)
            last = kind, alg
        began = time.monotonic()
        bad = p.attempt(gate, kind, alg, size)
        got[role, kind, alg, p.name] = bad
        print(f"{'FAILED' if bad else 'ok'}: {p.name} as {role}: {kind} {alg}: {bad or f'{time.monotonic() - began:.1f} s'}", flush=True)
    return got


def some(wanted, n, seed):
    print(f"seed {seed}")
    chosen = random.Random(seed).sample(wanted, min(n, len(wanted)))
    return sorted(chosen, key=wanted.index)


# --- the table ------------------------------------------------------------------------------------

def table(gate, peers, got, role):
    out = []
    for kind in KINDS:
        out += ["", f"| {kind} | " + " | ".join(p.name for p in peers) + " |", "| --- " * (len(peers) + 1) + "|"]
        for alg in gate.all[kind]:
            if kind.endswith("key") and alg not in KEY_OF:
                continue
            row = []
            for p in peers:
                key = role, kind, alg, p.name
                if (p.name, kind, alg) in EXCEPT and role == "client":
                    row.append(EXCEPT[p.name, kind, alg])
                else:
                    row.append("" if key not in got else "**fails**" if got[key] else "yes")
            out.append(f"| `{alg}` | " + " | ".join(row) + " |")
    return out


def document(gate, ours, theirs, got, size):
    text = ["# Interoperability", "",
            "Made by `tests/interop/test_matrix.sh --save`. Each cell is one login with nothing but this algorithm of its kind on our "
            f"side, {size >> 20} MiB through a `direct-tcpip` channel with every byte checked, and a key exchange in the middle. *yes*: it was so; "
            "empty: the peer does not know the algorithm (by its own KEXINIT, with everything it has switched on), or has no key of this type. Names "
            "that come with certificates, hardware keys, X.509 or Kerberos have tests of their own, as they need more than a key.", "",
            "The default run of the tests tries some of these cells, chosen by the seed; `--long` tries all.", "",
            "## Clients of the gateway", "", ", ".join(f"{p.name}: {p.version}" for p in ours) + ".", *table(gate, ours, got, "client"), "",
            "## Servers of our client", "", ", ".join(f"{p.name}: {p.version}" for p in theirs) + ".", "",
            *(f"Without a second key exchange: {name} {why}." for name, why in NO_REKEY.items()), *table(gate, theirs, got, "server"), ""]
    with open(f"{TOP}/docs/interop.md", "w") as f:
        f.write("\n".join(text))


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--save", action="store_true", help="writes docs/interop.md")
    p.add_argument("--sample", type=int, default=0, help="so many cells of each role, not all")
    p.add_argument("--only", default="", help="cells whose 'peer kind algorithm' match")
    p.add_argument("--bytes", type=int, default=10 << 20)
    a = p.parse_args()
    keys = Keys()
    gate = Gateway(keys, a.bytes // 5)
    ours, theirs = list(clients()), list(servers())
    seed = int(ENV.get("SLUICE_SEED", "1"), 0)
    if a.sample:  # two that start quickly and one that does not
        slow = [p for p in ours[2:] if p.version]
        ours = ours[:2] + [slow[seed % len(slow)]]
        theirs = theirs[:2]
    ours, theirs = learned(ours, keys), learned(theirs, keys)
    wanted = [list(cells(gate, peers)) for peers in (ours, theirs)]
    if a.only:
        wanted = [[c for c in w if re.search(a.only, f"{c[2].name} {c[0]} {c[1]}")] for w in wanted]
    if a.sample:
        wanted = [some([c for c in w if "3des" not in c[1]], a.sample, seed) for w in wanted]
    got = {}
    for w in wanted:
        got.update(attempt_all(gate, w, a.bytes))
    bad = sum(x is not None for x in got.values())
    print(f"{len(got)} cells, {bad} failed")
    if gate.signer is not None:
        gate.signer.terminate()
        gate.signer.wait(30)
    if a.save:
        document(gate, ours, theirs, got, a.bytes)
    return 1 if bad or not got else 0


if __name__ == "__main__":
    sys.exit(main())
