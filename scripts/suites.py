"""Runs the suites of ./scripts/test and counts what passed.

A Criterion program counts as many tests as it ran, every other program as one. Unit, sim and fuzz
run with ASan and UBSan. Of unit what a sanitizer changes most, instructions chosen at start and how programs
are confined, also runs plain; all of it with --long. A
program that exits with 77 was skipped and says why in its last line.

Scripts wait most of their time and compilers never do, so the two go side by side: once both
builds have the programs, interop, chaos and smoke run beside everything else and before it.
"""
import argparse
import concurrent.futures
import json
import os
import re
import subprocess
import sys
import threading
import time

SUITES = ("rooms", "unit", "sim", "interop", "fuzz", "chaos", "smoke")
PLAIN, ASAN, FUZZ = "build", "build-clang", "build-fuzz"
PLAIN_SUITES = {"unit", "interop", "smoke"}
# -O1 and line tables alone take a third off the compile time and are what stack traces need. DPDK's headers are parsed
# once for all, in the plain build as well; that every file includes what it uses is shown by any other build, by that
# of --long, and by scripts/rooms.
SANITIZE = ("-Db_sanitize=address,undefined", "-Db_lundef=false", "-Doptimization=1", "-Dc_args=-g1", "-Db_pch=true")
CLANG = os.environ | {"CC": "clang"}  # has libFuzzer
CORES = os.cpu_count() or 1
SKIP = 77
FUZZ_RUNS = 50000  # of each target in a short run, which is the same every time; or two seconds
SYNTHESIS = re.compile(r"Synthesis: Tested: (\d+) \| Passing: (\d+) \| Failing: (\d+) \| Crashing: (\d+)")
FAILED_TEST = re.compile(r"\[(?:FAIL|CRASH)\] (\S+?):")
FAULT = re.compile(r"Sanitizer|runtime error:|\[CRASH\]")  # that is no deadline of a busy machine
ANSI = re.compile(r"\x1b\[[0-9;]*m")
TAIL = 20  # lines of a failure told again at the end
# A session of its own, before the other sessions: a scheduler that groups by session leaves nice without effect.
FIRST = ("/usr/bin/setsid", "--wait", "/bin/sh", "-c", 'echo -15 >/proc/self/autogroup; exec "$@"', "first")
REPEATS = 3  # failures of a short run that are asked once more
printing = threading.Lock()


class BuildFailed(Exception):
    pass


class Count:
    def __init__(self):
        self.passed, self.failed, self.skipped = 0, 0, 0
        self.bad, self.why = [], []  # names with the last lines; reasons of what was skipped
        self.unsteady = []  # names of what passed alone only, with what they said before
        self.again = []  # what failed beside others in a short run, and is asked once more alone

    def ok(self, n=1):
        self.passed += n

    def fail(self, name, out, n=1):
        self.failed += n
        self.bad.append((name, out.strip().splitlines()[-TAIL:]))

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


def setup(folder, *options, env=None):
    if not os.path.exists(f"{folder}/build.ninja"):
        out, rc = run(["meson", "setup", folder, *options], env)
        if rc:
            raise BuildFailed(f"{out}\nmeson setup {folder} failed")
    else:  # perhaps scripts/run made it, without tests, or it is older than these options
        run(["meson", "configure", folder, *options])
        run(["ninja", "-C", folder, "build.ninja"])  # what the tree says by now


def build(folder, targets=lambda target: True):
    """Builds what is asked for."""
    start = time.monotonic()
    chosen = [os.path.relpath(f, folder) for t in introspect(folder, "--targets")
              if t["type"] in ("executable", "shared module") and targets(t) for f in t["filename"]]
    out, rc = run(["ninja", "-C", folder, *chosen])
    if rc:
        raise BuildFailed(f"{out[-8000:]}\nbuilding {folder} failed")
    print(f"built {len(chosen)} programs of {folder} in {time.monotonic() - start:.0f} s", flush=True)


def of_suite(*suites):
    """What only the tests of those suites need; False for the programs and what scripts use."""
    return lambda target: re.search(rf"/tests/({'|'.join(suites)})/", target["defined_in"]) is not None


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


def settle(count, label, out, rc, seconds, only):
    """One program's result into the count."""
    m = SYNTHESIS.search(out)
    if m:
        tested, passing, failing, crashing = map(int, m.groups())
        if tested == 0 and only:
            return
        count.ok(passing)
        if failing + crashing:
            names = " ".join(FAILED_TEST.findall(out))
            count.fail(f"{label} {names}", out, failing + crashing)
        elif rc:
            count.fail(f"{label} (exit {rc})", out)
    elif rc == 0:
        count.ok()
    elif rc == SKIP:
        lines = out.strip().splitlines()
        count.skip(label, lines[-1] if lines else "no reason given")
    else:
        count.fail(f"{label} (exit {rc})", out)
    tell(label, "ok  " if rc == 0 else "skip" if rc == SKIP else "FAIL", out, seconds)


