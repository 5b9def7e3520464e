"""Connections that logged in and say nothing: how many are held, and what each costs.

Sluice is the gateway as it is, over net_memif, with clients of sluice-load that log in by a key
(curve25519, ed25519) and keep raw keys only. Memory is what its processes have resident, their page tables
with it, once all rest; what it had before the first connection is told apart. sshd's is what its processes have by
proportional share, and their page tables: sockets, stacks and tables in the kernel are not counted, which is in its favour.
"""
import contextlib
import os
import time

import kernellab
import lab

PORT_CONNS = 30000  # of one client address to one port: half of the ports there are
REST_S = 5          # after which a connection has given everything back
LOGINS_S = 250      # a second, at the very least
SSHD_CONNS = 100
SSHD_PART = 0.9     # of the machine's memory, were it all for them


def memory_of(pid):
    """Bytes of a process and all below it: proportional share, and page tables."""
    kb = 0
    for p in lab.descendants(pid):
        with contextlib.suppress(OSError, ProcessLookupError):
            for path, key in ((f"/proc/{p}/smaps_rollup", "Pss:"), (f"/proc/{p}/status", "VmPTE:")):
                with open(path) as f:
                    kb += sum(int(x.split()[1]) for x in f if x.startswith(key))
    return kb * 1024


def machine_memory():
    with open("/proc/meminfo") as f:
        return int(f.readline().split()[1]) * 1024


class Farm:
    """One run of the gateway with so many; made when it is first asked for."""

    def __init__(self, load, n):
        self.load, self.n, self.rows = load, n, None

    def run(self):
        if self.rows is None:
            self.rows = self.load.run(
                "idle", 2, patience=self.n / LOGINS_S + 120, conns=self.n, logins=64, warmup=REST_S, setup=self.n / LOGINS_S + 30,
                ports=self.n // PORT_CONNS + 1, gate_memory="256M",
                conf=f"MaxConnections {self.n}\nMaxChannels 64")
        return self.rows

    def memory(self):
        r = self.run()
        total, busy = r["gate memory"], r["gate busy"] - r["gate control"]
        return {"n": r["memory of one"], "cpu": 1, "steal": r["steal"],
                "note": f"{self.n} connections; {total / 2**30:.3g} GiB in all, of which {r['gate memory before'] / 2**20:.0f} MiB were there "
                        f"before the first; while they rest the shard works {busy * 1000:.2f} ms a second, control {r['gate control'] * 1000:.2f}; "
                        f"login p50 {r['latency p50'] / 1000:.3g} ms"}

    def held(self):
        r = self.run()
        return {"n": r["connections"], "cpu": 1, "steal": r["steal"], "note": f"in {r['gate memory'] / 2**30:.3g} GiB, everything counted"}


class Sshd(kernellab.Sshd):
    """OpenSSH's with idle logins of stock clients, without a session."""

    cost = None

    def memory(self):
        if self.cost is None:
            self.cost = self.measure(SSHD_CONNS)
        return {"n": self.cost, "cpu": 1, "steal": 0}

    def held(self):
        return {"n": int(SSHD_PART * machine_memory() / self.memory()["n"]), "cpu": 1, "steal": 0}

    def measure(self, n):
        before = memory_of(self.gateway.pid)
        with contextlib.ExitStack() as stack:
            for _ in range(n):
                cmd = self.ssh(kernellab.AES, "-N", "-o", "KexAlgorithms=curve25519-sha256")
                p = self.spawn(self.client, "/usr/bin/" + cmd[0], *cmd[1:], ready=False, core=kernellab.OTHER_CORE)
                stack.callback(self.end, p)
            self.settle(n)
            return (memory_of(self.gateway.pid) - before) / n

    def settle(self, n):
        """Two processes of each login, and no more memory than a moment ago."""
        end, last = time.monotonic() + 2 * kernellab.PATIENCE_S, 0
        while time.monotonic() < end:
            time.sleep(0.5)
            now = memory_of(self.gateway.pid)
            if self.logged_in() >= n and now == last:
                return
            last = now
        raise lab.LabError(f"{self.logged_in()} of {n} logged in to sshd")

    def logged_in(self):
        """A login has a process of root's and, where its user is another, one of his: "sshd: USER"."""
        names = []
        for p in lab.descendants(self.gateway.pid):
            with contextlib.suppress(OSError), open(f"/proc/{p}/cmdline") as f:
                names.append(f.read().rstrip("\0"))
        return sum(x.startswith("sshd: ") and "[" not in x and "@" not in x for x in names)
