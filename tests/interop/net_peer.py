"""The kernel's side of test_net_kernel.sh: one question to the gateway, exit status 0 when it answers as it should.

ADDR is of either family; a link-local one has its interface behind a %.

  ping ADDR SIZE...     every size is answered with the same bytes
  silent ADDR           nobody answers a ping
  refused ADDR PORT     a connection is reset
  ident ADDR PORT       the listener sends an SSH identification
  accepted ADDR PORT    the connection is established, whatever follows
  find INTERFACE        prints who answers a ping to all nodes of the link but ourselves
  storm INTERFACE ADDR6 ADDR4 N   sends the gateway (ADDR6, ADDR4) N forged frames of each kind: neighbour advertisements and
                        solicitations, router advertisements, redirects, ARP answers and requests
"""
import os
import socket
import struct
import subprocess
import sys


def checksum(b):
    b += b"\0" * (len(b) % 2)
    s = sum(struct.unpack(f"!{len(b) // 2}H", b))
    while s >> 16:
        s = (s & 0xFFFF) + (s >> 16)
    return ~s & 0xFFFF


def endpoint(addr, port):
    return socket.getaddrinfo(addr, port, type=socket.SOCK_STREAM)[0][4]


def echo(s, addr, number, data):
    """The data of the answer and who sent it, or None, None."""
    ident = os.getpid() & 0xFFFF
    six = s.family == socket.AF_INET6
    head = struct.pack("!BBHHH", 128 if six else 8, 0, 0, ident, number)
    if not six:  # of IPv6 the kernel does it
        head = struct.pack("!BBHHH", 8, 0, checksum(head + data), ident, number)
    s.sendto(head + data, endpoint(addr, 0))
    while True:
        try:
            p, who = s.recvfrom(4096)
        except TimeoutError:
            return None, None
        icmp = p if six else p[(p[0] & 15) * 4:]
        if icmp[0] == (129 if six else 0) and struct.unpack("!HH", icmp[4:8]) == (ident, number):
            return (icmp[8:], who) if six or checksum(icmp) == 0 else (None, None)


def icmp_socket(addr, timeout):
    if ":" in addr:
        s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
    else:
        s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    s.settimeout(timeout)
    return s


def ping(addr, *sizes):
    s = icmp_socket(addr, 5)
    for i, size in enumerate(sizes):
        data = os.urandom(int(size))
        if echo(s, addr, i, data)[0] != data:
            return f"{size} bytes were not answered"
    return None


def silent(addr):
    return None if echo(icmp_socket(addr, 0.5), addr, 1, b"x")[0] is None else "answered"


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


def find(interface):
    s = icmp_socket("::", 5)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 0)
    data, who = echo(s, f"ff02::1%{interface}", 1, b"anybody")
    if data is None:
        return "nobody"
    print(who[0].split("%")[0] + "%" + interface)
    return None


def nd(src, dst, kind, body):
    """An ICMPv6 packet with hop limit 255."""
    src, dst = socket.inet_pton(socket.AF_INET6, src), socket.inet_pton(socket.AF_INET6, dst)
    icmp = struct.pack("!BBH", kind, 0, 0) + body
    icmp = icmp[:2] + struct.pack("!H", checksum(src + dst + struct.pack("!II", len(icmp), 58) + icmp)) + icmp[4:]
    return b"\x86\xdd" + struct.pack("!IHBB", 6 << 28, len(icmp), 58, 255) + src + dst + icmp


def storm(interface, addr6, addr4, n):
    """Every address of the link, ours first, is said to be at a MAC that nobody has."""
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    s.bind((interface, 0))
    gateway, liar = mac_of(interface, addr6), b"\x02\xba\xdb\xad\x00\x01"
    net6, net4 = addr6.rsplit(":", 1)[0] + ":", addr4.rsplit(".", 1)[0] + "."
    for i in range(int(n)):
        them6, them4 = f"{net6}{i % 65000 + 1:x}" if i % 2 else net6 + "1", f"{net4}{i % 254 + 1 if i % 2 else 1}"
        target = socket.inet_pton(socket.AF_INET6, them6)
        for p in (
            nd(them6, addr6, 136, struct.pack("!I", 0x60000000) + target + b"\x02\x01" + liar),
            nd(them6, "ff02::1", 136, struct.pack("!I", 0x20000000) + target + b"\x02\x01" + liar),
            nd(them6, addr6, 135, bytes(4) + socket.inet_pton(socket.AF_INET6, addr6) + b"\x01\x01" + liar),
            nd("fe80::bad", "ff02::1", 134, struct.pack("!BBHII", 64, 0, 1800, 0, 0) + b"\x01\x01" + liar),
            nd("fe80::bad", addr6, 137, bytes(4) + socket.inet_pton(socket.AF_INET6, "fe80::bad") + target),
            arp(2, liar, them4, gateway, addr4),
            arp(1, liar, them4, bytes(6), addr4),
            arp(1, liar, addr4, bytes(6), addr4),
        ):
            to = b"\x33\x33\x00\x00\x00\x01" if p[26:27] == b"\xff" and p[:2] == b"\x86\xdd" else gateway
            try:
                s.send(to + liar + p)
            except OSError:  # the link's queue is full: all the better
                pass
        if i == 100:
            print("storming", flush=True)
    return None


def arp(op, sha, sip, tha, tip):
    return b"\x08\x06" + struct.pack("!HHBBH", 1, 0x0800, 6, 4, op) + sha + socket.inet_aton(sip) + tha + socket.inet_aton(tip)


def mac_of(interface, addr6):
    """As the kernel learned it."""
    ping(addr6, "1")
    words = subprocess.run(["ip", "neigh", "show", addr6, "dev", interface], capture_output=True, text=True).stdout.split()
    return bytes.fromhex(words[words.index("lladdr") + 1].replace(":", ""))


if __name__ == "__main__":
    commands = {f.__name__: f for f in (ping, silent, refused, ident, accepted, find, storm)}
    try:
        problem = commands[sys.argv[1]](*sys.argv[2:])
    except OSError as e:
        problem = str(e)
    if problem:
        print(f"{' '.join(sys.argv[1:])}: {problem}")
    sys.exit(1 if problem else 0)
