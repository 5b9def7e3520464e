#!/usr/bin/env python3
"""A client of a type of the operator's own, by paramiko: own_channel.py PORT KEY USER. What docs/examples/handler.py
has is opened, refused, asked, and opened towards us; then, a word on standard input each: "bytes" through both
channels, "requests" on both until they are answered with yes, "end"."""
import queue
import sys
import time

import paramiko
from paramiko.common import (MSG_CHANNEL_FAILURE, MSG_CHANNEL_OPEN, MSG_CHANNEL_SUCCESS,
                             cMSG_CHANNEL_OPEN_SUCCESS, cMSG_CHANNEL_REQUEST)

opened = queue.Queue()


class Transport(paramiko.Transport):
    """It takes whatever is opened towards it; paramiko's own refuses what it does not know."""

    def take(self, m):
        kind, theirs, window, packet = m.get_text(), m.get_int(), m.get_int(), m.get_int()
        chan = paramiko.Channel(ours := self._next_channel())
        self._channels.put(ours, chan)
        chan._set_transport(self)
        chan._set_window(self.default_window_size, self.default_max_packet_size)
        chan._set_remote_channel(theirs, window, packet)
        yes = paramiko.Message()
        yes.add_byte(cMSG_CHANNEL_OPEN_SUCCESS)
        for n in theirs, ours, self.default_window_size, self.default_max_packet_size:
            yes.add_int(n)
        self._send_message(yes)
        opened.put((kind, answered(chan)))

    _handler_table = paramiko.Transport._handler_table | {MSG_CHANNEL_OPEN: take}
    # A request of ours that fails closes nothing.
    _channel_handler_table = paramiko.Transport._channel_handler_table | {
        MSG_CHANNEL_SUCCESS: lambda chan, _m: chan.answers.put(True),
        MSG_CHANNEL_FAILURE: lambda chan, _m: chan.answers.put(False)}


def answered(chan):
    chan.answers = queue.Queue()
    return chan


def asks(chan, request):
    m = paramiko.Message()
    m.add_byte(cMSG_CHANNEL_REQUEST)
    m.add_int(chan.remote_chanid)
    m.add_string(request)
    m.add_boolean(True)
    t._send_user_message(m)
    return chan.answers.get(timeout=60)


def comes(chan, text):
    data = b""
    while len(data) < len(text):
        chunk = chan.recv(len(text) - len(data))
        if not chunk:
            break
        data += chunk
    return data == text or data


t = Transport(("127.0.0.1", int(sys.argv[1])))
t.connect(username=sys.argv[3], pkey=paramiko.Ed25519Key.from_private_key_file(sys.argv[2]))
try:
    t.open_channel("x-other@example.org")
except paramiko.ChannelException as e:
    print("refused", e.code, flush=True)
news = answered(t.open_channel("x-news@example.org"))
news.settimeout(60)
print("news", comes(news, b"x-news@example.org: "), flush=True)
print("unknown", asks(news, "x-what@example.org"), flush=True)
print("call", asks(news, "x-call@example.org"), flush=True)
name, back = opened.get(timeout=60)
back.settimeout(60)
print("back", name, comes(back, b"x-back@example.org: "), flush=True)
for line in sys.stdin:
    if line == "bytes\n":
        for chan in news, back:
            chan.sendall_stderr(b"aside\n")
            chan.sendall(b"one\n")
        print("bytes", comes(news, b"one\n"), comes(back, b"one\n"), flush=True)
    elif line == "requests\n":
        end = time.monotonic() + 60
        for chan in news, back:  # until its program has come back they are refused
            while not asks(chan, "x-ping@example.org") and time.monotonic() < end:
                time.sleep(0.05)
        print("requests", asks(news, "x-ping@example.org"), asks(back, "x-ping@example.org"), flush=True)
    else:
        break
for chan in news, back:
    chan.shutdown_write()
print("end", news.recv(1) == b"", back.recv(1) == b"", flush=True)
t.close()
