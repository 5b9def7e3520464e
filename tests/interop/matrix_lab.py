"""Of the interop matrix: what a cell is, the keys of every type, Kerberos, and the gateway that is started for a cell."""
import base64
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import sk_agent
import x509_make
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519

HERE = os.path.dirname(os.path.abspath(__file__))
ENV = os.environ
BUILD, DIR, LAB = ENV["SLUICE_BUILD"], ENV["LAB_DIR"], ENV["LAB"]
GATE, PORT, USER, TARGET = ENV["LAB_GW_OUTSIDE"], ENV["LAB_PORT"], ENV["LAB_USER"], ENV["LAB_TARGET_ADDR"]
PUMP_PORT = "9000"
PYTHON = "/usr/bin/python3"
SK_PROVIDER = f"{BUILD}/tests/interop/sk_soft.so"
NPM = f"{ENV['LAB_NPM']}/node_modules" if "LAB_NPM" in ENV else None
HOST_NAMES = (GATE, "127.0.0.1", "localhost")

# Where the names of a kind stand in a KEXINIT (RFC 4253 section 7.1; None: nowhere), and the keyword of ours.
KINDS = {"kex": (0, "KexAlgorithms"), "kex by Kerberos": (0, "GSSAPIKexAlgorithms"), "host key": (1, "HostKeyAlgorithms"),
         "cipher": (2, "Ciphers"), "MAC": (4, "MACs"), "compression": (6, "CompressionAlgorithms"),
         "user key": (1, "PubkeyAcceptedAlgorithms"), "method": (None, "AuthenticationMethods")}
QUERY = {"kex": "kex", "host key": "sig", "cipher": "cipher", "MAC": "mac", "user key": "sig"}
GSS_KEX = [f"gss-{n}-" for n in ("group14-sha256", "group16-sha512", "nistp256-sha256", "curve25519-sha256", "gex-sha1", "group14-sha1")]
GSS_KRB5 = "toWM5Slw5Ew8Mqkay+al2g=="  # the mechanism's name behind them
GSS_METHODS = "gssapi-keyex", "gssapi-with-mic"
PLAIN = {"ssh-ed25519": "ed25519", "ssh-ed448": "ed448", "ecdsa-sha2-nistp256": "ecdsa256", "ecdsa-sha2-nistp384": "ecdsa384",
         "ecdsa-sha2-nistp521": "ecdsa521", "rsa-sha2-256": "rsa", "rsa-sha2-512": "rsa", "ssh-rsa": "rsa", "ssh-dss": "dsa"}
SK = {"sk-ssh-ed25519": "sk-ed25519", "sk-ecdsa-sha2-nistp256": "sk-ecdsa"}
WAYS = {"": "", "untouched": "no-touch-required", "with a PIN": "verify-required"}  # options of authorized_keys and of ssh-keygen
X509 = {"x509v3-ecdsa-sha2-nistp256": "ecdsa256", "x509v3-ecdsa-sha2-nistp384": "ecdsa384", "x509v3-ecdsa-sha2-nistp521": "ecdsa521",
        "x509v3-rsa2048-sha256": "rsa", "x509v3-ssh-rsa": "rsa", "x509v3-ssh-dss": "dsa", "x509v3-sign-rsa": "rsa-root",
        "x509v3-sign-dss": "dsa-root"}


