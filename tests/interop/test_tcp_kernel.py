#!/usr/bin/python3
"""Our TCP against the kernel's: both roles, both families, every pair of options, over veth and TAP.

Every row is one run of perf/flow_stack against perf/flow_kernel in namespaces of their own: both
send at once, each byte is checked, both end by themselves, our stack has no connection and no
buffer left. Without SLUICE_LONG a selection that takes each value of each column.
"""
import itertools
import os
import random
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../perf"))
import wanlab  # noqa: E402

LONG = "SLUICE_LONG" in os.environ
SEED = int(os.environ.get("SLUICE_SEED", "1"), 0)
MIB = 1 << 20
LIFE = 60

# name: (bytes each way and connection, connections, at once, SO_SNDBUF and SO_RCVBUF of the kernel's socket)
LOADS = {
    "bulk": ((64 if LONG else 2) * MIB, 1, 1, 0),
    "flows": ((2 * MIB if LONG else 128 << 10), 64, 64, 0),
    "short": (100, 5000 if LONG else 500, 64, 0),
    "small buffers": ((4 * MIB if LONG else 256 << 10), 2, 2, 4096),
    "large buffers": ((64 if LONG else 2) * MIB, 1, 1, 16 * MIB),
    "nothing": (0, 16, 4, 0),
}
OPTIONS = ("tcp_window_scaling", "tcp_timestamps", "tcp_sack")
COLUMNS = {
    "link": ("veth", "tap"),
    "role": ("listen", "connect"),  # of our stack
    "family": (4, 6),
    "wscale": (1, 0),
    "timestamps": (1, 0),
    "sack": (1, 0),
    "load": tuple(LOADS),
}


def selection(rows, rnd):
    """Few rows in which every pair of values of any two columns stands."""
    rows = rows[:]
    rnd.shuffle(rows)
    def pairs(row):
        return set(itertools.combinations(enumerate(row), 2))
    missing = set().union(*map(pairs, rows))
    chosen = []
    while missing:
        best = max(rows, key=lambda r: len(pairs(r) & missing))
        chosen.append(best)
        missing -= pairs(best)
    return chosen


def with_ipv6():
    """Whether our stack takes an IPv6 address."""
    with wanlab.Lab("sli") as lab:
        lab.veth()
        lab.stack_end("a")
        try:
            p = lab.flow("a", True, "listen", "::", "9000", "--life", "0", addr="2001:db8::1/64", ready=False)
            return lab.result(p, 20)["done"] == 0
        except wanlab.LabError:
            return False


def stack_start(lab, row, args):
    link, family = row[0], row[2]
    own = f"{wanlab.ADDR6['a']}/64" if family == 6 else f"{wanlab.ADDR['a']}/24"
    if link == "veth":
        return lab.flow("a", True, *args, addr=own)
    p = lab.flow("a", True, *args, addr=own, device="net_tap0,iface=sluicetap")
    lab.tap_of("a", "sluicetap")
    return p


def timed(row):
    start = time.monotonic()
    return run(row), time.monotonic() - start


def run(row):
    """None, or what went wrong."""
    link, role, family, ws, ts, sack, load = row
    size, conns, parallel, buf = LOADS[load]
    addr = wanlab.ADDR6 if family == 6 else wanlab.ADDR
    args = ("--send", size, "--conns", conns, "--parallel", parallel, "--life", LIFE)
    kernel_args = args + (("--sndbuf", buf, "--rcvbuf", buf) if buf else ())
    with wanlab.Lab("sli") as lab:
        if link == "veth":
            lab.veth()
            lab.stack_end("a")
            lab.kernel_end("b")
        lab.sysctl("b", **dict(zip(OPTIONS, (ws, ts, sack))))
        if role == "listen":
            ours = stack_start(lab, row, ("listen", addr["a"], wanlab.PORT) + args)
            if link == "tap":
                lab.kernel_end("b")
            theirs = lab.flow("b", False, "connect", addr["a"], wanlab.PORT, *kernel_args)
        else:
            theirs = lab.flow("b", False, "listen", "::" if family == 6 else "0.0.0.0", wanlab.PORT, *kernel_args)
            ours = stack_start(lab, row, ("connect", addr["b"], wanlab.PORT) + args)
            if link == "tap":
                lab.kernel_end("b")
        return verdict(size * conns, conns, lab.result(ours, LIFE + 10), lab.result(theirs, LIFE + 10))


def verdict(total, conns, ours, theirs):
    for name, r in (("ours", ours), ("kernel", theirs)):
        if r["exit"] != 0 or r["done"] != conns or r["sent"] != total or r["received"] != total:
            return f"{name}: {r}; the other: {theirs if r is ours else ours}"
    if ours["conns_left"] or ours["mbufs_lost"]:
        return f"left behind: {ours}"
    return None


def main():
    if os.geteuid() != 0:
        print("namespaces need root")
        return 77
    print(f"seed {SEED}")
    columns = dict(COLUMNS)
    if not with_ipv6():
        print("IPv6 is not supported: left out")
        columns["family"] = (4,)
    rows = list(itertools.product(*columns.values()))
    if not LONG:
        rows = selection(rows, random.Random(SEED))
    failed = 0
    with wanlab.Pool(os.cpu_count() or 1) as pool:
        for row, (why, seconds) in zip(rows, pool.map(timed, rows)):
            text = ", ".join(f"{k} {v}" for k, v in zip(columns, row))
            print(f"{'FAILED' if why else 'ok'}: {text} ({seconds:.1f} s)", why or "", flush=True)
            failed += why is not None
    print(f"{len(rows)} runs, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
