#!/usr/bin/env python3
"""An audit log in which each connection, channel and listener has been opened once and closed once.

FILE SECONDS   waits so long for the last of what was opened to be closed, then judges; says how many
               there were.
"""
import collections
import json
import sys
import time

WHAT = {"conn": "conn", "chan": "channel", "listen": "listener"}  # by which field its records are joined


def read(path):
    """(what, when): how often each connection, channel or listener has that, copies of a record aside."""
    seen, of = {}, collections.defaultdict(collections.Counter)
    for line in open(path):
        if line.endswith("\n"):  # the last may be on its way
            e = json.loads(line)
            seen.setdefault(e["id"], e)
    for e in seen.values():
        what, _, when = e["event"].rpartition(".")
        if what in WHAT and when in ("open", "close"):
            of[what, when][e.get("conn"), e.get(WHAT[what])] += 1
    return of


def wrong(of):
    found = [(k, "twice", i) for k, v in of.items() for i in v if v[i] > 1]
    for what in WHAT:
        opened, closed = of[what, "open"].keys(), of[what, "close"].keys()
        if closed - opened:
            found.append((what, "close without open", closed - opened))
        if opened - closed:
            found.append((what, "open without close", opened - closed))
    return found


path, until = sys.argv[1], time.monotonic() + float(sys.argv[2])
of = read(path)
while wrong(of) and time.monotonic() < until:
    time.sleep(0.1)
    of = read(path)
print({" ".join(k): len(v) for k, v in of.items()})
sys.exit(f"{wrong(of)}" if wrong(of) or not of["chan", "close"] else 0)
