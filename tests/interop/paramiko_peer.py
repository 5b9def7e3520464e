"""paramiko as a client of the gateway; exit status 0 when everything held."""
import argparse
import array
import sys

import paramiko


def parse_args():
    p = argparse.ArgumentParser()
    for option in ("--host", "--user", "--password", "--hostkey", "--target"):
        p.add_argument(option, required=True)
    p.add_argument("--port", type=int, required=True)
    p.add_argument("--bytes", type=int, required=True)
    p.add_argument("--keys", nargs="+", required=True)
    return p.parse_args()


def connect(a, cipher=None, mac=None):
    t = paramiko.Transport((a.host, a.port))
    options = t.get_security_options()
    if cipher:
        options.ciphers = (cipher,)
    if mac:
        options.digests = (mac,)
    t.start_client(timeout=30)
    with open(a.hostkey) as f:
        if f.read().split()[1] != t.get_remote_server_key().get_base64():
            raise SystemExit("host key differs")
    return t


def fetch(t, a, rekey=False):
    """The bytes of perf/pump through direct-tcpip, asked for with a half-close."""
    host, port = a.target.rsplit(":", 1)
    ch = t.open_channel("direct-tcpip", (host, int(port)), ("127.0.0.1", 1), timeout=30)
    ch.settimeout(60)
    ch.sendall(b"GET %d\n" % a.bytes)
    ch.shutdown_write()
    data, seen = bytearray(), 0
    while True:
        piece = ch.recv(65536)
        if not piece:
            break
        data += piece
        if rekey and len(data) - seen > (2 << 20):
            seen = len(data)
            t.renegotiate_keys()
    ch.close()
    return data == array.array("Q", range(a.bytes // 8)).tobytes()


def load_key(path):
    for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey):
        try:
            return kind.from_private_key_file(path)
        except (paramiko.SSHException, ValueError, IndexError):
            continue
    raise SystemExit(f"{path}: no key")


def main():
    a = parse_args()
    bad = 0

    def note(what, ok):
        nonlocal bad
        print(("ok: " if ok else "FAILED: ") + what, flush=True)
        bad += not ok

    for path in a.keys:
        t = connect(a)
        t.auth_publickey(a.user, load_key(path))
        note(f"key {path.rsplit('/', 1)[1]}", fetch(t, a))
        t.close()
    for cipher in ("aes128-ctr", "aes256-ctr"):
        for mac in ("hmac-sha2-256", "hmac-sha2-512"):
            t = connect(a, cipher, mac)
            t.auth_password(a.user, a.password)
            note(f"password, {cipher}, {mac}, rekeys", fetch(t, a, rekey=True))
            t.close()
    t = connect(a)
    try:
        t.auth_password(a.user, "wrong")
        note("wrong password", False)
    except paramiko.AuthenticationException:
        note("wrong password", True)
        t.auth_password(a.user, a.password)
        note("then the right one", t.is_authenticated())
    t.close()
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
