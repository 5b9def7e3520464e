"""Runs the suites of ./scripts/test and counts what passed.

A Criterion program counts as many tests as it ran, every other program as one. Unit, sim and fuzz
run with ASan and UBSan; unit also runs plain, so that what the sanitizers change is seen. A
program that exits with 77 was skipped and says why in its last line.
"""
import argparse
import concurrent.futures
import json
import os
import re
import subprocess
import sys
import time

SUITES = ("rooms", "unit", "sim", "interop", "fuzz", "chaos", "smoke")
PLAIN, ASAN, FUZZ = "build", "build-asan", "build-fuzz"
SANITIZE = ("-Db_sanitize=address,undefined", "-Db_lundef=false")
CORES = os.cpu_count() or 1
SKIP = 77
FUZZ_SECONDS = 30  # for the whole set in a short run
SYNTHESIS = re.compile(r"Synthesis: Tested: (\d+) \| Passing: (\d+) \| Failing: (\d+) \| Crashing: (\d+)")
FAILED_TEST = re.compile(r"\[(?:FAIL|CRASH)\] (\S+?):")
ANSI = re.compile(r"\x1b\[[0-9;]*m")


class Count:
    def __init__(self):
        self.passed, self.failed, self.skipped = 0, 0, 0
        self.bad, self.why = [], []

    def ok(self, n=1):
        self.passed += n

    def fail(self, name, n=1):
        self.failed += n
        self.bad.append(name)

    def skip(self, name, why):
        self.skipped += 1
        self.why.append(f"{name}: {why}")


def parse_args():
    p = argparse.ArgumentParser(prog="scripts/test", description="Builds Sluice twice and runs its tests.")
    p.add_argument("suite", nargs="*", metavar="SUITE", help="some of: " + " ".join(SUITES))
    p.add_argument("--long", action="store_true", help="every test at its full size")
    p.add_argument("--seed", type=int, help="first seed of every random test")
    p.add_argument("--only", metavar="NAME", help="one test program, script or Criterion test")
    a = p.parse_args()
    for s in a.suite:
        if s not in SUITES:
            p.error(f"no suite {s}; there are: {' '.join(SUITES)}")
    return a


def run(cmd, env=None, timeout=None, cwd=None):
    """Output and exit status; a time-out is a failure with what was printed until then."""
    try:
        r = subprocess.run(cmd, env=env, timeout=timeout, cwd=cwd, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True, errors="replace",
                           stdin=subprocess.DEVNULL)
        return r.stdout, r.returncode
    except subprocess.TimeoutExpired as e:
        out = e.stdout or b""
        return out.decode(errors="replace") + f"\ntimed out after {timeout} s", 124


def build(folder, *options, targets=lambda target: False, env=None):
    """Sets up a folder once and builds it: all of it, or the targets asked for."""
    start = time.monotonic()
    if not os.path.exists(f"{folder}/build.ninja"):
        out, rc = run(["meson", "setup", folder, *options], env)
        if rc:
            sys.exit(f"{out}\nscripts/test: meson setup {folder} failed")
    elif not meson_tests(folder):  # scripts/run made it, without tests
        run(["meson", "configure", folder, *options])
    chosen = [os.path.relpath(f, folder) for t in introspect(folder, "--targets")
              if t["type"] == "executable" and targets(t) for f in t["filename"]]
    out, rc = run(["ninja", "-C", folder, *chosen])
    if rc:
        sys.exit(f"{out[-8000:]}\nscripts/test: building {folder} failed")
    print(f"built {folder} in {time.monotonic() - start:.0f} s", flush=True)


def environment(args):
    env = dict(os.environ)
    if args.seed is not None:
        env["SLUICE_SEED"] = str(args.seed)
    if args.long:
        env["SLUICE_LONG"] = "1"
    env["ASAN_OPTIONS"] = "detect_leaks=1:abort_on_error=0:" + env.get("ASAN_OPTIONS", "")
    env["UBSAN_OPTIONS"] = "print_stacktrace=1:halt_on_error=1"
    env["LSAN_OPTIONS"] = f"suppressions={os.getcwd()}/tests/util/lsan.supp:print_suppressions=0"
    return env


def introspect(folder, what):
    out, rc = run(["meson", "introspect", folder, what])
    return json.loads(out) if rc == 0 else []


def meson_tests(folder):
    return introspect(folder, "--tests")


def settle(count, label, out, rc, seconds, only):
    """One program's result into the count."""
    out = ANSI.sub("", out)
    m = SYNTHESIS.search(out)
    if m:
        tested, passing, failing, crashing = map(int, m.groups())
        if tested == 0 and only:
            return
        count.ok(passing)
        if failing + crashing:
            for name in FAILED_TEST.findall(out) or [label]:
                count.fail(f"{label} {name}", 0)
            count.failed += failing + crashing
        elif rc:
            count.fail(f"{label} (exit {rc})")
    elif rc == 0:
        count.ok()
    elif rc == SKIP:
        lines = out.strip().splitlines()
        count.skip(label, lines[-1] if lines else "no reason given")
    else:
        count.fail(f"{label} (exit {rc})")
    bad = rc not in (0, SKIP)
    print(f"  {'FAIL' if bad else 'skip' if rc == SKIP else 'ok  '} {label} ({seconds:.1f} s)"
          + (f" {m.group(1)} tests" if m else ""), flush=True)
    if bad:
        print("    " + "\n    ".join(out.strip().splitlines()[-60:]), flush=True)


def run_program(count, label, cmd, env, args, timeout):
    run_all(count, [(label, cmd, env, timeout)], args)


