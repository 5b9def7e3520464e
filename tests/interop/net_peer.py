"""The kernel's side of test_net_kernel.sh: one question to the gateway, exit status 0 when it answers as it should.

  ping ADDR SIZE...     every size is answered with the same bytes
  silent ADDR           nobody answers a ping
  refused ADDR PORT     a connection is reset
  ident ADDR PORT       the listener sends an SSH identification
  accepted ADDR PORT    the connection is established, whatever follows
"""
import os
import socket
import struct
import sys


def checksum(b):
    b += b"\0" * (len(b) % 2)
    s = sum(struct.unpack(f"!{len(b) // 2}H", b))
    while s >> 16:
        s = (s & 0xFFFF) + (s >> 16)
    return ~s & 0xFFFF


def echo(s, addr, number, data):
    """The data of the answer, or None."""
    ident = os.getpid() & 0xFFFF
    head = struct.pack("!BBHHH", 8, 0, checksum(struct.pack("!BBHHH", 8, 0, 0, ident, number) + data), ident, number)
    s.sendto(head + data, (addr, 0))
    while True:
        try:
            p = s.recv(4096)
        except TimeoutError:
            return None
        icmp = p[(p[0] & 15) * 4:]
        if icmp[0] == 0 and struct.unpack("!HH", icmp[4:8]) == (ident, number):
            return icmp[8:] if checksum(icmp) == 0 else None


def icmp_socket(timeout):
    s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    s.settimeout(timeout)
    return s


def ping(addr, *sizes):
    s = icmp_socket(5)
    for i, size in enumerate(sizes):
        data = os.urandom(int(size))
        if echo(s, addr, i, data) != data:
            return f"{size} bytes were not answered"
    return None


def silent(addr):
    return None if echo(icmp_socket(0.5), addr, 1, b"x") is None else "answered"


def refused(addr, port):
    try:
        socket.create_connection((addr, int(port)), timeout=5).close()
    except ConnectionRefusedError:
        return None
    except OSError as e:
        return str(e)
    return "accepted"


def ident(addr, port):
    with socket.create_connection((addr, int(port)), timeout=5) as s:
        line = s.makefile("rb").readline(256)
    return None if line.startswith(b"SSH-2.0-") and line.endswith(b"\r\n") else f"got {line!r}"


def accepted(addr, port):
    socket.create_connection((addr, int(port)), timeout=5).close()
    return None


if __name__ == "__main__":
    commands = {f.__name__: f for f in (ping, silent, refused, ident, accepted)}
    try:
        problem = commands[sys.argv[1]](*sys.argv[2:])
    except OSError as e:
        problem = str(e)
    if problem:
        print(f"{' '.join(sys.argv[1:])}: {problem}")
    sys.exit(1 if problem else 0)
