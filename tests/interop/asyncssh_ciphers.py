"""Peer of test_ciphers.sh: asyncssh, one login for each CIPHER+MAC[+COMPRESSION], and bytes both
ways with a key exchange in the middle. The far end is perf/pump: GET n, PUT n, a running counter."""
import argparse
import asyncio
import struct
import sys

import asyncssh


def pattern(n):
    return b''.join(struct.pack('<Q', i) for i in range(n // 8))


async def put(conn, target, data):
    r, w = await conn.open_connection(*target)
    w.write(b'PUT %d\n' % len(data) + data)
    w.write_eof()
    answer = await r.read(-1)
    w.close()
    return answer.startswith(b'OK')


async def get(conn, target, data):
    r, w = await conn.open_connection(*target)
    w.write(b'GET %d\n' % len(data))
    w.write_eof()
    got = await r.read(-1)
    w.close()
    return got == data


async def rekey(conn):
    """In a pause: asyncssh goes on sending data behind its KEXINIT, which RFC 4253 section 7.1
    forbids and the gateway does not take."""
    conn._send_kexinit()
    conn._kexinit_sent = True
    while not conn._kex_complete:
        await asyncio.sleep(0.001)


async def one(args, suite):
    cipher, mac, comp = (suite.split('+') + ['none'])[:3]
    data = pattern(args.bytes)
    async with asyncssh.connect(
            args.host, args.port, username=args.user, client_keys=[args.key],
            known_hosts=([asyncssh.read_public_key(args.hostkey)], [], []), config=[],
            encryption_algs=[cipher], mac_algs=[mac], compression_algs=[comp]) as conn:
        if conn.get_extra_info('send_cipher') != cipher or conn.get_extra_info('recv_mac') != mac:
            return 'not what was asked for'
        if conn.get_extra_info('recv_compression') != comp:
            return 'not compressed as asked for'
        if not await put(conn, args.target, data):
            return 'PUT'
        await rekey(conn)
        if not await get(conn, args.target, data):
            return 'GET'
    return None


async def main():
    p = argparse.ArgumentParser()
    for name in ('host', 'user', 'key', 'hostkey', 'target'):
        p.add_argument('--' + name, required=True)
    p.add_argument('--port', type=int, required=True)
    p.add_argument('--bytes', type=int, required=True)
    p.add_argument('suites', nargs='+')
    args = p.parse_args()
    host, port = args.target.rsplit(':', 1)
    args.target = (host, int(port))
    bad = 0
    for suite in args.suites:
        try:
            why = await asyncio.wait_for(one(args, suite), 60)
        except Exception as e:
            why = '%s: %s' % (type(e).__name__, e)
        print('%s: asyncssh %s%s' % ('FAILED' if why else 'ok', suite, ': ' + why if why else ''))
        bad += why is not None
    sys.exit(bad != 0)


asyncio.run(main())
