"""Of the interop matrix: the peers, what each knows, and how one is told to do what a cell wants."""
import os
import re
import signal
import socket
import struct
import subprocess
import sys

from matrix_lab import (DIR, ENV, GATE, GSS_KEX, GSS_KRB5, GSS_METHODS, HERE, KINDS, NPM, PLAIN, PORT, PUMP_PORT, PYTHON, BUILD, SK_PROVIDER,
                        TARGET, USER, Cell, Kerberos, authenticates, run)

PATIENCE_S = 300
PROBE = f"{BUILD}/tests/interop/ssh_probe"
ANY = Cell("compression", "zlib")  # to learn what a peer knows
CERT = "-cert-v01@openssh.com"
TOO_QUICK = "no second key exchange"

# What a peer names and yet does not do: role, peer, "kind algorithm"; and why, if it is not that it only reads them.
EXCEPT = (
    ("client", "libssh2", r"user key rsa-sha2-(256|512)", "signs with SHA-1 only"),
    ("client", "libssh2", r"host key ecdsa-.*-cert-.*", "reads a certificate as a bare key"),
    ("client", "dbclient|ssh", r"user key webauthn-.*", ""),
    ("client", "dbclient", r"user key sk-.*", ""),
    ("client", "asyncssh", r"user key sk-.*", "needs a device"),
    ("client", "paramiko", r"kex by Kerberos gss-group14-sha1-", "breaks off: Python 2's str()"),
    ("server", "ssh2", r"kex diffie-hellman-group-exchange-.*", "as a client alone"),
    ("client", "asyncssh", r"user key rsa-sha2-.*-cert-.*", "names SHA-1 and signs with SHA-2"),
)
# Servers that break off a key exchange we begin while data moves, and why.
NO_REKEY = {"asyncssh": "2.10 sends data between its KEXINIT and its NEWKEYS (RFC 4253 section 7.1 forbids it)"}


def excepted(role, name, kind, row):
    """None: nothing is known against it."""
    return next((why for r, n, what, why in EXCEPT if r == role and re.fullmatch(n, name) and re.fullmatch(what, f"{kind} {row}")), None)


def kexinit_of(sock):
    """The name-lists of the KEXINIT the other side sends."""
    sock.settimeout(60)
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


class Peer:
    """
    command(cell, keys, …) says how it is started. users, hosts: patterns of keys it knows beyond those its
    KEXINIT shows; only: nothing else is tried with it; gss: it can ask for tickets, by these methods.
    """

    def __init__(self, name, version, command, users=(), hosts=(), only=None, gss=()):
        self.name, self.version, self.command, self.only, self.gss = name, version, command, only, gss
        self.also = {"user key": users, "host key": hosts}
        self.offers = self.gss_offers = None

    def knows(self, cell):
        if self.only is not None:
            return any(re.fullmatch(p, f"{cell.kind} {cell.row}") for p in self.only)
        if cell.kind == "method":
            return cell.alg in self.gss
        if cell.kind == "kex by Kerberos":
            return bool(self.gss) and cell.alg + GSS_KRB5 in (self.gss_offers or [])
        if any(re.fullmatch(p, cell.row) for p in self.also.get(cell.kind, ())):
            return True
        return not cell.way and self.offered(cell)

    def start(self, cmd, env, **io):
        return subprocess.Popen([str(c) for c in cmd], env=env, stderr=subprocess.DEVNULL, start_new_session=True, **io)

    @staticmethod
    def stop(p):
        os.killpg(p.pid, signal.SIGKILL)
        p.wait()