def run_all(count, programs, args, cwd=None, at_once=CORES):
    """Runs (label, command, environment, timeout) of each, so many at once."""
    def one(p):
        label, cmd, env, timeout = p
        start = time.monotonic()
        out, rc = run(cmd, env, None if args.long else timeout, cwd)
        return label, out, rc, time.monotonic() - start

    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        for label, out, rc, seconds in pool.map(one, programs):
            settle(count, label, out, rc, seconds, args.only)


def has_test(suite, program, name):
    """Whether a Criterion program's source has a test of that name."""
    source = f"tests/{suite}/test_{program.removeprefix('sim_')}.c"
    if not os.path.exists(source):
        return False
    with open(source) as f:
        return re.search(rf"Test[A-Za-z]*\([^)]*\b{re.escape(name)}\b", f.read()) is not None


def suite_meson(count, suite, folder, args):
    tests = [t for t in meson_tests(folder) if suite in [s.split(":")[-1] for s in t["suite"]]]
    programs = []
    for t in tests:
        cmd, env = list(t["cmd"]), environment(args) | t.get("env", {})
        if args.only and args.only != t["name"]:
            if not has_test(suite, t["name"], args.only):
                continue
            cmd.append(f"--filter=*/{args.only}*")
        programs.append((f"{suite} {t['name']} [{folder}]", cmd, env, t["timeout"]))
    run_all(count, programs, args, cwd=folder)  # as meson test does


def suite_scripts(count, suite, folder, args, together=True):
    """Every script has namespaces and folders of its own and waits most of its time; what measures runs alone."""
    where = f"tests/{suite}"
    programs = []
    for f in sorted(os.listdir(where)):
        name = f[len("test_"):].rsplit(".", 1)[0]
        if not (f.startswith("test_") and os.access(f"{where}/{f}", os.X_OK)):
            continue
        if args.only and args.only != name:
            continue
        env = environment(args) | {"SLUICE_BUILD": os.path.abspath(folder)}
        programs.append((f"{suite} {name}", [f"{where}/{f}"], env, 180))
    for group in [programs] if together else [[p] for p in programs]:
        run_all(count, group, args, at_once=CORES + 1)


def suite_rooms(count, args):
    if args.only and args.only != "rooms":
        return
    run_program(count, "rooms", ["./scripts/rooms"], environment(args), args, 60)
    run_program(count, "safety: tests named in docs/safety.md", ["./scripts/safety"], environment(args), args, 60)
    run_program(count, "keywords: sample, manual and docs/keywords.md", ["./scripts/keywords"], environment(args), args, 60)


def suite_fuzz(count, args):
    suite_meson(count, "fuzz", ASAN, args)
    build(FUZZ, "-Dfuzz=true", "-Dtests=true", *SANITIZE, env=os.environ | {"CC": "clang"},
          targets=lambda t: t["name"].startswith("fuzz_"))
    folder = f"{FUZZ}/tests/fuzz"
    names = sorted(f for f in os.listdir(folder)
                   if f.startswith("fuzz_") and os.access(f"{folder}/{f}", os.X_OK) and os.path.isfile(f"{folder}/{f}"))
    names = [n for n in names if args.only in (None, n, n[len("fuzz_"):])]
    share = max(1, FUZZ_SECONDS * CORES // max(1, len(names)))
    programs = []
    for n in names:
        seed = args.seed if args.seed is not None else 1
        limit = ["-runs=10000000"] if args.long else [f"-max_total_time={share}"]
        cmd = [f"{folder}/{n}", *limit, f"-seed={seed}", "-timeout=10", "-rss_limit_mb=4096", "-error_exitcode=1",
               f"-artifact_prefix={FUZZ}/", "-print_final_stats=1", f"tests/fuzz/corpus/{n[len('fuzz_'):]}"]
        # The corpus in the tree is read, not grown: new inputs go to a folder of the build.
        os.makedirs(f"{FUZZ}/corpus/{n}", exist_ok=True)
        cmd.insert(-1, f"{FUZZ}/corpus/{n}")
        programs.append((f"fuzz explore {n}", cmd, environment(args), share + 120))
    run_all(count, programs, args)


def suite_smoke(count, args):
    suite_scripts(count, "smoke", PLAIN, args, together=False)


def main():
    args = parse_args()
    suites = args.suite or list(SUITES)
    count = Count()
    start = time.monotonic()
    if set(suites) - {"rooms"}:
        # What runs with sanitizers alone is not needed plain.
        build(PLAIN, "-Dtests=true", targets=lambda t: not re.search(r"/tests/(sim|fuzz)/", t["defined_in"]))
        build(ASAN, "-Dtests=true", *SANITIZE)
    for s in suites:
        print(f"{s}:", flush=True)
        if s == "rooms":
            suite_rooms(count, args)
        elif s == "unit":
            suite_meson(count, "unit", PLAIN, args)
            suite_meson(count, "unit", ASAN, args)
        elif s == "sim":
            suite_meson(count, "sim", ASAN, args)
        elif s == "fuzz":
            suite_fuzz(count, args)
        elif s == "smoke":
            suite_smoke(count, args)
        else:
            suite_scripts(count, s, ASAN, args)
    for name in count.bad:
        print(f"failed: {name}")
    for why in count.why:
        print(f"skipped: {why}")
    print(f"in {time.monotonic() - start:.0f} s")
    tail = f", {count.skipped} skipped" if count.skipped else ""
    print(f"{count.passed} passed, {count.failed} failed{tail}", flush=True)
    return 1 if count.failed or not count.passed else 0


if __name__ == "__main__":
    sys.exit(main())
