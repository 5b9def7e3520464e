#!/usr/bin/env python3
"""An HTTP proxy that wants Digest (RFC 7616), for tests: digest_proxy.py PORT OFFER…

Each OFFER is a line Proxy-Authenticate, with NONCE in it replaced by one that holds for one
connection. A CONNECT without the right answer to the first digest that is offered gets all of them, and the
connection ends. With "stale" the first right answer of all is refused once, as too old.
"""
import hashlib
import os
import re
import socket
import sys
import threading

USER, PASSWORD = 'me', 'secret'
HASHES = {'MD5': hashlib.md5, 'SHA-256': hashlib.sha256}
nonces = set()
lock = threading.Lock()
stale_left = 0


def fields(value):
    pairs = re.findall(r'([A-Za-z0-9-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))', value)
    return {k.lower(): re.sub(r'\\(.)', r'\1', q) if q else w for k, q, w in pairs}


def answers(head, offer):
    """0: no answer, or a wrong one; 1: the right one; 2: the right one to another nonce."""
    line = re.search(r'^Proxy-Authorization: Digest (.*)$', head, re.M)
    if not line:
        return 0
    f, o = fields(line[1].strip()), fields(offer)
    digest = HASHES[o['algorithm']]
    h = lambda text: digest(text.encode()).hexdigest()
    target = head.split()[1]
    want = h(':'.join((h(f'{USER}:{o["realm"]}:{PASSWORD}'), f['nonce'], f['nc'], f['cnonce'], 'auth',
                       h(f'CONNECT:{target}'))))
    right = f['response'] == want and f['username'] == USER and f['realm'] == o['realm'] and f['uri'] == target
    right = right and f['qop'] == 'auth' and f['algorithm'] == o['algorithm'] and f.get('opaque') == o.get('opaque')
    if not right or len(f['cnonce']) < 16:
        return 0
    with lock:
        known = f['nonce'] in nonces
        nonces.discard(f['nonce'])
    return 1 if known else 2


def refuse(c, offers, stale):
    nonce = os.urandom(12).hex()
    with lock:
        nonces.add(nonce)
    lines = ''.join(f'Proxy-Authenticate: {o.replace("NONCE", nonce)}{", stale=true" if stale else ""}\r\n' for o in offers)
    c.sendall(f'HTTP/1.1 407 Who are you\r\n{lines}Content-Length: 5\r\nConnection: close\r\n\r\nwho?\n'.encode())
    c.close()


def copy(a, b):
    try:
        while data := a.recv(65536):
            b.sendall(data)
        b.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def serve(c, offers):
    global stale_left
    head = b''
    while not head.endswith(b'\r\n\r\n'):
        byte = c.recv(1)  # what follows is the server's
        if not byte:
            return
        head += byte
    head = head.decode().replace('\r\n', '\n')
    if 'Basic' in head:
        print('a password was told', flush=True)
    if extra := re.findall(r'^X-.*$', head, re.M):
        print(*extra, flush=True)
    got = answers(head, next(o for o in offers if o.startswith('Digest')))
    if got == 1 and stale_left > 0:
        stale_left -= 1
        got = 2
    if got != 1:
        refuse(c, offers, got == 2)
        return
    host, port = head.split()[1].rsplit(':', 1)
    t = socket.create_connection((host.strip('[]'), int(port)))
    c.sendall(b'HTTP/1.1 200 OK\r\n\r\n')
    threading.Thread(target=copy, args=(t, c), daemon=True).start()
    copy(c, t)


offered = [a for a in sys.argv[2:] if a != 'stale']
stale_left = int('stale' in sys.argv)
with socket.create_server(('127.0.0.1', int(sys.argv[1]))) as s:
    while True:
        threading.Thread(target=serve, args=(s.accept()[0], offered), daemon=True).start()
