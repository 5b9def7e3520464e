#!/usr/bin/env python3
"""Peers of a reverse tunnel, plain TCP.

serve PORT            answers every connection: "hello N\\n" at once, then echoes until the end of input,
                      then says how many bytes it echoed
talk ADDR PORT BYTES  connects, sends as much (before it has heard anything), half-closes; checks all
                      that comes back
held ADDR PORT        connects and says what it first heard, or "reset"
"""
import hashlib
import random
import socket
import sys
import threading


def answer(conn, n):
    conn.sendall(b"hello %d\n" % n)
    total = 0
    while True:
        data = conn.recv(65536)
        if not data:
            break
        total += len(data)
        conn.sendall(data)
    conn.sendall(b"bye %d\n" % total)
    conn.close()


def serve(port):
    s = socket.create_server(("127.0.0.1", int(port)), backlog=256)
    print("serving", flush=True)
    n = 0
    while True:
        conn, _ = s.accept()
        n += 1
        threading.Thread(target=answer, args=(conn, n), daemon=True).start()


def talk(addr, port, size):
    data = random.Random(int(port)).randbytes(int(size))
    s = socket.create_connection((addr, int(port)), timeout=20)
    send = threading.Thread(target=lambda: (s.sendall(data), s.shutdown(socket.SHUT_WR)))
    send.start()
    got = b""
    while True:
        more = s.recv(65536)
        if not more:
            break
        got += more
    send.join()
    head, _, rest = got.partition(b"\n")
    tail = b"bye %d\n" % len(data)
    ok = head.startswith(b"hello ") and rest == data + tail
    print("ok" if ok else f"wrong: {head!r} {len(rest)} of {len(data) + len(tail)} bytes "
          f"{hashlib.sha256(rest).hexdigest()[:8]}")
    sys.exit(0 if ok else 1)


def held(addr, port):
    try:
        s = socket.create_connection((addr, int(port)), timeout=10)
        print(s.recv(100).decode().strip() or "end")
    except OSError as e:
        print("reset" if isinstance(e, ConnectionError) else e)


{"serve": serve, "talk": talk, "held": held}[sys.argv[1]](*sys.argv[2:])