def tell(label, verdict, out, seconds):
    """A program's line, and behind a failure what it said."""
    m = SYNTHESIS.search(out)
    print(f"  {verdict} {label} ({seconds:.1f} s)" + (f" {m.group(1)} tests" if m else ""), flush=True)
    if verdict == "FAIL":
        for line in out.splitlines()[:-60]:
            if line.startswith("FAILED"):
                print("    " + line, flush=True)
        print("    " + "\n    ".join(out.strip().splitlines()[-60:]), flush=True)


def run_all(count, programs, args, at_once=CORES, may_repeat=False):
    """Runs (label, command, environment, timeout, folder to be in) of each, so many at once."""
    def one(p):
        label, cmd, env, timeout, cwd = p
        start = time.monotonic()
        out, rc = run(cmd, env, None if args.long else timeout, cwd)
        out = ANSI.sub("", out)
        with printing:
            if rc not in (0, SKIP) and may_repeat and not FAULT.search(out):
                count.again.append((p, out))
                tell(label, "FAIL", out, time.monotonic() - start)
            else:
                settle(count, label, out, rc, time.monotonic() - start, args.only)

    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        for done in [pool.submit(one, p) for p in programs]:
            done.result()


def repeat(count, args):
    """Few that failed beside everything else are asked once more, alone: a deadline that a busy machine passed is told
    apart from a fault. What a sanitizer said, and a crash, is one; so are more than REPEATS. Who passes only then is
    named at the end."""
    again, count.again = count.again, []
    for p, out in again[REPEATS:]:
        settle(count, p[0], out, 1, 0, args.only)
    for p, out in again[:REPEATS]:
        before = count.failed
        run_all(count, [p], args, 1)
        if count.failed == before:
            count.unsteady.append((p[0] + " " + " ".join(FAILED_TEST.findall(out)), out.strip().splitlines()[-TAIL:]))


def has_test(suite, program, name):
    """Whether a Criterion program's source has a test of that name."""
    source = f"tests/{suite}/test_{program.removeprefix('sim_')}.c"
    if not os.path.exists(source):
        return False
    with open(source) as f:
        return re.search(rf"Test[A-Za-z]*\([^)]*\b{re.escape(name)}\b", f.read()) is not None


def runs_in(folder, suites, args):
    """Whether a test of these suites runs in this build."""
    return folder != PLAIN or args.long or "plain" in suites


def plain_programs(args):
    """The test programs that the plain build needs."""
    return {os.path.abspath(os.path.join(PLAIN, f)) for t in introspect(PLAIN, "--tests")
            if runs_in(PLAIN, [s.split(":")[-1] for s in t["suite"]], args) for f in t["cmd"]}


def meson_programs(suite, folder, args):
    programs = []
    for t in introspect(folder, "--tests"):
        suites = [s.split(":")[-1] for s in t["suite"]]
        if suite not in suites or not runs_in(folder, suites, args):
            continue
        cmd, env = list(t["cmd"]), environment(args) | t.get("env", {})
        if args.only and args.only != t["name"]:
            if not has_test(suite, t["name"], args.only):
                continue
            cmd.append(f"--filter=*/{args.only}*")
        programs.append((f"{suite} {t['name']} [{folder}]", cmd, env, t["timeout"], folder))  # as meson test does
    return programs


# Scripts of many short runs of a program, of which a sanitizer's start would be most: theirs with --long alone.
SHORT_RUNS = ("keygen", "keywords")


def script_programs(suite, folder, args):
    where = f"tests/{suite}"
    programs = []
    for f in sorted(os.listdir(where)):
        name = f[len("test_"):].rsplit(".", 1)[0]
        if not (f.startswith("test_") and os.access(f"{where}/{f}", os.X_OK)):
            continue
        if args.only and args.only != name:
            continue
        build_of = PLAIN if name in SHORT_RUNS and not args.long else folder
        env = environment(args) | {"SLUICE_BUILD": os.path.abspath(build_of)}
        # What stops a script that hangs is in its session, and lets it clean up.
        limit = [] if args.long else ["/usr/bin/timeout", "-k", "10", "180"]
        programs.append((f"{suite} {name}", [*FIRST, *limit, f"{where}/{f}"], env, 200, None))
    return programs


def check_rooms(count, args):
    if args.only and args.only != "rooms":
        return
    env = environment(args)
    run_all(count, [("rooms", ["./scripts/rooms"], env, 60, None),
                    ("safety: tests named in docs/safety.md", ["./scripts/safety"], env, 60, None),
                    ("keywords: sample, manual and docs/keywords.md", ["./scripts/keywords"], env, 60, None)], args)


