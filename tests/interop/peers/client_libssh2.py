"""libssh2 as a client, by its C interface; see README.md. KEY.pub stands beside KEY."""
import array
import ctypes
import os
import socket
import sys

host, port, user, path, target, target_port, size = sys.argv[1:]
size = int(size)
lib = ctypes.CDLL("libssh2.so.1")
crypto = ctypes.CDLL("libcrypto.so.3")  # libssh2 offers ciphers of its legacy provider and does not load it
crypto.OSSL_PROVIDER_load.restype = ctypes.c_void_p
for name in (b"default", b"legacy"):
    crypto.OSSL_PROVIDER_load(None, name)
for name in ("libssh2_session_init_ex", "libssh2_channel_direct_tcpip_ex"):
    getattr(lib, name).restype = ctypes.c_void_p
for name in ("libssh2_channel_read_ex", "libssh2_channel_write_ex"):
    getattr(lib, name).restype = ctypes.c_ssize_t


def must(r, what):
    if r is None or (isinstance(r, int) and r < 0):
        text = ctypes.c_char_p()
        lib.libssh2_session_last_error(session, ctypes.byref(text), None, 0)
        sys.exit(f"{what}: {r}: {text.value}")
    return r


sock = socket.create_connection((host, int(port)), 60)
sock.settimeout(None)
lib.libssh2_init(0)
session = ctypes.c_void_p(lib.libssh2_session_init_ex(None, None, None, None))
lib.libssh2_session_set_timeout(session, ctypes.c_long(60000))
if os.environ.get("MATRIX_KIND") == "compression":
    lib.libssh2_session_flag(session, 2, 1)  # LIBSSH2_FLAG_COMPRESS
must(lib.libssh2_session_handshake(session, sock.fileno()), "handshake")
name = user.encode()
public = f"{path}-cert.pub" if os.path.exists(f"{path}-cert.pub") else f"{path}.pub"
must(lib.libssh2_userauth_publickey_fromfile_ex(session, name, len(name), public.encode(), path.encode(), None), "login")
ch = ctypes.c_void_p(must(lib.libssh2_channel_direct_tcpip_ex(
    session, target.encode(), int(target_port), b"127.0.0.1", 1), "direct-tcpip"))
ask = b"GET %d\n" % size
must(lib.libssh2_channel_write_ex(ch, 0, ask, ctypes.c_size_t(len(ask))), "write")
data, buf = bytearray(), ctypes.create_string_buffer(65536)
while len(data) < size:
    n = must(lib.libssh2_channel_read_ex(ch, 0, buf, ctypes.c_size_t(len(buf))), "read")
    if n == 0:
        break
    data += buf.raw[:n]
sys.exit(data != array.array("Q", range(size // 8)).tobytes())
