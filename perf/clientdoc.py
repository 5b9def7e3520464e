"""What is made of the rows of perf/client: the table of docs/performance.md."""
import comparedoc

BEGIN = "<!-- rows: perf/client --doc -->"


def cell(v):
    return f"{v:,.3g}" if v < 100 else f"{v:,.0f}"


def medians(rows):
    r = rows[0]
    return f"Medians of {r['pairs']} pair{'s' * (r['pairs'] != 1)}, runs of {r['seconds']:g} s, {r['date']}:"


def near(rows):
    """A line for each cipher and way: what both took of the processor, and how fast it went."""
    rows = [r for r in rows if r["what"].startswith("near ")]
    if not rows:
        return []
    by = {r["what"]: r for r in rows}
    out = [medians(rows), "", "| cipher | way | `sluice`: s/GB | `ssh`: s/GB | ratio | `sluice`: MB/s | `ssh`: MB/s | ratio |",
           "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |"]
    for r in rows:
        if not r["what"].startswith("near cpu "):
            continue  # stands beside it
        way, cipher = r["what"].split()[2:4]
        rate = by[r["what"].replace(" cpu ", " rate ")]
        out.append(f"| `{cipher}` | {way} | {cell(r['sluice'])} | {cell(r['peer'])} | {r['ratio']:.2f} | "
                   f"{cell(rate['sluice'])} | {cell(rate['peer'])} | {rate['ratio']:.2f} |")
    return out


def far(rows):
    """Mbit/s of a channel, and what it is of TCP alone by the same line."""
    rows = [r for r in rows if r["what"].startswith("far ")]
    if not rows:
        return []
    out = [medians(rows), "", "| gateway, 100 ms away | way | `sluice`: Mbit/s | `ssh`: Mbit/s | `sluice` of TCP alone | `ssh` of TCP alone |",
           "| --- | --- | ---: | ---: | ---: | ---: |"]
    for r in rows:
        _, way, gateway = r["what"].split(" ", 2)
        out.append(f"| {gateway} | {way} | {cell(r['sluice'])} | {cell(r['peer'])} | {r['sluice'] / r['line']:.2f} | "
                   f"{r['peer'] / r['line']:.2f} |")
    return out


def table(rows):
    machine = [r["note"] + "." for r in rows if r["what"] == "machine"]
    return "\n\n".join("\n".join(t) for t in (machine, near(rows), far(rows)) if t)


def write(results, check=False):
    """The table again; with check only looks whether it is of these results."""
    return comparedoc.put(BEGIN, table(comparedoc.merge(results, [])), "perf/client", check)
