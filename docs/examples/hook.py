#!/usr/bin/env python3
"""A program for PolicyHook: it greets, keeps people out of a port, and writes down what it was asked.

    hook.py SOCKET [--deny-port N] [--host-key-type TYPE] [--host-key-file FILE [--passphrase-file FILE]]
            [--max-channels N] [--log FILE]

See sluice-hook(5). One thread is enough: nothing here takes time. Who has to ask somebody else should
answer the other requests meanwhile (asyncio, or a thread for each request): answers may come in any order.
"""
import argparse
import json
import os
import socketserver


def decide(request, options):
    """The answer to one request, without its id."""
    kind = request["kind"]
    if kind == "established":  # which of our host keys this client is shown, and what it may have
        answer = {"accept": True}
        if options.host_key_type:
            answer["hostkeys"] = [k["key"] for k in request["hostkeys"] if k["type"] == options.host_key_type]
        if options.host_key_file:  # below HostKeyFolder
            answer["hostkeys"] = [{"path": options.host_key_file}]
            if options.passphrase_file:
                answer["hostkeys"][0]["passphrase-file"] = options.passphrase_file
        if options.max_channels is not None:
            answer["limits"] = {"max_channels": options.max_channels}
        return answer
    if kind == "auth" and request["method"] == "none":
        # A client asks what there is: the moment for a banner. It is not let in by this.
        return {"accept": False, "banner": f"Hello {request.get('user', '?')}, you are being watched.\n"}
    if kind == "forward" and request["port"] == options.deny_port:
        return {"accept": False, "reason": f"nobody goes to port {request['port']}"}
    return {"accept": True}


def hear(news):
    """What has happened: no answer is awaited. Its record is one of sluice-audit(5)."""
    if news["kind"] == "closed":
        print(f"{news.get('user', 'somebody')} has gone, after {news['record'].get('channels', 0)} channels", flush=True)


class Gateway(socketserver.StreamRequestHandler):
    """One connection of the gateway's: a line in, a line out."""

    def handle(self):
        for line in self.rfile:
            request = json.loads(line)
            options = self.server.options
            if options.log:
                print(line.decode().rstrip(), file=options.log, flush=True)
            if "id" not in request:
                hear(request)
                continue
            answer = {"id": request["id"], **decide(request, options)}
            self.wfile.write(json.dumps(answer).encode() + b"\n")


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("socket")
    parser.add_argument("--deny-port", type=int, default=0)
    parser.add_argument("--host-key-type", help="show clients this one: ED25519, ECDSA, RSA")
    parser.add_argument("--host-key-file", help="show clients the key of this file")
    parser.add_argument("--passphrase-file", help="of it")
    parser.add_argument("--max-channels", type=int, help="of a connection, at once")
    parser.add_argument("--log", type=argparse.FileType("a"))
    options = parser.parse_args()
    if os.path.exists(options.socket):
        os.unlink(options.socket)
    with Server(options.socket, Gateway) as server:
        server.options = options
        os.chmod(options.socket, 0o660)  # the gateway's group, and nobody else
        server.serve_forever()


if __name__ == "__main__":
    main()
