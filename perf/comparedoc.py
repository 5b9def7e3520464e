"""What is made of the rows of perf/compare: the plot, and the table of docs/performance.md."""
import json
import os
import re
import sys

import lab

DOC = os.path.join(lab.TOP, "docs/performance.md")
BEGIN, END = "<!-- rows: perf/compare --doc -->", "<!-- end of rows -->"

# What is wanted of a row: must be reached, is aimed for. The first pattern that fits.
WANTED = [(re.compile(p), must, aim) for p, must, aim in (
    (r"^bulk .* vs sshd veth no offloads", 3, 6),
    (r"^bulk aes256-gcm mtu 1500 vs", 2, 3.3),
    (r"^bulk aes256-gcm mtu 9000 vs", 3.5, 6),
    (r"^bulk chacha20 mtu 1500 vs", 2, 3.2),
    (r"^bulk chacha20 mtu 9000 vs", 3, 4.8),
    (r"^relay vs copy mtu 1500", 1.1, 1.8),
    (r"^round trips 64 B", 15, 40),
    (r"^channel open", 10, 30),
    (r"^throughput kept 10k", 0.7, 0.95),
    (r"^throughput kept 100k", 0.5, 0.85),
    (r"^one core to two cores", 1.8, 1.97),
    (r"^upload 100 ms", 5, 7.5),
)]
# Wanted of the figure itself, less of which is better.
WANTED_LESS = {"added latency 64 B p50": (10, 3), "added latency 64 B p99": (30, 8), "p99 at 50 % load": (100, 20),
               "idle memory": (8, 2)}
# Of the figure itself, more of which is better.
WANTED_MORE = {"idle connections": (250000, 1000000)}


def wanted(name):
    return next(((must, aim) for p, must, aim in WANTED if p.search(name)), (None, None))


def merge(path, rows):
    """The rows of the file, those measured now in their places, new ones behind."""
    old = []
    if os.path.exists(path):
        with open(path) as f:
            old = json.load(f)
    new = {r["what"]: r for r in rows}
    return [new.pop(r["what"], r) for r in old] + list(new.values())


# --- the table ------------------------------------------------------------------------------------


def cell(v):
    return "" if v is None else f"{v:,.4g}" if v < 10000 else f"{v:,.0f}"


def verdict(r, must, aim):
    if r["what"] in WANTED_LESS:
        must, aim = WANTED_LESS[r["what"]]
        v = r["sluice"]
        return "aim reached" if v <= aim else "reached" if v <= must else f"**not reached** ({v / must:.2f} × of it)"
    if r["what"] in WANTED_MORE:
        must, aim = WANTED_MORE[r["what"]]
        v = r["sluice"]
        return "aim reached" if v >= aim else "reached" if v >= must else f"**not reached** ({must / v:.2f} × short)"
    ratio = r["ratio"]
    if ratio is None or must is None:
        return ""
    return "aim reached" if ratio >= aim else "reached" if ratio >= must else f"**not reached** ({must / ratio:.2f} × short)"


def table(rows):
    out = []
    machine = next((r for r in rows if r["what"] == "machine"), None)
    if machine:
        out += [machine["note"] + ".", ""]
    out += ["| row | Sluice | peer | unit | ratio | must | aim | |", "| --- | ---: | ---: | --- | ---: | ---: | ---: | --- |"]
    for r in rows:
        if r["what"] == "machine":
            continue
        must, aim = WANTED_LESS.get(r["what"]) or WANTED_MORE.get(r["what"]) or wanted(r["what"])
        out.append(f"| {r['what']} | {cell(r['sluice'])} | {cell(r['peer'])} | {r['unit']} | "
                   f"{'' if r['ratio'] is None else format(r['ratio'], '.2f')} | {cell(must)} | {cell(aim)} | "
                   f"{verdict(r, must, aim)} |")
    return "\n".join(out)


def put(begin, table, program, check):
    """A table in its place of docs/performance.md; with check only looks whether it is there. 0, or 1: it is another."""
    with open(DOC) as f:
        text = f.read()
    a = text.index(begin)
    b = text.index(END, a)
    new = text[:a] + f"{begin}\n\n{table}\n\n" + text[b:]
    if check and new != text:
        print(f"docs/performance.md: the table is not of perf/results; {program} --doc", file=sys.stderr)
    if check:
        return 0 if new == text else 1
    with open(DOC, "w") as f:
        f.write(new)
    return 0


def write(results, check=False):
    """The plot and the table again; with check only looks whether the table is of these results."""
    rows = merge(results, [])
    r = put(BEGIN, table(rows), "perf/compare", check)
    if check:
        return r
    with open(os.path.splitext(results)[0] + ".svg", "w") as f:
        f.write(svg(rows))
    return 0


# --- the plot -------------------------------------------------------------------------------------

LEFT, WIDTH, LINE, TOP_SPACE, TICKS = 330, 900, 22, 46, (0.5, 1, 2, 5, 10, 20, 50, 100)


def svg(rows):
    """Bars of the ratios on a logarithmic axis, each with the mark it must reach and the one aimed for."""
    from math import log10
    bars = [r for r in rows if r["ratio"]]
    low = min([0.5] + [r["ratio"] * 0.9 for r in bars])
    high = max([10] + [r["ratio"] * 1.2 for r in bars] + [wanted(r["what"])[1] or 1 for r in bars])

    def x(v):
        return LEFT + (WIDTH - LEFT - 60) * (log10(v) - log10(low)) / (log10(high) - log10(low))

    height = TOP_SPACE + LINE * len(bars) + 30
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" font-family="sans-serif" font-size="12">',
           f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
           f'<text x="10" y="18" font-size="14">Sluice against its peers: ratio of work per CPU-second</text>',
           '<text x="10" y="34" fill="#555">bar: measured; red line: must; green line: aim</text>']
    for t in TICKS:
        if low <= t <= high:
            out.append(f'<line x1="{x(t):.1f}" x2="{x(t):.1f}" y1="{TOP_SPACE}" y2="{height - 24}" stroke="{"#333" if t == 1 else "#ddd"}"/>'
                       f'<text x="{x(t):.1f}" y="{height - 8}" text-anchor="middle">{t:g}</text>')
    for i, r in enumerate(bars):
        y, must_aim = TOP_SPACE + LINE * i, wanted(r["what"])
        a, b = sorted((x(1), x(r["ratio"])))
        out.append(f'<text x="{LEFT - 8}" y="{y + 15}" text-anchor="end">{r["what"]}</text>'
                   f'<rect x="{a:.1f}" y="{y + 4}" width="{max(b - a, 1):.1f}" height="{LINE - 8}" fill="#4878a8"/>'
                   f'<text x="{b + 4:.1f}" y="{y + 15}">{r["ratio"]:.2f}</text>')
        for v, colour in zip(must_aim, ("#c03030", "#30a030")):
            if v:
                out.append(f'<line x1="{x(v):.1f}" x2="{x(v):.1f}" y1="{y + 1}" y2="{y + LINE - 1}" stroke="{colour}" stroke-width="2"/>')
    return "\n".join(out + ["</svg>", ""])
