"""Many connections that never log in, for S-46. Bounded in number and time; ends by itself.

Opens --count connections of one --kind, prints "open N", and waits until the gateway has closed them all or
--limit seconds are over. Prints "closed N first SECONDS last SECONDS" (from the opening of each). Descriptors are
limited per process, so that a large crowd is several processes.
"""
import argparse
import multiprocessing
import selectors
import socket
import struct
import sys
import time

IDENT = b"SSH-2.0-stranger\r\n"


def kexinit():
    lists = [b"curve25519-sha256", b"ssh-ed25519", b"aes128-ctr", b"aes128-ctr", b"hmac-sha2-256",
             b"hmac-sha2-256", b"none", b"none", b"", b""]
    payload = b"\x14" + bytes(16) + b"".join(struct.pack(">I", len(x)) + x for x in lists) + bytes(5)
    pad = 8 - (len(payload) + 5) % 8
    pad += 8 if pad < 4 else 0
    return struct.pack(">IB", len(payload) + pad + 1, pad) + payload + bytes(pad)


FIRST = {"silent": b"", "half": IDENT[:7], "banner": IDENT, "kexinit": IDENT + kexinit(), "drip": b""}


PER_PROCESS = 1000 - 24  # below the usual soft limit of 1024 descriptors


def crowd(a, count, say):
    sel, opened, closed = selectors.DefaultSelector(), {}, []
    deadline = time.monotonic() + a.limit
    for _ in range(count):
        s = socket.create_connection((a.host, a.port), timeout=10)
        s.setblocking(False)
        if FIRST[a.kind]:
            s.send(FIRST[a.kind])
        opened[s] = time.monotonic()
        sel.register(s, selectors.EVENT_READ)
    say.put(("open", count))
    dripped, next_drip = 0, time.monotonic()
    while opened and time.monotonic() < deadline:
        if a.kind == "drip" and time.monotonic() >= next_drip and dripped < len(IDENT) - 2:
            next_drip += 1.0
            for s in opened:
                try:
                    s.send(IDENT[dripped:dripped + 1])
                except OSError:
                    pass
            dripped += 1
        for key, _ in sel.select(timeout=0.1):
            s = key.fileobj
            try:
                over = not s.recv(65536)
            except BlockingIOError:
                continue
            except OSError:
                over = True
            if over:
                closed.append(time.monotonic() - opened.pop(s))
                sel.unregister(s)
                s.close()
    say.put(("closed", closed))


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--host", required=True)
    p.add_argument("--port", type=int, required=True)
    p.add_argument("--count", type=int, required=True)
    p.add_argument("--kind", choices=sorted(FIRST), required=True)
    p.add_argument("--limit", type=float, required=True)
    a = p.parse_args()
    say = multiprocessing.Queue()
    shares = [min(PER_PROCESS, a.count - i) for i in range(0, a.count, PER_PROCESS)]
    workers = [multiprocessing.Process(target=crowd, args=(a, n, say)) for n in shares]
    for w in workers:
        w.start()
    opened, closed, told = 0, [], 0
    while told < 2 * len(workers):
        what, value = say.get(timeout=a.limit + 300)
        told += 1
        if what == "open":
            opened += value
            if opened == a.count:
                print(f"open {opened}", flush=True)
        else:
            closed += value
    for w in workers:
        w.join()
    print(f"closed {len(closed)} first {min(closed, default=0):.2f} last {max(closed, default=0):.2f}", flush=True)
    return 0 if len(closed) == a.count else 1


if __name__ == "__main__":
    sys.exit(main())
