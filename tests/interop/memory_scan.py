"""Logs in by a password, by questions and by a key, and looks for what was secret of it in processes' memory.

memory_scan.py PORT FOLDER NAME=PID…: FOLDER has what the caller drew (see test_separation.sh). A line for each
secret that some process still has; exit status 1 then, or when a login went wrong.

memory_scan.py without PID FILE: exit status 1 when the process has what stands in the file.
"""
import hashlib
import os
import socket
import sys
import time

from cryptography.hazmat.primitives import serialization

import pyssh
from pyssh import Reader, Refused, string

PATIENCE_S = 5
PIECE = 1 << 16


class Client(pyssh.Client):
    """Keeps what both sides have agreed on."""

    def finish(self, method, init, theirs, r):
        keep = []
        inner = method.secret

        def secret(reply):
            keep.append(inner(reply))
            return keep[0]

        method.secret = secret
        blob, reply, sig = r.string(), r.string(), r.string()
        super().finish(method, init, theirs, Reader(string(blob) + string(reply) + string(sig)))
        k, h = keep[0], hashlib.sha256(b"".join(map(string, (*self.idents, self.saved, theirs, blob, init, reply))) + keep[0]).digest()
        key = lambda x: hashlib.sha256(k + h + x + self.session_id).digest()
        self.agreed = {"the shared secret": k[4:].lstrip(b"\0"), "the client's key": key(b"C")[:16], "the server's key": key(b"D")[:16]}

    def kexinit(self):
        self.saved = super().kexinit()
        return self.saved

    def ask(self, user, method, rest):
        if not hasattr(self, "methods"):
            self.service()
            self.methods = []
        self.send(b"\x32" + string(user) + string("ssh-connection") + string(method) + rest)
        return self.packet()

    def password(self, user, text):
        return self.ask(user, "password", b"\0" + string(text))[0] == 52

    def questions(self, user, answers):
        p = self.ask(user, "keyboard-interactive", string("") + string(""))
        while p[0] == 60:
            r = Reader(p[1:])
            r.string(), r.string(), r.string()
            n = r.u32()
            self.send(b"\x3d" + n.to_bytes(4, "big") + b"".join(string(answers.pop(0)) for _ in range(n)))
            p = self.packet()
        return p[0] == 52


def dial(port):
    return Client(socket.create_connection(("127.0.0.1", int(port)), 30))


def used(part):
    """The pieces of it that were ever written to: most of a stack or a heap was not."""
    kept = bytearray()
    for at in range(0, len(part), PIECE):
        piece = part[at:at + PIECE]
        if piece.count(0) < len(piece):
            kept += piece
        elif kept:
            yield kept
            kept = bytearray()
    yield kept


def memory(pid):
    """All that a process can write to, one mapping after the other."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in maps:
            area, mode = line.split()[:2]
            if "w" not in mode:
                continue
            first, end = (int(x, 16) for x in area.split("-"))
            try:
                mem.seek(first)
                yield from used(mem.read(end - first))
            except OSError:  # a device's, or gone
                pass


def found(pid, secrets):
    parts = list(memory(pid))
    return [name for name, s in sorted(secrets.items()) if any(s in p for p in parts)]


def remains(wanted):
    """What is still there after a while: who computes may hold it for a moment."""
    end = time.monotonic() + PATIENCE_S
    while True:
        left = [(name, s) for name, (pid, secrets) in wanted.items() for s in found(pid, secrets)]
        if not left or time.monotonic() > end:
            return left
        time.sleep(0.1)


def main(port, folder, *pids):
    pids = {k: int(v) for k, v in (p.split("=") for p in pids)}
    drawn = {n: open(os.path.join(folder, n), "rb").read().strip() for n in ("password", "wrong", "answer", "code", "passphrase")}
    host = serialization.load_ssh_private_key(open(os.path.join(folder, "host.plain"), "rb").read(), None)
    key = serialization.load_ssh_private_key(open(os.path.join(folder, "id"), "rb").read(), None)
    raw = serialization.Encoding.Raw, serialization.PrivateFormat.Raw, serialization.NoEncryption()
    seed = {"the host key": host.private_bytes(*raw)}
    blob = string("ssh-ed25519") + string(key.public_key().public_bytes(*pyssh.RAW))

    secrets, clients = dict(drawn), []
    for what, login in (
            ("a password", lambda c: not c.password("demo", drawn["wrong"]) and c.password("demo", drawn["password"])),
            ("questions", lambda c: c.questions("pamela", [drawn["answer"], drawn["code"]])),
            ("a wrong answer", lambda c: not c.questions("pamela", [drawn["wrong"], drawn["code"]])),
            ("a key", lambda c: c.login("demo", pyssh.Signer("ssh-ed25519", key, blob)))):
        c = dial(port)
        if not login(c):
            raise Refused(f"login by {what}")
        c.rekey() if what == "a key" else None
        secrets.update({f"{s} of {what}": v for s, v in c.agreed.items()})
        clients.append(c)

    ok = True
    if not found(pids["signer"], seed):
        print("the signer's own key is not seen: nothing would be")
        ok = False
    wanted = {name: (pid, secrets if name == "signer" else {**secrets, **seed}) for name, pid in pids.items()}
    for when in ("open", "closed"):
        for name, s in remains(wanted):
            print(f"{name} still has {s} while connections are {when}")
            ok = False
        for c in clients:
            c.sock.close()
    return 0 if ok else 1


if __name__ == "__main__":
    if sys.argv[1] == "without":
        sys.exit(1 if remains({"it": (int(sys.argv[2]), {"it": open(sys.argv[3], "rb").read().strip()})}) else 0)
    sys.exit(main(*sys.argv[1:]))
