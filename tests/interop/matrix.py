"""The interop matrix: every algorithm the gateway and a peer both know, one at a time, in both roles.

Run by test_matrix.sh, in the client's namespace of its lab. What we know we are asked for (sluice-control -Q); what a peer knows
is what stands in its KEXINIT when everything it has is switched on. For each algorithm control is started anew with that
alone in its list, so that no peer needs to be told; then each peer that knows it logs in and takes --bytes through a
direct-tcpip channel, every byte checked, with a key exchange due after a fifth of it. In the other role our client
asks for that algorithm alone. What a cell and a gateway are is in matrix_lab.py, the peers in matrix_peers.py.
"""
import argparse
import datetime
import random
import re
import sys
import time

from matrix_lab import ENV, HERE, KINDS, Cell, Gateway, Kerberos, Keys
from matrix_peers import NO_REKEY, clients, excepted, learned, servers

TOP = HERE[:-len("/tests/interop")]


def cells(gate, peers):
    """All there could be."""
    return [(Cell(kind, row), p) for kind in KINDS for row in gate.rows(kind) for p in peers]


def is_there(gate, cell, p):
    """Do both know it, and is there a key?"""
    return bool(cell.host and cell.user and excepted(p.role, p.name, cell.kind, cell.row) is None and p.knows(cell) and
                gate.keys.have("h", cell.host) and gate.keys.have("u", cell.user))


def attempt_all(gate, wanted, size):
    """{(role, kind, row, peer): None or what is wrong}"""
    got, last = {}, None
    for cell, p in wanted:
        if p.role == "client" and last != (cell.kind, cell.row):
            gate.start(cell)
            last = cell.kind, cell.row
        began = time.monotonic()
        bad = p.attempt(gate, cell, size)
        got[p.role, cell.kind, cell.row, p.name] = bad
        print(f"{'FAILED' if bad else 'ok'}: {p.name} as {p.role}: {cell.kind} {cell.row}: {bad or f'{time.monotonic() - began:.1f} s'}",
              flush=True)
    return got


def results_of(path):
    """What a run said that wrote its output there: what was right need not be tried again."""
    got = {}
    with open(path, errors="replace") as f:
        for line in f:
            m = re.match(r"ok: (\S+) as (client|server): (%s) (.*): [\d.]+ s$" % "|".join(sorted(KINDS, key=len, reverse=True)), line)
            if m:
                got[m.group(2), m.group(3), m.group(4), m.group(1)] = None
    return got


def some(gate, wanted, n, seed):
    """So many of them, and no key is made that none of these needs."""
    chosen = []
    for c in random.Random(seed).sample(wanted, len(wanted)):
        if len(chosen) < n and "3des" not in c[0].row and is_there(gate, *c):
            chosen.append(c)
    return sorted(chosen, key=wanted.index)


def rows(gate, kind, role):
    """Whether somebody touches a key is tried with clients alone."""
    return [r for r in gate.rows(kind) if role == "client" or ", " not in r]


# --- the table --------------------------------------------------------------------------------------

def table(gate, peers, got, role):
    out = []
    for kind in KINDS:
        if not gate.rows(kind):
            continue
        out += ["", f"| {kind} | " + " | ".join(p.name for p in peers) + " |", "| --- " * (len(peers) + 1) + "|"]
        for row in rows(gate, kind, role):
            line = []
            for p in peers:
                key = role, kind, row, p.name
                line.append(excepted(role, p.name, kind, row) or ("" if key not in got else "**fails**" if got[key] else "yes"))
            out.append(f"| `{row}` | " + " | ".join(line) + " |")
    return out


def lonely(gate, got, role):
    """What no packaged peer of this role has, by kind."""
    out = []
    for kind in KINDS:
        alone = [f"`{r}`" for r in rows(gate, kind, role) if not any(k[:3] == (role, kind, r) and k[3] != "pyssh" for k in got)]
        if alone:
            out.append(f"{kind} {', '.join(alone)}")
    return "; ".join(out)


