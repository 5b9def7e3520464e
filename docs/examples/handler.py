#!/usr/bin/env python3
"""A program for ChannelHandler: an SSH service of its own, without a shell or a user of the system.

    handler.py SOCKET

It greets who comes, gives back every line in capital letters, complains about empty ones on standard
error, and ends with the number of lines as its exit status. Lines come as frames, cut by the gateway.
See sluice-handler(5).
"""
import json
import os
import socket
import struct
import sys
import threading

LINE_MAX = 4096
READY = 3  # a frame that says how much is taken of us at once

waiting = {}  # channel -> Channel, until its streams have come
lock = threading.Lock()


def frames(connection):
    """What the client sends, a line each, or as much of one as LINE_MAX; then its end."""
    stream = connection.makefile("rb")
    while len(head := stream.read(5)) == 5:
        length, kind = struct.unpack(">IB", head)
        body = stream.read(length)
        if kind != READY:  # sendall() waits by itself
            yield body


class Channel:
    def __init__(self, control, about):
        self.control, self.about = control, about
        self.streams, self.there = {}, threading.Event()

    def serve(self):
        data, errors = self.streams["data"], self.streams["stderr"]
        lines = 0
        data.sendall(f"Hello {self.about['user']}\n".encode())
        for line in frames(data):
            lines += 1
            if line.strip():
                data.sendall(line.upper())
            else:
                errors.sendall(b"nothing to say?\n")
        data.sendall(f"{lines} lines\n".encode())
        return lines & 255


def tell(control, **what):
    control.sendall(json.dumps(what).encode() + b"\n")


def session(control, about):
    """What is said about one channel; its bytes come on connections of their own."""
    channel = Channel(control, about)
    with lock:
        waiting[about["channel"]] = channel
    tell(control, accept=True, stderr=True, eol="\n", eol_max=LINE_MAX)
    if channel.there.wait(10):
        status = channel.serve()
        for stream in channel.streams.values():
            stream.shutdown(socket.SHUT_WR)
        tell(control, exit=status)
    with lock:
        waiting.pop(about["channel"], None)


def stream(connection, about):
    """The bytes of a channel, or those of its standard error."""
    with lock:
        channel = waiting.get(about["channel"])
    if channel is None:
        return
    channel.streams[about["role"]] = connection
    if len(channel.streams) == 2:
        channel.there.set()
    # The thread of the channel uses it from here on.


def first_line(connection):
    line = b""
    while not line.endswith(b"\n"):
        byte = connection.recv(1)  # no more: what follows may be the channel's
        if not byte:
            return None
        line += byte
    return json.loads(line)


def serve(connection):
    about = first_line(connection)
    if about is None:
        return
    if about["role"] == "channel":
        session(connection, about)
        connection.close()
    elif "channel" in about:
        stream(connection, about)
    else:  # another type than session: all of it is here
        connection.sendall(f"{about['type']}: ".encode())
        while chunk := connection.recv(65536):
            connection.sendall(chunk)
        connection.close()


def main():
    path = sys.argv[1]
    if os.path.exists(path):
        os.unlink(path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        os.chmod(path, 0o660)  # the gateway's group, and nobody else
        listener.listen(128)
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=serve, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    main()
