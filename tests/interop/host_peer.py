"""The ends of test_host.sh: a UNIX server, and clients of a forwarded port."""
import hashlib
import os
import socket
import subprocess
import sys
import threading
import time


def serve(path):
    """Takes all until the end of the other half, then answers with its length and sum."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen(16)

    def talk(c):
        digest, n = hashlib.sha256(), 0
        while True:
            b = c.recv(1 << 16)
            if not b:
                break
            digest.update(b)
            n += len(b)
        c.sendall(f"{n} {digest.hexdigest()}".encode())
        c.close()

    while True:
        c, _ = server.accept()
        threading.Thread(target=talk, args=(c,), daemon=True).start()


def say(path):
    """What is answered to "hello" at a UNIX socket."""
    c = socket.socket(socket.AF_UNIX)
    c.connect(path)
    c.sendall(b"hello")
    c.shutdown(socket.SHUT_WR)
    try:
        print(c.makefile().read())
    except ConnectionError:
        print()


def halves(port, path):
    data = open(path, "rb").read()
    c = socket.create_connection(("127.0.0.1", int(port)))
    c.sendall(data)
    c.shutdown(socket.SHUT_WR)
    answer = c.makefile().read()
    want = f"{len(data)} {hashlib.sha256(data).hexdigest()}"
    if answer != want:
        sys.exit(f"halves: {answer!r}, not {want!r}")
    print(f"UNIX socket: {len(data) >> 20} MiB, our half ended first, the answer came behind it")


def stuck(port, other):
    c = socket.create_connection(("127.0.0.1", int(port)))
    c.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    c.sendall(b"GET /file HTTP/1.0\r\n\r\n")
    c.recv(1, socket.MSG_PEEK)  # it is under way
    d = socket.create_connection(("127.0.0.1", int(other)))
    d.sendall(b"GET /file HTTP/1.0\r\n\r\n")
    d.settimeout(60)
    n, head = 0, b""
    while b := d.recv(1 << 16):
        n += len(b)
        head += b if b"\r\n\r\n" not in head else b""
    head = head.split(b"\r\n\r\n")[0] + b"\r\n"
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    if length < 1 << 20 or n != len(head) + 2 + length:
        sys.exit(f"stuck: {n} bytes beside a reader that reads nothing")
    c.close()
    print(f"beside a reader that reads nothing: {n >> 20} MiB")


def refused(opts, mine, *paths):
    """Sockets no rule names, and those of Sluice's own folder."""
    for i, path in enumerate(paths):
        here = os.path.join(mine, f"f{i}")
        ssh = subprocess.Popen(["ssh", *opts.split(), "-N", "-L", f"{here}:{path}", "127.0.0.1"],
                               stderr=subprocess.DEVNULL)
        try:
            for _ in range(400):
                if os.path.exists(here):
                    break
                time.sleep(0.05)
            c = socket.socket(socket.AF_UNIX)
            c.settimeout(20)
            c.connect(here)
            if c.recv(1) != b"":
                sys.exit(f"{path} answered")
            c.close()
        finally:
            ssh.kill()
            ssh.wait()
    print("sockets no rule names: refused")


if __name__ == "__main__":
    {"serve": serve, "say": say, "halves": halves, "stuck": stuck, "refused": refused}[sys.argv[1]](*sys.argv[2:])