class Client(Peer):
    """A client of the gateway: command(cell, keys, host, port, size) is its arguments and environment."""

    role = "client"

    def learn(self, keys):
        self.offers = self.kexinit(keys, ANY)
        if self.gss and "LAB_REALM" in ENV:
            self.gss_offers = self.kexinit(keys, Cell("kex by Kerberos", GSS_KEX[0]))[0]

    def kexinit(self, keys, cell):
        with socket.create_server(("127.0.0.1", 0)) as s:
            s.settimeout(60)
            cmd, env = self.command(cell, keys, "127.0.0.1", s.getsockname()[1], 8)
            p = self.start(cmd, env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            try:
                with s.accept()[0] as c:
                    return kexinit_of(c)
            finally:
                self.stop(p)

    def offered(self, cell):
        return cell.alg in self.offers[KINDS[cell.kind][0]]

    def attempt(self, gate, cell, size):
        """All bytes may be through before a gateway that is short of time begins its key exchange: that tells nothing."""
        for _ in range(3):
            bad = self.attempt_once(gate, cell, size)
            if bad != TOO_QUICK:
                break
        return bad

    def attempt_once(self, gate, cell, size):
        since = os.path.getsize(gate.log)
        cmd, env = self.command(cell, gate.keys, GATE, PORT, size)
        try:
            r = run(*cmd, env=env, timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            return f"no end in {PATIENCE_S} s"
        said = gate.said(since)
        exchanges = len(re.findall("^debug1: kex: " + re.escape(cell.is_of("kex by Kerberos") or ""), said, re.M))
        if r.returncode:
            return f"exit {r.returncode}: {r.stdout[-300:]} gateway: {said[-600:]}"
        if CERT in cell.alg and cell.kind == "user key" and "-CERT " not in said:
            return "let in without its certificate"
        return None if exchanges > 1 else TOO_QUICK


class Server(Peer):
    """A server our client logs in at: command(cell, keys) is a program that speaks on its standard input and output."""

    role = "server"

    def learn(self, keys):
        self.keys, self.hosts = keys, {}
        self.offers = self.kexinit(ANY)
        self.hosts["ed25519"] = self.offers[1]
        if self.gss and "LAB_REALM" in ENV:
            self.gss_offers = self.kexinit(Cell("kex by Kerberos", GSS_KEX[0]))[0]

    def kexinit(self, cell):
        with socket.create_server(("127.0.0.1", 0)) as s:
            ours = socket.create_connection(s.getsockname())
            theirs = s.accept()[0]
        p = self.start(*self.command(cell, self.keys), stdin=theirs, stdout=theirs)
        theirs.close()
        try:
            return kexinit_of(ours)
        finally:
            ours.close()
            self.stop(p)

    def host_algs(self, cell):
        """What it signs with when it has this cell's host key."""
        if cell.host not in self.hosts:
            try:
                self.hosts[cell.host] = self.kexinit(cell)[1] if self.keys.have("h", cell.host) else []
            except TimeoutError:
                raise  # slow, which says nothing
            except (OSError, ValueError, struct.error):
                self.hosts[cell.host] = []  # it cannot read the key
        return self.hosts[cell.host]

    def offered(self, cell):
        if cell.kind == "host key":
            return cell.alg in self.host_algs(cell)
        if cell.kind == "user key":  # its list says nothing of whose keys it takes: those it has itself
            return cell.alg in PLAIN and cell.alg in self.host_algs(Cell("host key", cell.alg))
        return cell.alg in self.offers[KINDS[cell.kind][0]]

    def options(self, gate, cell):
        """What the client role of ours is told."""
        keys, alg = gate.keys, cell.alg
        user, host = keys.user(cell.user), ("-K", cell.host_ca, "-N", "localhost") if cell.host_ca else ("-k", keys.host(cell.host, ".pub"))
        if cell.gss:
            who = ["-G", "127.0.0.1", "-M", cell.is_of("method") or "gssapi-keyex"]
            if cell.kind != "method" or alg == "gssapi-keyex":
                who += ["-x", (cell.is_of("kex by Kerberos") or GSS_KEX[0]) + GSS_KRB5]
        elif "sk-" in cell.alg:
            who = ["-A", self.agent(cell, user), "-I", f"{user}-cert.pub" if CERT in alg else f"{user}.pub"]
        else:
            who = ["-i", user, *(["-I", f"{user}-cert.pub"] if cell.kind == "user key" and CERT in alg else [])]
        what = {"kex": ("-x", alg), "cipher": ("-c", alg), "host key": ("-H", alg), "user key": ("-S", alg), "compression": ("-C", alg),
                "MAC": ("-m", alg, "-c", ",".join(c for c in gate.all["cipher"] if not authenticates(c)))}.get(cell.kind, ())
        return [*who, *host, *what]

    def agent(self, cell, user):
        """A token in software behind an agent's socket; it ends with the attempt."""
        kind = "webauthn" if "webauthn" in cell.alg else cell.user.split("-")[1].rstrip("c")
        path = f"{DIR}/agent"
        if os.path.exists(path):
            os.unlink(path)
        self.token = subprocess.Popen([PYTHON, f"{HERE}/sk_agent.py", path, f"{user}.seen", kind, f"{user}-cert.pub",
                                       user if kind == "webauthn" else f"{user}.pem"],
                                      stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self.token.stdout.readline()
        return path

    def attempt(self, gate, cell, size):
        self.token = None
        rekeys = 0 if self.name in NO_REKEY else 1
        cmd, env = self.command(cell, gate.keys)
        if cell.gss:
            env = dict(env, KRB5CCNAME=Kerberos.as_root()["KRB5CCNAME"])
        try:
            r = run(PROBE, "-u", "root", "-n", size, "-r", rekeys, *self.options(gate, cell), "--", *cmd, env=env, timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            return f"no end in {PATIENCE_S} s"
        finally:
            if self.token is not None:
                self.token.kill()
                self.token.wait()
        if r.returncode:
            return f"exit {r.returncode}: {r.stdout[-400:]}"
        exchanges = int(re.search(r"(\d+) key exchanges", r.stdout).group(1))
        return None if exchanges > rekeys else "no second key exchange"


# --- programs ---------------------------------------------------------------------------------------

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
    def build(cell, keys, host, port, size):
        cmd, env = command(cell, keys, host, port)
        return [f"{BUILD}/perf/pump", "get", str(size), "--", *map(str, cmd)], env
    return build


def ssh(cell, keys, host, port):
    options, env = ["UserKnownHostsFile=/dev/null", "StrictHostKeyChecking=no"], dict(ENV)
    if cell.host.endswith("c"):  # believed for its authority, or not at all
        with open(f"{DIR}/known_ca", "w") as f, open(f"{DIR}/ca_host.pub") as ca:
            f.write(f"@cert-authority * {ca.read()}")
        options = [f"UserKnownHostsFile={DIR}/known_ca", "StrictHostKeyChecking=yes"]
    if cell.user.startswith("sk-"):
        with open(os.open(f"{DIR}/pin", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o700), "w") as f:
            f.write("#!/bin/sh\necho 1234\n")
        options.append(f"SecurityKeyProvider={SK_PROVIDER}")
        env.update(SSH_ASKPASS=f"{DIR}/pin", SSH_ASKPASS_REQUIRE="force")
    if cell.gss:
        options += ["GSSAPIAuthentication=yes", f"GSSAPIKeyExchange={'no' if cell.alg == 'gssapi-with-mic' else 'yes'}",
                    f"GSSAPIKexAlgorithms={','.join(GSS_KEX)}"]
    options += [f"Compression={'yes' if cell.kind == 'compression' else 'no'}", "IdentitiesOnly=yes", "IdentityAgent=none", "BatchMode=yes",
                "LogLevel=ERROR"]
    return ["ssh", "-F", "none", *(x for o in options for x in ("-o", o)), *openssh_all(), "-i", keys.user(cell.user), "-p", port,
            "-W", f"{TARGET}:{PUMP_PORT}", f"{USER}@{host}"], env


def dbclient(cell, keys, host, port):
    return ["dbclient", "-y", "-y", "-i", keys.user(cell.user, ".db"), "-p", port, "-B", f"{TARGET}:{PUMP_PORT}",
            f"{USER}@{host}"], dict(ENV, HOME=DIR)


PUTTY = """Cipher=aesgcm,aes,chacha20,3des,blowfish,arcfour,des,WARN
KEX=ntru-curve25519,ecdh,dh-group18-sha512,dh-group17-sha512,dh-group16-sha512,dh-group15-sha512,dh-gex-sha1,dh-group14-sha1,rsa,dh-group1-sha1,WARN
HostKey=ed25519,ed448,ecdsa,rsa,dsa,WARN
SSH2DES=1
"""


def plink(cell, keys, host, port):
    home = f"{DIR}/putty{'-ca' if cell.host.endswith('c') else ''}"
    os.makedirs(f"{home}/.putty/sessions", exist_ok=True)
    if cell.host.endswith("c"):
        os.makedirs(f"{home}/.putty/sshhostcas", exist_ok=True)
        with open(f"{home}/.putty/sshhostcas/matrix", "w") as f, open(f"{DIR}/ca_host.pub") as ca:
            f.write(f"PublicKey={ca.read().split()[1]}\nValidity=*\nPermitRSASHA1=1\nPermitRSASHA256=1\nPermitRSASHA512=1\n")
    gss = int(cell.gss)
    with open(f"{home}/.putty/sessions/matrix", "w") as f:
        f.write(PUTTY + f"Compression={int(cell.kind == 'compression')}\nAuthGSSAPI={gss}\n"
                f"AuthGSSAPIKEX={int(gss and cell.alg != 'gssapi-with-mic')}\n")
        if cell.user.endswith("c"):
            f.write(f"DetachedCertificate={keys.user(cell.user, '-cert.pub')}\n")
    pinned = []
    for t in keys.types:  # which of them it takes is the gateway's first
        r = run("puttygen", "-l", keys.host(t, ".pub")).stdout
        pinned += ["-hostkey", re.search(r"SHA256:\S+", r).group(0)]
    return ["plink", "-batch", "-load", "matrix", "-P", port, "-i", keys.user(cell.user, ".ppk"),
            *([] if cell.host.endswith("c") else pinned), "-nc", f"{TARGET}:{PUMP_PORT}", f"{USER}@{host}"], dict(ENV, HOME=home)


def library(*program, env=None, extra=()):
    """MATRIX_* say what a cell wants beyond a login."""
    def build(cell, keys, host, port, size):
        want = dict(ENV if env is None else env, MATRIX_ALG=cell.alg, MATRIX_KIND=cell.kind,
                    MATRIX_HOST_CA=cell.host_ca or "")
        path = keys.user(cell.user, ".p8" if "asyncssh" in program[-1] and cell.user.startswith("ed448") else "")
        return [*program, host, str(port), USER, path, TARGET, PUMP_PORT, str(size), *(str(e(cell)) for e in extra)], want
    return build


def python_version(module, what="__version__"):
    r = subprocess.run([PYTHON, "-W", "ignore", "-c", f"import {module}; print({module}.{what})"], stdout=subprocess.PIPE,
                       stderr=subprocess.DEVNULL, text=True)
    return r.stdout.strip() or None


def libssh2_version():
    r = subprocess.run([PYTHON, "-c", "import ctypes; f = ctypes.CDLL('libssh2.so.1').libssh2_version; f.restype = ctypes.c_char_p; "
                        "print(f(0).decode())"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return r.stdout.strip() or None


def ssh2_version():
    return run("node", "-p", "require('ssh2/package.json').version", env=dict(ENV, NODE_PATH=NPM)).stdout.strip() if NPM else None


def clients():
    certs = ".*" + re.escape(CERT)
    common = [r"(ssh-ed25519|ecdsa-.*|rsa-.*|ssh-rsa|ssh-dss)" + re.escape(CERT)]
    yield Client("ssh", first_line("ssh", "-V"), by_pump(ssh), gss=GSS_METHODS, users=[r"sk-.*"])
    yield Client("dbclient", first_line("dbclient", "-V"), by_pump(dbclient))
    yield Client("plink", (first_line("plink", "-V") or "").replace("plink: Release", "PuTTY"), by_pump(plink), gss=GSS_METHODS,
                 users=common, hosts=common)
    yield Client("paramiko", python_version("paramiko"), library(PYTHON, "-W", "ignore", f"{HERE}/peers/client_paramiko.py"),
                 gss=GSS_METHODS if python_version("gssapi", "__name__") else (),
                 users=common)
    yield Client("asyncssh", python_version("asyncssh"), library(PYTHON, f"{HERE}/peers/client_asyncssh.py"),
                 gss=GSS_METHODS if python_version("gssapi", "__name__") else (), users=[r"(?!sk-|webauthn-)" + certs, r"x509v3-(?!sign).*"])
    yield Client("libssh2", libssh2_version(), library(PYTHON, f"{HERE}/peers/client_libssh2.py"))
    yield Client("ssh2", ssh2_version(), library("node", f"{HERE}/peers/client_ssh2.js", env=dict(ENV, NODE_PATH=str(NPM))))
    yield Client("pyssh", "the tests' own, for what none of the others has", library(
        PYTHON, f"{HERE}/peers/client_pyssh.py", extra=[lambda c: c.is_of("user key") or "plain", lambda c: c.is_of("kex") or "-"]),
                 only=[r"(user|host) key x509v3-.*", r"user key webauthn-.*", r"MAC hmac-ripemd160-96", *(["kex mlkem.*"] if NPM else [])])


def sshd(cell, keys):
    path = f"{DIR}/matrix.sshd"
    lines = [f"HostKey {keys.host(t)}" for t in keys.types if t != "ed448"]
    if cell.host.endswith("c"):
        lines.append(f"HostCertificate {keys.host(cell.host, '-cert.pub')}")
    if cell.gss:
        lines += ["GSSAPIAuthentication yes", "GSSAPIKeyExchange yes", "GSSAPIStrictAcceptorCheck no",
                  f"GSSAPIKexAlgorithms {','.join(GSS_KEX)}"]
    with open(path, "w") as f:
        f.writelines(x + "\n" for x in lines + [
            f"AuthorizedKeysFile {DIR}/authorized_keys/{USER}", f"TrustedUserCAKeys {DIR}/ca_user.pub", "StrictModes no", "UsePAM no",
            "PermitRootLogin yes", "PidFile none"] + [x.replace("=", " ", 1) for x in openssh_all() if x != "-o"])
    os.makedirs("/run/sshd", exist_ok=True)
    return ["/usr/sbin/sshd", "-i", "-e", "-f", path], ENV


def dropbear(cell, keys):
    """Users' keys stand in their homes: root has one of its own here."""
    run("dropbearconvert", "openssh", "dropbear", keys.host(cell.host), keys.host(cell.host, ".db"))
    return ["/usr/bin/unshare", "-m", "sh", "-c", 'mount -t tmpfs -o mode=700 none /root && mkdir -m 700 /root/.ssh && cp "$0" /root/.ssh/authorized_keys && '
            'chmod 600 /root/.ssh/authorized_keys && exec "$@"', f"{DIR}/authorized_keys/{USER}", "/usr/sbin/dropbear", "-i", "-r",
            keys.host(cell.host, ".db")], ENV


def server_library(*program, env=None):
    def build(cell, keys):
        form = ".p8" if "asyncssh" in program[-1] and cell.host.startswith("ed448") else ""
        return [*program, keys.host(cell.host, form), f"{DIR}/authorized_keys/{USER}"], ENV if env is None else env
    return build


def servers():
    yield Server("sshd", first_line("ssh", "-V"), sshd, gss=GSS_METHODS, users=[r"(?!ssh-ed448|x509|webauthn).*" + re.escape(CERT), r"sk-[^,]*", r"webauthn-[^,]*(?<!01)@openssh\.com"])
    yield Server("dropbear", first_line("dbclient", "-V"), dropbear)
    yield Server("paramiko", python_version("paramiko"), server_library(PYTHON, "-W", "ignore", f"{HERE}/peers/server_paramiko.py"))
    yield Server("asyncssh", python_version("asyncssh"), server_library(PYTHON, "-W", "ignore", f"{HERE}/peers/server_asyncssh.py"),
                 users=[r"(?!webauthn-|ssh-ed448|x509).*" + re.escape(CERT), r"sk-[^,]*"])
    node = "/usr/bin/node" if os.path.exists("/usr/bin/node") else run("sh", "-c", "command -v node").stdout.strip()
    yield Server("ssh2", ssh2_version(), server_library(node, f"{HERE}/peers/server_ssh2.js", env=dict(ENV, NODE_PATH=str(NPM))))
    yield Server("pyssh", "the tests' own, for what none of the others has", pyssh_server,
                 only=[r"(user|host) key x509v3-.*", r"user key webauthn-.*-cert-.*", r"cipher 3des-ctr", r"MAC hmac-ripemd160-96",
                       *(["kex mlkem.*"] if NPM else [])])


def pyssh_server(cell, keys):
    path = keys.host(cell.host)
    return [PYTHON, f"{HERE}/peers/server_pyssh.py", path, f"{DIR}/authorized_keys/{USER}", DIR], dict(
        ENV, MATRIX_KIND=cell.kind, MATRIX_ALG=cell.alg, MATRIX_USER=USER)


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