def explore(count, args):
    """Every fuzz target with libFuzzer, from its corpus on: the programs that replayed it; with --long those of a build
    that also tells what was compared."""
    if args.long:
        setup(FUZZ, "-Dfuzz=full", "-Dtests=true", *SANITIZE, "-Doptimization=2", env=CLANG)
        build(FUZZ, lambda t: t["name"].startswith("fuzz_"))
    folder = f"{FUZZ if args.long else ASAN}/tests/fuzz"
    names = sorted(f for f in os.listdir(folder)
                   if f.startswith("fuzz_") and os.access(f"{folder}/{f}", os.X_OK) and os.path.isfile(f"{folder}/{f}"))
    if not names:
        raise BuildFailed(f"{folder} has no targets to explore")
    names = [n for n in names if args.only in (None, n, n[len("fuzz_"):])]
    programs = []
    for n in names:
        seed = args.seed if args.seed is not None else 1
        # To weigh the inputs takes longer than to run them, and is of use in a long run alone.
        limit = ["-runs=10000000"] if args.long else [f"-runs={FUZZ_RUNS}", "-max_total_time=2", "-entropic=0"]
        # The corpus in the tree is read, not grown: new inputs go to a folder of the build.
        os.makedirs(f"{FUZZ}/corpus/{n}", exist_ok=True)
        cmd = [f"{folder}/{n}", *limit, f"-seed={seed}", "-timeout=10", "-rss_limit_mb=4096", "-error_exitcode=1",
               f"-artifact_prefix={FUZZ}/", "-print_final_stats=1", f"{FUZZ}/corpus/{n}",
               f"tests/fuzz/corpus/{n[len('fuzz_'):]}"]
        programs.append((f"fuzz explore {n}", cmd, environment(args), 120, None))
    run_all(count, programs, args)


def run_scripts(count, suites, args):
    """Every script has namespaces and folders of its own; what looks at the whole machine runs alone."""
    run_all(count, [p for s in ("interop", "chaos") if s in suites for p in script_programs(s, ASAN, args)],
            args, CORES + 1, not args.long)
    if "smoke" in suites:
        run_all(count, script_programs("smoke", PLAIN, args), args, 1, not args.long)


def run_programs(count, suites, args):
    wanted = [s for s in ("unit", "sim", "fuzz") if s in suites]
    if wanted:
        build(ASAN, of_suite(*wanted))
    # An explorer begins with its corpus: in a short run nobody else replays it.
    here = [s for s in wanted if s != "fuzz" or args.long]
    programs = meson_programs("unit", PLAIN, args) if "unit" in suites else []
    for s in here:
        programs += meson_programs(s, ASAN, args)
    run_all(count, programs, args, CORES + 1, not args.long)  # some wait for a clock
    if "fuzz" in suites:
        explore(count, args)


def set_up(suites, args):
    if PLAIN_SUITES & set(suites):
        setup(PLAIN, "-Dtests=true", "-Dc_args=-g1", f"-Db_pch={'false' if args.long else 'true'}")
    setup(ASAN, "-Dtests=true", "-Dfuzz=lean", *SANITIZE, env=CLANG)


def run_suites(count, suites, args):
    with concurrent.futures.ThreadPoolExecutor(2) as pool:  # each is alone on its core for a while
        before = [pool.submit(set_up, suites, args)] if set(suites) - {"rooms"} else []
        if "rooms" in suites:
            before.append(pool.submit(check_rooms, count, args))
        for side in before:
            side.result()
    if not set(suites) - {"rooms"}:
        return
    tests = of_suite("unit", "sim", "fuzz")
    if PLAIN_SUITES & set(suites):
        plain = plain_programs(args) if "unit" in suites else set()
        build(PLAIN, lambda t: not tests(t) or plain.intersection(t["filename"]))
    build(ASAN, lambda t: not tests(t))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        sides = [pool.submit(run_scripts, count, suites, args)]
        if {"unit", "sim", "fuzz"} & set(suites):
            sides.append(pool.submit(run_programs, count, suites, args))
        for side in sides:
            side.result()
    repeat(count, args)


def main():
    args = parse_args()
    count = Count()
    start = time.monotonic()
    try:
        run_suites(count, args.suite or list(SUITES), args)
    except BuildFailed as e:
        count.fail("build", str(e))
    for why in count.why:
        print(f"skipped: {why}")
    for name, lines in count.bad:
        print("\n    ".join([f"failed: {name}", *lines]))
    for name, lines in count.unsteady:
        print("\n    ".join([f"unsteady, passed alone: {name}", *lines]))
    print(f"in {time.monotonic() - start:.0f} s")
    tail = f", {count.skipped} skipped" if count.skipped else ""
    tail += f", {len(count.unsteady)} unsteady" if count.unsteady else ""
    print(f"{count.passed} passed, {count.failed} failed{tail}", flush=True)
    return 1 if count.failed or not count.passed else 0


if __name__ == "__main__":
    sys.exit(main())
