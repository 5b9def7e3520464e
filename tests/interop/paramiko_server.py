#!/usr/bin/python3
"""A server of paramiko's: programs with a terminal and without, direct-tcpip, tcpip-forward.

paramiko_server.py PORT HOSTKEY AUTHORIZED_KEY     on loopback
"""
import fcntl
import os
import pty
import socket
import struct
import subprocess
import sys
import termios
import threading

import paramiko

PIECE = 32768


def spawn(f, *args):
    threading.Thread(target=f, args=args, daemon=True).start()


def pour(take, give, end=lambda: None):
    """Until there is no more, or nobody who takes it."""
    try:
        while data := take(PIECE):
            give(data)
    except OSError:
        pass  # of a terminal its program has left, too
    try:
        end()
    except OSError:
        pass


def join(channel, s):
    spawn(pour, channel.recv, s.sendall, lambda: s.shutdown(socket.SHUT_WR))
    pour(s.recv, channel.sendall, channel.shutdown_write)


class Server(paramiko.ServerInterface):
    def __init__(self, transport, key):
        self.transport, self.key = transport, key
        self.sizes, self.terminals, self.targets = {}, {}, {}

    def get_allowed_auths(self, user):
        return "publickey"

    def check_auth_publickey(self, user, key):
        return paramiko.AUTH_SUCCESSFUL if key.asbytes() == self.key else paramiko.AUTH_FAILED

    # --- programs ---

    def check_channel_request(self, kind, number):
        return paramiko.OPEN_SUCCEEDED if kind == "session" else paramiko.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED

    def check_channel_pty_request(self, channel, term, width, height, *_):
        self.terminals[channel.get_id()] = pty.openpty()
        return self.check_channel_window_change_request(channel, width, height, 0, 0)

    def check_channel_window_change_request(self, channel, width, height, *_):
        fcntl.ioctl(self.terminals[channel.get_id()][0], termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
        return True

    def check_channel_shell_request(self, channel):
        spawn(self.run, channel, ["/bin/sh"])
        return True

    def check_channel_exec_request(self, channel, command):
        spawn(self.run, channel, ["/bin/sh", "-c", command])
        return True

    def run(self, channel, command):
        terminal = self.terminals.get(channel.get_id())
        if terminal:
            master, slave = terminal
            p = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
            os.close(slave)
            spawn(pour, channel.recv, lambda data: os.write(master, data))
            pour(lambda n: os.read(master, n), channel.sendall)
        else:
            p = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0)
            spawn(pour, channel.recv, p.stdin.write, p.stdin.close)
            errors = threading.Thread(target=pour, args=(p.stderr.read, channel.sendall_stderr))
            errors.start()
            pour(p.stdout.read, channel.sendall)
            errors.join()
        channel.send_exit_status(p.wait())
        channel.close()

    # --- forwards ---

    def check_channel_direct_tcpip_request(self, number, origin, target):
        try:
            self.targets[number] = socket.create_connection(target)
        except OSError:
            return paramiko.OPEN_FAILED_CONNECT_FAILED
        return paramiko.OPEN_SUCCEEDED

    def check_port_forward_request(self, address, port):
        listener = socket.create_server(("127.0.0.1", port))
        port = listener.getsockname()[1]
        spawn(self.listen, listener, (address, port))
        return port

    def listen(self, listener, at):
        while True:
            s, origin = listener.accept()
            spawn(join, self.transport.open_forwarded_tcpip_channel(origin, at), s)

    def serve(self):
        while self.transport.is_active():
            channel = self.transport.accept(1)
            s = self.targets.pop(channel.get_id(), None) if channel else None
            if s:
                spawn(join, channel, s)


def main():
    port, hostkey, authorized = sys.argv[1:]
    host = paramiko.Ed25519Key(filename=hostkey)
    with open(authorized) as f:
        key = paramiko.PublicBlob.from_string(f.readline()).key_blob
    listener = socket.create_server(("127.0.0.1", int(port)))
    print("listening", flush=True)
    while True:
        transport = paramiko.Transport(listener.accept()[0])
        transport.add_server_key(host)
        server = Server(transport, key)
        try:
            transport.start_server(server=server)
        except (paramiko.SSHException, EOFError):
            continue
        spawn(server.serve)


main()
