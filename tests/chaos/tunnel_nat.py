# A NAT between the network of an agent and that of a gateway: tunnel_nat.py PID SOCKET
# Inside, in the network of process PID, 10.9.0.0/24 has the way to everything by it, outside it is 10.9.1.7 beside 10.9.1.1. SIGUSR1: it forgets
# who had which port, and gives others. On SOCKET it answers whoever connects with a page that says hello.
import fcntl, os, select, signal, socket, struct, subprocess, sys

def tun(name):
    fd = os.open('/dev/net/tun', os.O_RDWR)
    fcntl.ioctl(fd, 0x400454ca, struct.pack('16sH', name.encode(), 0x1001))  # TUNSETIFF, IFF_TUN | IFF_NO_PI
    return fd

def total(data):
    n = sum(struct.unpack('!%dH' % (len(data) // 2), data[:len(data) & ~1])) + (data[-1] << 8 if len(data) & 1 else 0)
    while n >> 16:
        n = (n & 0xffff) + (n >> 16)
    return ~n & 0xffff

# The packet with other ends, and sums that are right.
def rewritten(p, src, sport, dst, dport):
    ihl = (p[0] & 15) * 4
    ip, tcp = bytearray(p[:ihl]), bytearray(p[ihl:])
    ip[10:12] = tcp[16:18] = b'\0\0'
    ip[12:20] = src + dst
    tcp[0:4] = struct.pack('!HH', sport, dport)
    ip[10:12] = struct.pack('!H', total(bytes(ip)))
    tcp[16:18] = struct.pack('!H', total(src + dst + struct.pack('!HH', 6, len(tcp)) + bytes(tcp)))
    return bytes(ip + tcp)

def main(pid, path):
    inside, outside = tun('inside'), tun('outside')
    there = 'nsenter -t %s -n ip ' % pid
    for cmd in ('ip link set inside netns ' + pid, there + 'link set lo up', there + 'addr add 10.9.0.2/24 dev inside',
                there + 'link set inside up', there + 'route add default dev inside',
                'ip addr add 10.9.1.1/24 dev outside', 'ip link set outside up'):
        subprocess.run(cmd.split(), check=True)
    me = socket.inet_aton('10.9.1.7')
    ports, owners, first = {}, {}, [20000]

    def forget(*_):
        ports.clear()
        owners.clear()
        first[0] += 10000
    signal.signal(signal.SIGUSR1, forget)
    page = socket.socket(socket.AF_UNIX)
    page.bind(path)
    page.listen(16)
    guests = []
    print('serving', flush=True)
    while True:
        for fd in select.select([inside, outside, page, *guests], [], [])[0]:
            if fd is page:
                guests.append(page.accept()[0])
                continue
            if fd in guests:
                fd.recv(65536)
                fd.sendall(b'HTTP/1.0 200 OK\r\n\r\nhello')
                fd.close()
                guests.remove(fd)
                continue
            p = os.read(fd, 65536)
            if len(p) < 40 or p[0] >> 4 != 4 or p[9] != 6:
                continue
            ihl = (p[0] & 15) * 4
            src, dst = p[12:16], p[16:20]
            sport, dport = struct.unpack('!HH', p[ihl:ihl + 4])
            if fd == inside:
                if (src, sport) not in ports:
                    ports[src, sport] = first[0] + len(ports)
                    owners[ports[src, sport]] = src, sport
                os.write(outside, rewritten(p, me, ports[src, sport], dst, dport))
            elif dport in owners:
                os.write(inside, rewritten(p, src, sport, *owners[dport]))

main(*sys.argv[1:])
