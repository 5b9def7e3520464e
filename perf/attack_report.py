"""The table and the JSON of perf/attack, from the lines of attack_load."""
import argparse
import json
import sys


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--json")
    p.add_argument("--over", required=True)
    p.add_argument("results")
    a = p.parse_args()
    with open(a.results) as f:
        lines = [json.loads(line) for line in f]

    print(f"{'':8} {'SYN/s':>9} {'answers/s':>9} {'GB/s':>6} {'core':>5} {'batch':>5} {'by cookie':>9} {'of':>5}")
    for r in lines:
        if "goodput" not in r:
            continue
        print(f"{r['what']:8} {r['syns']:9.0f} {r['answers']:9.0f} {r['goodput'] / 1e9:6.3f} {r['busy']:5.2f} {r['batch']:5.1f} "
              f"{r['cookies_taken']:9} {r['opened']:5}")
    by = {r["what"]: r for r in lines}
    floods = sorted((r for r in lines if r["what"] == "flood"), key=lambda r: r["goodput"])
    calm, flood = by["calm"], floods[len(floods) // 2]
    suffix = "" if a.over == "memif" else f" over {a.over}"
    ok = all(r.get("alive", True) for r in lines) and by["after"]["resets"] == 0
    out = [{
        "what": "goodput under SYN flood" + suffix, "unit": "GB/s", "sluice": round(flood["goodput"] / 1e9, 4),
        "peer": round(calm["goodput"] / 1e9, 4), "ratio": round(flood["goodput"] / calm["goodput"], 3),
        "note": f"{flood['syns'] / 1e6:.2f} M SYN/s (asked {flood['asked'] / 1e6:g}), peer is the same tunnel without; core {calm['busy']:.2f} busy "
                f"without and {flood['busy']:.2f} with; median of {len(floods)}; {flood['connected']} connections opened meanwhile, {flood['cookies_taken']} by cookie, "
                f"{flood['resets']} reset",
    }]
    if "highest" in by:
        out.append({
            "what": "highest SYN rate that leaves 0.9 of the goodput" + suffix, "unit": "M SYN/s",
            "sluice": round(by["highest"]["asked"] / 1e6, 3), "peer": None, "ratio": None,
            "note": "doubled and halved to a twentieth, no connection reset; the generator sends at least 0.95 of it",
        })
    for r in out:
        print(f"{r['what']}: {r['sluice']} {r['unit']}" + (f", ratio {r['ratio']}" if r["ratio"] is not None else ""))
    if a.json:
        with open(a.json, "w") as f:
            json.dump(out, f, indent=1)
            f.write("\n")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
