"""
paramiko's ways to log in, against the gateway of test_auth.sh: port, folder.

paramiko asks for the service again with each try, which the gateway takes once: each try is a
connection of its own.
"""
import sys

import paramiko

port, folder = int(sys.argv[1]), sys.argv[2]
key = paramiko.Ed25519Key.from_private_key_file(folder + "/id")


def expect(what, got, want):
    if got != want:
        raise SystemExit("%s: %r, not %r" % (what, got, want))


def login(what, want, call):
    """What the method returns: [] is in, names are what has to follow; None: refused."""
    t = paramiko.Transport(("127.0.0.1", port))
    t.start_client(timeout=20)
    try:
        got = call(t)
        expect("banner", t.get_banner(), b"Welcome to the gate.\n")
    except paramiko.BadAuthenticationType as e:
        got = e.allowed_types
    except paramiko.AuthenticationException:
        got = None
    expect(what, sorted(got) if got is not None else None, want)
    t.close()


def answers(*given):
    return lambda name, text, asked: list(given)


methods = ["keyboard-interactive", "password", "publickey"]
login("none", methods, lambda t: t.auth_none("demo"))
login("key", [], lambda t: t.auth_publickey("demo", key))
login("password", [], lambda t: t.auth_password("demo", "secret", fallback=False))
login("wrong password", None, lambda t: t.auth_password("demo", "x", fallback=False))
login("questions", [], lambda t: t.auth_interactive("demo", answers("secret")))
login("wrong answer", None, lambda t: t.auth_interactive("demo", answers("x")))
login("two answers to one question", None, lambda t: t.auth_interactive("demo", answers("secret", "x")))
login("partial success", ["keyboard-interactive", "password"], lambda t: t.auth_publickey("multi", key))
