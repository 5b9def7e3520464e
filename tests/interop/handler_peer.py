#!/usr/bin/env python3
"""A program that has one channel the gateway opened: handler_peer.py SOCKET. It says what it was told, asks the
agent at the other end how many keys it has, in frames, sends it requests and that question once more as messages it has built, has a channel opened that
no client knows and one that it may not, and ends."""
import json
import os
import socket
import struct
import sys

IDENTITIES = struct.pack(">IB", 1, 11)  # SSH_AGENTC_REQUEST_IDENTITIES, in a message of an agent's


def line(connection):
    text = b""
    while not text.endswith(b"\n"):
        byte = connection.recv(1)
        if not byte:
            sys.exit("hung up on")
        text += byte
    return json.loads(text)


def take(connection, n):
    data = b""
    while len(data) < n:
        chunk = connection.recv(n - len(data))
        if not chunk:
            sys.exit("ended early")
        data += chunk
    return data


def frames(connection):
    """All data of the frames that come, as it comes; ready is said first."""
    said = False
    while True:
        n, kind = struct.unpack(">IB", take(connection, 5))
        body = take(connection, n)
        if kind == 3:
            print("ready", said, struct.unpack(">I", body)[0], flush=True)
            said = True
        else:
            yield body


def answer_of(control, pieces):
    """Its length is a record; what would wait for the end of another comes once there are none."""
    answer = b""
    length = struct.unpack(">I", next(pieces))[0]
    say(control, record=0)
    while len(answer) < length:
        answer += next(pieces)
    return answer


def said(**what):
    return json.dumps(what).encode() + b"\n"


def say(connection, **what):
    connection.sendall(said(**what))


def session(control, about, listener):
    """All it says goes by messages it has built; nothing is written on its other connection."""
    say(control, accept=True)
    data, _ = listener.accept()
    line(data)
    print("session", line(control)["accepted"], flush=True)
    say(control, packet=94, fields=["i", about["peer"], "s", "out\n"])
    say(control, packet=95, fields=["i", about["peer"], "i", 1, "s", "err\n"])
    say(control, packet=94, fields=["i", about["peer"], "s", "out again\n"])
    say(control, packet=96, fields=["i", about["peer"]])
    say(control, exit=5)
    while control.recv(4096):
        pass
    data.close()


def opened(control, about, listener):
    say(control, accept=True, record=4)
    data, _ = listener.accept()
    line(data)
    print("channel", about["type"], about["ours"], about["user"], flush=True)
    pieces = frames(data)
    data.sendall(IDENTITIES)
    answer = answer_of(control, pieces)
    print("agent", answer[0], "keys", struct.unpack(">I", answer[1:5])[0], flush=True)
    control.sendall(b'{"request":"x-hello@test","want_reply":true,"raw":"AAAAAA=="}\n')
    print("request", line(control)["reply"], flush=True)
    say(control, packet=98, fields=["i", about["peer"], "s", "x-packet@test", "f", True])
    print("packet", line(control)["reply"], flush=True)
    say(control, packet=80, id=5, fields=["s", "x-global@test", "f", True])
    told = line(control)
    print("global", told["global"], told["id"], told["reply"], flush=True)
    say(control, packet=94, fields=["i", about["peer"], "sb", IDENTITIES.hex()])
    again = b""
    while len(again) < 4 + len(answer):
        again += next(pieces)
    print("data", again[4:] == answer, flush=True)
    say(control, packet=93, id=6, fields=["i", about["peer"], "i", 1])
    told = line(control)
    print("window", told["id"], told["code"], flush=True)
    say(control, packet=200, fields=["i", about["peer"] + 1])
    print("another's", line(control)["code"], flush=True)
    for kind in "x-news@example.org", "x11":
        say(control, open=kind, id=7)
        told = line(control)
        print("open", kind, told["kind"], told["id"], told["code"], told["reason"], flush=True)
    # Its client may close the channel as soon as it hears of an end: what is said of one goes at once.
    control.sendall(said(packet=96, fields=["i", about["peer"]])
                    + said(packet=94, fields=["i", about["peer"], "s", "x"]) + said(exit=0))
    print("behind its end", line(control)["code"], flush=True)
    data.close()
    while control.recv(4096):
        pass
    print("closed", flush=True)


with socket.socket(socket.AF_UNIX) as listener:
    listener.bind(sys.argv[1])
    os.chmod(sys.argv[1], 0o660)
    listener.listen(4)
    print("listening", flush=True)
    control, _ = listener.accept()
    about = line(control)
    (session if about["type"] == "session" else opened)(control, about, listener)
