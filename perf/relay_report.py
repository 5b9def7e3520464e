"""The table and the JSON of perf/relay, from its raw rows."""
import argparse
import collections
import json
import statistics
import sys

WAY = {"put": "client to target", "get": "target to client"}


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--size-mib", type=int, required=True)
    p.add_argument("--json")
    p.add_argument("results")
    a = p.parse_args()
    gb = a.size_mib * 1.048576 / 1000

    runs = collections.defaultdict(list)
    with open(a.results) as f:
        for line in f:
            system, name, way, secs, above, port, stages = line.rstrip("\n").split("\t")
            runs[name, way, system].append((float(secs), float(above), float(port), stages))

    def median(key, i):
        return statistics.median(r[i] for r in runs[key])

    out = []
    print(f"{'cipher':44} {'way':17} {'GB/s':>6} {'sshd':>6}  {'CPU s/GB':>8} {'sshd':>6} {'ratio':>6}  {'ports':>6}")
    for name, way in dict.fromkeys((k[0], k[1]) for k in runs):
        ours, peer = (name, way, "sluice"), (name, way, "sshd")
        if not runs[ours] or not runs[peer]:
            continue
        above, port, theirs = median(ours, 1) / gb, median(ours, 2) / gb, median(peer, 1) / gb
        speed, peer_speed = gb / median(ours, 0), gb / median(peer, 0)
        ratio = theirs / above if above else None
        print(f"{name:44} {WAY[way]:17} {speed:6.3f} {peer_speed:6.3f}  {above:8.3f} {theirs:6.3f} {ratio:6.2f}  {port:6.3f}")
        print(f"{'':44} {runs[ours][-1][3]}")
        what = f"relay {name} {WAY[way]}"
        out.append({"what": f"{what}: CPU above the ports", "unit": "CPU-s/GB", "sluice": round(above, 4),
                    "peer": round(theirs, 4), "ratio": round(ratio, 3),
                    "note": "net, tcp, open, relay, seal, tcp out, link and control against all of sshd; " + runs[ours][-1][3]})
        out.append({"what": f"{what}: CPU with the ports", "unit": "CPU-s/GB", "sluice": round(above + port, 4),
                    "peer": round(theirs, 4), "ratio": None,
                    "note": "net_af_packet over veth costs by itself what a NIC would not"})
        out.append({"what": f"{what}: throughput", "unit": "GB/s", "sluice": round(speed, 4),
                    "peer": round(peer_speed, 4), "ratio": None,
                    "note": "client, gateway and target share two cores; bound by the ports that reach the kernel"})
    if a.json:
        with open(a.json, "w") as f:
            json.dump(out, f, indent=1)
            f.write("\n")
    return 0 if out else 1


if __name__ == "__main__":
    sys.exit(main())
