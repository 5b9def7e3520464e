"""A host behind an 802.1Q tag, by hand: asks with the tag who has an address and prints what came back.

  INTERFACE OUR-ADDR ADDR TAG   prints "TAG MAC" of the answer (TAG 0: without), or "silent" after half a second

The kernel takes the tag off what it hands to a packet socket and tells it beside.
"""
import socket
import struct
import sys

SOL_PACKET, PACKET_AUXDATA, TP_STATUS_VLAN_VALID = 263, 8, 0x10


def question(mac, ours, theirs, tag):
    eth = b"\xff" * 6 + mac
    if tag:
        eth += struct.pack("!HH", 0x8100, tag)
    arp = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + mac + socket.inet_aton(ours) + bytes(6) + socket.inet_aton(theirs)
    return eth + struct.pack("!H", 0x0806) + arp


def tag_of(frame, beside):
    for level, kind, data in beside:
        if level == SOL_PACKET and kind == PACKET_AUXDATA:
            status, _, _, _, _, tci, _ = struct.unpack("IIIHHHH", data[:20])
            if status & TP_STATUS_VLAN_VALID:
                return tci & 0xFFF
    return struct.unpack("!H", frame[14:16])[0] & 0xFFF if frame[12:14] == b"\x81\x00" else 0


def main(interface, ours, theirs, tag):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003))
    s.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    s.bind((interface, 0))
    s.settimeout(0.5)
    mac = s.getsockname()[4]
    s.send(question(mac, ours, theirs, int(tag)))
    while True:
        try:
            frame, beside, _, _ = s.recvmsg(2048, 256)
        except TimeoutError:
            return "silent"
        arp = frame[18:] if frame[12:14] == b"\x81\x00" else frame[14:]
        if frame[:6] == mac and arp[6:8] == b"\x00\x02" and arp[14:18] == socket.inet_aton(theirs):
            return f"{tag_of(frame, beside)} {frame[6:12].hex(':')}"


print(main(*sys.argv[1:]))