def document(gate, ours, theirs, got, size):
    text = ["# Interoperability", "",
            f"Made by `tests/interop/test_matrix.sh --save` on {datetime.date.today()}. Each cell is one login with nothing but this algorithm of its "
            f"kind on our side, {size >> 20} MiB through a `direct-tcpip` channel with every byte checked, and a key exchange in the middle. *yes*: it was "
            "so; empty: the peer does not know the algorithm (by its own KEXINIT, with everything it has switched on), or has no key of this type. "
            "Certificates are `ssh-keygen`'s, tickets those of MIT's KDC; security keys are in software (`tests/interop/sk_soft.c` "
            "for ssh, `sk_agent.py` for our client), *untouched* with `no-touch-required`, *with a PIN* with `verify-required`.", "",
            "The default run of the tests tries some of these cells, chosen by the seed; `--long` tries all: "
            f"{len(got)}, of which {sum(v is None for v in got.values())} are right.", "",
            "## Clients of the gateway", "", ", ".join(f"{p.name}: {p.version}" for p in ours) + ".", "",
            f"No packaged client here has: {lonely(gate, got, 'client')}. Where the column of pyssh says yes it is the tests' own in Python "
            "(`tests/interop/pyssh.py`), with npm's `@noble/post-quantum` for ML-KEM.", *table(gate, ours, got, "client"), "",
            "## Servers of our client", "", ", ".join(f"{p.name}: {p.version}" for p in theirs) + ".", "",
            f"No packaged server here has: {lonely(gate, got, 'server')}. Where the column of pyssh says yes it is the tests' own "
            "(`tests/interop/pyssh_server.py`).", "",
            *(f"Without a second key exchange: {name} {why}." for name, why in NO_REKEY.items()), *table(gate, theirs, got, "server"), ""]
    with open(f"{TOP}/docs/interop.md") as f:  # the channels are test_sessions.sh's
        channels = f.read().partition("## Channels")
    with open(f"{TOP}/docs/interop.md", "w") as f:
        f.write("\n".join(text) + "".join(channels[1:]))


def arguments():
    p = argparse.ArgumentParser()
    p.add_argument("--save", action="store_true", help="writes docs/interop.md")
    p.add_argument("--sample", type=int, default=0, help="so many cells of each role, not all")
    p.add_argument("--only", default="", help="cells whose 'role peer kind algorithm' match")
    p.add_argument("--add", action="append", default=[], metavar="FILE", help="the output of a run before, which is not repeated")
    p.add_argument("--bytes", type=int, default=10 << 20)
    return p.parse_args()


def chosen_cells(a, gate):
    """The peers of each role, and what is to be tried."""
    ours, theirs = list(clients()), list(servers())
    seed = int(ENV.get("SLUICE_SEED", "1"), 0)
    if a.sample:  # two that start quickly and one that does not
        slow = [p for p in ours[2:] if p.version]
        ours = ours[:2] + [slow[seed % len(slow)]]
        theirs = theirs[:2]
    ours, theirs = learned(ours, gate.keys), learned(theirs, gate.keys)
    wanted = [cells(gate, peers) for peers in (ours, theirs)]
    if a.only:
        wanted = [[c for c in w if re.search(a.only, f"{c[1].role} {c[1].name} {c[0].kind} {c[0].row}")] for w in wanted]
    if a.sample:
        print(f"seed {seed}")
        return ours, theirs, [some(gate, w, a.sample, seed) for w in wanted]
    return ours, theirs, [[c for c in w if is_there(gate, *c)] for w in wanted]


def main():
    a = arguments()
    keys, kerberos = Keys(), Kerberos()
    gate = Gateway(keys, kerberos, a.bytes // 5)
    got = {}
    for path in a.add:
        got.update(results_of(path))
    try:
        ours, theirs, wanted = chosen_cells(a, gate)
        for w in wanted:
            got.update(attempt_all(gate, [(c, p) for c, p in w if (p.role, c.kind, c.row, p.name) not in got], a.bytes))
    finally:
        kerberos.end()
        if gate.signer is not None:
            gate.signer.terminate()
            gate.signer.wait(30)
    bad = sum(x is not None for x in got.values())
    print(f"{len(got)} cells, {bad} failed")
    if a.save:
        document(gate, ours, theirs, got, a.bytes)
    return 1 if bad or not got else 0


if __name__ == "__main__":
    sys.exit(main())