def run(*cmd, **kw):
    return subprocess.run([str(c) for c in cmd], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace", **kw)


def quietly(*cmd):
    return run(*cmd).returncode == 0


def authenticates(cipher):
    return "gcm@" in cipher or "poly1305" in cipher


class Cell:
    """One algorithm of one kind; of a security key's, "NAME, in which way"."""

    def __init__(self, kind, row):
        self.kind, self.row = kind, row
        self.alg, _, self.way = row.partition(", ")
        self.host = self.key() if kind == "host key" else "ed25519"
        self.user = self.key() if kind == "user key" else "ed25519"
        self.host_ca = f"{DIR}/root.pem" if str(self.host).startswith("x509-") else f"{DIR}/ca_host.pub" if str(self.host).endswith("c") else None
        self.gss = kind == "kex by Kerberos" or self.alg in GSS_METHODS

    def key(self):
        """Which of the keys; None: nobody here can make one."""
        base, cert, _ = self.alg.partition("-cert-v01@openssh.com")
        suffix = "c" if cert else ""
        if base in PLAIN:
            return PLAIN[base] + suffix
        base = base.partition("@")[0]
        if base.startswith("webauthn-"):
            return "webauthn" + suffix
        if base in SK:
            return SK[base] + suffix + (f"-{self.way.split()[-1]}" if self.way else "")
        return f"x509-{X509[base]}" if base in X509 else None

    def is_of(self, kind):
        return self.kind == kind and self.alg


def rows_of(kind, algs):
    for a in algs:
        yield a
        if kind == "user key" and a.partition("@")[0] in SK:
            for w in WAYS:
                if w:
                    yield f"{a}, {w}"


# --- keys -------------------------------------------------------------------------------------------

class Keys:
    """Host and user keys of every type somebody here can make, in the forms the peers read: h_NAME and u_NAME."""

    PLAIN_ARGS = {"ed25519": ("-t", "ed25519"), "rsa": ("-t", "rsa", "-b", "2048", "-m", "PEM"), "dsa": ("-t", "dsa", "-m", "PEM"),
                  **{f"ecdsa{b}": ("-t", "ecdsa", "-b", b, "-m", "PEM") for b in ("256", "384", "521")}}

    def __init__(self):
        self.made = {}
        for ca in ("ca_user", "ca_host"):
            self.keygen(f"{DIR}/{ca}", "-t", "ed25519")
        if not (self.have("h", "ed25519") and self.have("u", "ed25519")):
            sys.exit("no keys can be made")
        self.x509 = x509_make.Authority(DIR)
        with open(f"{DIR}/ca_user.pub") as f:
            self.allow(f"cert-authority {f.read()}")

    @property
    def types(self):
        """Of the host keys there are by now."""
        return [t for t in (*self.PLAIN_ARGS, "ed448") if self.made.get(("h", t))]

    @staticmethod
    def allow(line):
        with open(f"{DIR}/authorized_keys/{USER}", "a") as f:
            f.write(line.rstrip("\n") + "\n")

    @staticmethod
    def keygen(path, *args):
        return quietly("ssh-keygen", "-q", "-N", "", "-C", os.path.basename(path), "-f", path, *args)

    def have(self, role, name):
        """Is there one? It is made when it is asked for first."""
        if name is None:
            return False
        if (role, name) not in self.made:
            self.made[role, name] = self.make(role, name)
        return self.made[role, name]

    def make(self, role, name):
        path = f"{DIR}/{role}_{name}"
        if name.startswith("x509-"):
            return self.make_x509(path, role, name[5:])
        if role == "h" and name.endswith("c"):  # the certificate is of the key the gateway has
            return self.have(role, name[:-1]) and self.certify(role, f"{DIR}/{role}_{name[:-1]}", path)
        plain, cert = name.removesuffix("c"), name.endswith("c")  # a user's is of a key nothing else lets in
        way = next((o for w, o in WAYS.items() if w and plain.startswith("sk-") and plain.endswith(f"-{w.split()[-1]}")), "")
        if not self.make_plain(path, plain, way):
            return False
        if role == "u" and plain in (*self.PLAIN_ARGS, "ed448"):
            if not quietly("puttygen", path, "-O", "private", "-o", f"{path}.ppk"):
                return False
            run("dropbearconvert", "openssh", "dropbear", path, f"{path}.db")
        if cert:
            return self.certify(role, path, path)
        if role == "u":
            with open(f"{path}.pub") as f:
                self.allow(f"{way} {f.read()}".lstrip())
        return True

    def make_x509(self, path, role, kind):
        """A key with its chain, and the chain alone in .chain; a host's is of the key the gateway has."""
        if role == "u":
            key, cert = self.x509.leaf("user", kind, USER)
        elif not self.have("h", kind.removesuffix("-root")):
            return False
        else:
            with open(self.host(kind.removesuffix("-root")), "rb") as f:
                key = serialization.load_pem_private_key(f.read(), None)
            key, cert = self.x509.leaf("host", kind, ",".join(HOST_NAMES), key=key)
        chain = [cert] if kind.endswith("-root") else [cert, self.x509.cert]
        x509_make.save(path, key, *chain)
        x509_make.save(f"{path}.chain", *chain)
        os.chmod(f"{path}.chain", 0o644)
        return True

    def make_plain(self, path, name, way):
        if name == "ed448":
            return self.make_ed448(path)
        if name == "webauthn":
            return self.make_token(path)
        if name.startswith("sk-"):
            options = ("-t", f"{name.split('-')[1]}-sk", "-w", SK_PROVIDER, *(("-O", way) if way else ()))
            return self.keygen(path, *options) and self.open_token(path)
        return self.keygen(path, *self.PLAIN_ARGS[name])

    @staticmethod
    def make_ed448(path):
        """OpenSSH has none: PuTTY makes it, and for asyncssh, which does not read PuTTY's file, it stands in PKCS#8 in .p8."""
        with open(f"{path}.none", "w"):
            pass
        if not (quietly("puttygen", "-q", "-t", "ed448", "-C", "ed448", "-O", "private", "--ppk-param", "version=2", "-o", f"{path}.v2",
                        "--new-passphrase", f"{path}.none") and
                quietly("puttygen", f"{path}.v2", "-O", "private-openssh-new", "-o", path) and
                quietly("puttygen", f"{path}.v2", "-O", "public-openssh", "-o", f"{path}.pub")):
            return False
        with open(f"{path}.v2") as f:
            text = f.read()
        blob = sk_agent.Reader(base64.b64decode(re.search(r"Private-Lines: 2\n(\S+\n\S+)\n", text).group(1)))
        key = ed448.Ed448PrivateKey.from_private_bytes(blob.string())
        with open(os.open(f"{path}.p8", os.O_WRONLY | os.O_CREAT, 0o600), "wb") as f:
            f.write(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        return True

    @staticmethod
    def make_token(path):
        x509_make.save(path, ec.generate_private_key(ec.SECP256R1()))
        with open(f"{path}.pub", "w") as f:
            f.write(sk_agent.Token("webauthn", path).line())
        return True

    @staticmethod
    def open_token(path):
        """The private key of sk_soft.c, which is in its handle, as PATH.pem for sk_agent.py (OpenSSH PROTOCOL.key, PROTOCOL.u2f)."""
        with open(path) as f:
            r = sk_agent.Reader(base64.b64decode("".join(f.read().split("\n")[1:-2])))
        r.take(len("openssh-key-v1\0"))
        for _ in range(3):  # cipher and its key: none
            r.string()
        r.take(4)
        r.string()  # the public half
        r = sk_agent.Reader(r.string())
        r.take(8)
        kind = r.string()
        for _ in range(2 if b"ed25519" in kind else 3):
            r.string()
        r.take(1)
        handle = r.string()
        key = ed25519.Ed25519PrivateKey.from_private_bytes(handle) if b"ed25519" in kind else ec.derive_private_key(
            int.from_bytes(handle[:32], "big"), ec.SECP256R1())
        x509_make.save(f"{path}.pem", key)
        return True

    @staticmethod
    def certify(role, of, path):
        for end in ("", ".pub"):
            if of != path:
                shutil.copy(of + end, path + end)
        host = role == "h"
        return quietly("ssh-keygen", "-q", "-s", f"{DIR}/ca_host" if host else f"{DIR}/ca_user", *(["-h"] if host else []), "-I", "matrix",
                       "-n", ",".join(HOST_NAMES) if host else f"{USER},root", f"{path}.pub")

    @staticmethod
    def user(name, form=""):
        return f"{DIR}/u_{name}{form}"

    @staticmethod
    def host(name, form=""):
        return f"{DIR}/h_{name}{form}"


# --- Kerberos ---------------------------------------------------------------------------------------

class Kerberos:
    """A KDC on this namespace's loopback, made ready by test_matrix.sh: who has a ticket is who asks here for one."""

    def __init__(self):
        self.here = "LAB_REALM" in ENV
        self.kdc = None
        if not self.here:
            return
        self.kdc = subprocess.Popen(["krb5kdc", "-n"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for user, cache in ((USER, None), ("root", f"FILE:{DIR}/krb5/cc_root")):
            env = dict(ENV, **({"KRB5CCNAME": cache} if cache else {}))
            for _ in range(200):
                if subprocess.run(["kinit", user], input=b"secret\n", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                  env=env).returncode == 0:
                    break
                time.sleep(0.1)
            else:
                sys.exit(f"no ticket for {user}")

    @staticmethod
    def as_root():
        return dict(ENV, KRB5CCNAME=f"FILE:{DIR}/krb5/cc_root")

    def end(self):
        if self.kdc is not None:
            self.kdc.terminate()
            self.kdc.wait(30)


# --- the gateway ------------------------------------------------------------------------------------

class Gateway:
    def __init__(self, keys, kerberos, limit):
        self.keys, self.limit = keys, limit
        self.control = self.signer = None
        self.pid = int(ENV["LAB_CONTROL_PID"])
        self.log = f"{DIR}/control.log"
        with open(f"{DIR}/sluice.conf") as f:
            self.base = [x for x in f.read().splitlines() if not x.startswith(("HostKey ", "Ciphers "))]
        self.all = {kind: self.known(what) for kind, what in QUERY.items()}
        self.all["kex by Kerberos"] = GSS_KEX if kerberos.here else []
        self.all["compression"] = ["none", "zlib@openssh.com", "zlib"]
        self.all["method"] = list(GSS_METHODS) if kerberos.here else []

    @staticmethod
    def known(what):
        return subprocess.run([f"{BUILD}/control/sluice-control", "-Q", what], stdout=subprocess.PIPE, text=True, check=True).stdout.split()

    def rows(self, kind):
        """All there is, but hosts have no keys that need a person."""
        if kind != "host key":
            return list(rows_of(kind, self.all[kind]))
        return [a for a in self.all[kind] if "sk-" not in a]

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
        for _ in range(800):
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

    def lines(self, cell):
        """With nothing else of this kind; what hands out certificates or believes tickets does so in its own cells alone."""
        names = {k: v for k, v in self.all.items() if k in QUERY}
        if cell.kind in names:
            names[cell.kind] = [cell.alg]
        if cell.kind == "user key" and "rsa" in cell.alg and cell.user.endswith("c"):  # OpenSSH's client asks for the name inside
            names[cell.kind].append(cell.alg.partition("-cert")[0])
        if cell.kind == "MAC":
            names["cipher"] = [c for c in names["cipher"] if not authenticates(c)]
        out = self.base + [f"HostKey {self.keys.host(t)}" for t in self.keys.types] + [
            f"{KINDS[k][1]} {','.join(v)}" for k, v in names.items()]
        limit = self.limit // (16 if cell.kind == "compression" else 1)  # it is of bytes as they go over the wire
        out += [f"RekeyLimit {limit}", "LogLevel DEBUG1", "LoginGraceTime 60", f"TrustedUserCAKeys {DIR}/ca_user.pub",
                f"X509TrustAnchors {DIR}/root.pem"]
        out.append(f"CompressionAlgorithms {cell.is_of('compression') or 'none'}")
        if cell.host.endswith("c"):
            out.append(f"HostCertificate {self.keys.host(cell.host, '-cert.pub')}")
        if cell.host.startswith("x509-"):
            out.append(f"HostCertificate {self.keys.host(cell.host, '.chain')}")
        if cell.gss:
            out += ["GSSAPIAuthentication yes", "GSSAPIKeyExchange yes", "GSSAPIStrictAcceptorCheck no",
                    f"AuthenticationMethods {cell.is_of('method') or 'gssapi-keyex'}",
                    f"GSSAPIKexAlgorithms {cell.is_of('kex by Kerberos') or ','.join(GSS_KEX)}"]
        return out

    def start(self, cell):
        self.end()
        path = f"{DIR}/matrix.conf"
        with open(path, "w") as f:
            f.writelines(x + "\n" for x in self.lines(cell))
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
