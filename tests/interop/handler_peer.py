#!/usr/bin/env python3
"""A program that has one channel the gateway opened: handler_peer.py SOCKET. It says what it was told, asks the
agent at the other end how many keys it has, sends it a request, and ends."""
import json
import os
import socket
import struct
import sys


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


with socket.socket(socket.AF_UNIX) as listener:
    listener.bind(sys.argv[1])
    os.chmod(sys.argv[1], 0o660)
    listener.listen(4)
    print("listening", flush=True)
    control, _ = listener.accept()
    about = line(control)
    control.sendall(b'{"accept":true}\n')
    data, _ = listener.accept()
    line(data)
    print("channel", about["type"], about["ours"], about["user"], flush=True)
    data.sendall(struct.pack(">IB", 1, 11))  # SSH_AGENTC_REQUEST_IDENTITIES
    answer = take(data, struct.unpack(">I", take(data, 4))[0])
    print("agent", answer[0], "keys", struct.unpack(">I", answer[1:5])[0], flush=True)
    control.sendall(b'{"request":"x-hello@test","want_reply":true,"raw":"AAAAAA=="}\n')
    print("request", line(control)["reply"], flush=True)
    data.close()
    control.sendall(b'{"exit":0}\n')
    while control.recv(4096):
        pass
    print("closed", flush=True)
