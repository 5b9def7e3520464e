"""Targets that misbehave, and a client that sees through the gateway what they do (F-25, S-79).

  backends.py serve ADDR     listens on the ports below
  backends.py drive --host … --user … --key … --target ADDR
"""
import argparse
import hashlib
import os
import socket
import struct
import sys
import threading
import time

REFUSES, DEAF, RESETS, SLOW, HALF, FIRST = 7001, 7002, 7003, 7004, 7005, 7006
PACED = os.environ.get("SLUICE_LONG") == "1"
TICKS = 60 if PACED else 12  # bytes of the slow one: a second each, or as soon as it may
GREETING = 60000  # bytes said before a client can have said anything
MUCH = 1 << 20


def pattern(name, n):
    """n bytes that are no other name's."""
    return hashlib.shake_256(name.encode()).digest(n)


# --- targets


def reset(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


def serve_one(port, s, held):
    if port == DEAF:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        held.append(s)  # accepts, and never reads
        return
    if port == RESETS:
        s.recv(1)
        s.sendall(pattern("resets", 100000))
        s.recv(1)  # the client has all of it
        reset(s)
        return
    if port == SLOW:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for b in pattern("slow", TICKS):
            if PACED:
                time.sleep(1)
            s.sendall(bytes([b]))
            if s.recv(1) != bytes([b]):  # the client has it; or it speaks unasked
                reset(s)
                return
    elif port == HALF:
        s.sendall(pattern("half", 5000))
        s.shutdown(socket.SHUT_WR)
        got = hashlib.sha256()
        while piece := s.recv(65536):
            got.update(piece)
        # What came after our end is told to the next who asks.
        held.append(got.hexdigest().encode())
    elif port == FIRST:
        s.sendall(pattern("first", GREETING))
        if s.recv(1) == b"?":
            while not (words := [h for h in held if isinstance(h, bytes)]):
                time.sleep(0.01)
            s.sendall(words[-1])
    s.close()


def serve_port(listener, port, held):
    while True:
        s, _ = listener.accept()
        threading.Thread(target=serve_one, args=(port, s, held), daemon=True).start()


def serve(addr):
    held = []
    for port in (DEAF, RESETS, SLOW, HALF, FIRST):
        listener = socket.create_server((addr, port), backlog=64)
        threading.Thread(target=serve_port, args=(listener, port, held), daemon=True).start()
    print("serving", flush=True)
    threading.Event().wait()


# --- the client


def read_all(ch):
    data = bytearray()
    while piece := ch.recv(65536):
        data += piece
    return bytes(data)


class Drive:
    def __init__(self, a):
        import paramiko
        self.errors, self.target = paramiko.SSHException, a.target
        self.refusal = paramiko.ChannelException
        self.t = paramiko.Transport((a.host, a.port))
        self.t.start_client(timeout=30)
        self.t.auth_publickey(a.user, paramiko.Ed25519Key.from_private_key_file(a.key))

    def open(self, port):
        ch = self.t.open_channel("direct-tcpip", (self.target, port), ("127.0.0.1", 1), timeout=30)
        ch.settimeout(30)
        return ch

    def refuses(self):
        try:
            self.open(REFUSES)
        except self.refusal as e:
            return e.code == 2  # SSH_OPEN_CONNECT_FAILED
        return False

    def deaf(self):
        """What it takes is bounded, nobody else notices, and its end is ours to say."""
        ch, sent, ok = self.open(DEAF), 0, True
        ch.settimeout(0.3)
        while ok and sent < 64 << 20:
            try:
                sent += ch.send(bytes(32768))
            except socket.timeout:
                ok = self.greeted(1)
                if not ch.send_ready():  # nor was anything granted while another had all of his
                    break
        ch.close()
        print(f"   a target that never reads: {sent >> 10} KiB were taken", flush=True)
        return ok and 65536 < sent < 48 << 20

    def resets(self):
        """Everything that came before the reset, and no end of file that nobody said."""
        ch = self.open(RESETS)
        ch.sendall(b".")
        data = bytearray()
        while len(data) < 100000:
            data += ch.recv(65536)
        ch.sendall(b".")
        end = time.monotonic() + 30
        while not ch.closed and time.monotonic() < end:
            time.sleep(0.005)
        return bytes(data) == pattern("resets", 100000) and ch.closed and not ch.eof_received

    def slow(self):
        """Byte by byte, each when it is said: there is no other before it has come and was answered."""
        ch, pieces = self.open(SLOW), []
        while piece := ch.recv(100):
            pieces.append(piece)
            ch.sendall(piece)
        return pieces == [bytes([b]) for b in pattern("slow", TICKS)] and ch.eof_received

    def half(self):
        """It has said all; what we say goes on, and the other way round."""
        ch = self.open(HALF)
        ok = read_all(ch) == pattern("half", 5000) and ch.eof_received and not ch.closed
        ch.sendall(pattern("ours", MUCH))
        ch.shutdown_write()
        ask = self.open(FIRST)
        ask.sendall(b"?")
        ask.shutdown_write()
        data = read_all(ask)
        return ok and data[GREETING:] == hashlib.sha256(pattern("ours", MUCH)).hexdigest().encode()

    def greeted(self, times):
        """A target that speaks first loses nothing of it."""
        for _ in range(times):
            ch = self.open(FIRST)
            ch.shutdown_write()
            if read_all(ch) != pattern("first", GREETING):
                return False
        return True


def drive(a):
    d, failed = Drive(a), 0
    cases = [("refuses: reason 2", d.refuses), ("resets: all before it, and no EOF", d.resets), ("a byte at a time", d.slow),
             ("ends one half", d.half), ("speaks first, many times", lambda: d.greeted(30)), ("never reads", d.deaf)]
    for name, case in cases:
        ok = case()
        print(("   ok: " if ok else "   FAILED: ") + name, flush=True)
        failed += not ok
    d.t.close()
    return failed


def main():
    p = argparse.ArgumentParser()
    p.add_argument("what", choices=("serve", "drive"))
    p.add_argument("addr", nargs="?")
    for option in ("--host", "--user", "--key", "--target"):
        p.add_argument(option)
    p.add_argument("--port", type=int, default=22)
    a = p.parse_args()
    if a.what == "serve":
        serve(a.addr)
    failed = drive(a)
    sys.stdout.flush()
    os._exit(min(failed, 1))  # threads of paramiko's wait for nobody


main()
