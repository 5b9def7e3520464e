#!/usr/bin/env python3
"""A program for ChannelHandler: an SSH service of its own, without a shell or a user of the system.

    handler.py SOCKET

In a session it greets who comes, gives back every line in capital letters, complains about empty ones on
standard error, and ends with the number of lines as its exit status. A tunnel, or a channel of its own type
(NEWS), has its lines back as they are; who asks there for CALL has a channel opened towards him, too. Lines
come as frames, cut by the gateway; what a client writes to standard error is printed. When sluice-control is
started again its channels go on. See sluice-handler(5).
"""
import json
import os
import socket
import struct
import sys
import threading

LINE_MAX = 4096
READY = 3  # a frame that says how much is taken of us at once
EXTENDED = 4  # one of bytes that are not the channel's own: of which type, then those
AGAIN = 60  # seconds in which another sluice-control may call
NEWS, BACK = "x-news@example.org", "x-back@example.org"
KNOWN = "session", "direct-tcpip", NEWS, BACK
PING, CALL = "x-ping@example.org", "x-call@example.org"  # requests that it says yes to
UNKNOWN_CHANNEL_TYPE = 3

channels = {}  # name -> Channel, until it is closed
lock = threading.Lock()


def frames(connection):
    """What the client sends, a line each, or as much of one as LINE_MAX; then its end."""
    stream = connection.makefile("rb")
    while len(head := stream.read(5)) == 5:
        length, kind = struct.unpack(">IB", head)
        body = stream.read(length)
        if kind == EXTENDED:
            print("aside, of type", struct.unpack(">I", body[:4])[0], body[4:], flush=True)
        elif kind != READY:  # sendall() waits by itself
            yield body


class Channel:
    def __init__(self, about):
        self.about, self.streams, self.there = about, {}, threading.Event()
        self.errors = about["type"] == "session"
        self.status, self.changed = None, threading.Condition()
        self.control, self.closed = None, False

    def serve(self):
        data = self.streams["data"]
        if self.errors:
            return self.greet(data, self.streams["stderr"])
        data.sendall(f"{self.about['type']}: ".encode())
        for line in frames(data):
            data.sendall(line)
        return 0

    def greet(self, data, errors):
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

    def run(self):
        """The channel's own thread: its bytes, and how it ended, which is said to whom asks."""
        status = 255
        if self.there.wait(10):
            try:
                status = self.serve()
            except OSError:
                pass  # its client has gone
            for stream in self.streams.values():
                shut(stream)
        with self.changed:
            self.status = status
            if self.control is not None:
                tell(self.control, exit=status)
            while not self.closed:
                if not self.changed.wait_for(lambda: self.closed or self.control, AGAIN):
                    break  # nobody calls
                self.changed.wait_for(lambda: self.closed or not self.control)
        with lock:
            channels.pop(self.about["channel"], None)
        for stream in self.streams.values():
            stream.close()

    def hear(self, control):
        """What one sluice-control says of it, until that, or the channel, is over."""
        with self.changed:
            self.control = control
            self.changed.notify_all()
            tell(control, accept=True, resume=True, stderr=self.errors, eol="\n", eol_max=LINE_MAX)
            if self.status is not None:
                tell(control, exit=self.status)
        closed = False
        for line in lines_of(control):
            closed |= line.get("kind") == "closed"
            if line.get("want_reply"):
                answer(control, line["request"])
        with self.changed:
            self.closed |= closed
            self.control = None if self.control is control else self.control
            self.changed.notify_all()


def answer(control, request):
    if request == CALL:
        tell(control, open=BACK)
    tell(control, reply=request in (PING, CALL))


def lines_of(control):
    try:
        for line in control.makefile("rb"):
            yield json.loads(line)
    except OSError:
        pass


def shut(stream):
    try:
        stream.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # the other end was first


def tell(control, **what):
    try:
        control.sendall(json.dumps(what).encode() + b"\n")
    except OSError:
        pass  # it is told again by whom calls next


def session(control, about):
    """What is said about one channel; its bytes come on connections of their own."""
    with lock:
        channel = channels.get(about["channel"])
        if channel is None and about["type"] in KNOWN and not about.get("resumed"):
            channel = channels[about["channel"]] = Channel(about)
            threading.Thread(target=channel.run, daemon=True).start()
    if channel is None:
        tell(control, accept=False, code=UNKNOWN_CHANNEL_TYPE, reason="it is not known here")
    else:
        channel.hear(control)


def stream(connection, about):
    """The bytes of a channel, or those of its standard error."""
    with lock:
        channel = channels.get(about["channel"])
    if channel is None:
        return
    channel.streams[about["role"]] = connection
    if len(channel.streams) == 1 + channel.errors:
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
    else:
        stream(connection, about)


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
