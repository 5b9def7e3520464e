"""Namespaces of one's own, programs in them, and what they cost: for instruments and tests.

Everything started here is ended here, and the namespaces are of this process alone.
"""
import contextlib
import itertools
import json
import os
import select
import subprocess
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.environ.get("SLUICE_BUILD", os.path.join(TOP, "build"))
COUNT = itertools.count()
os.environ.setdefault("SLUICE_KEYS_IN_CONTROL", "yes")  # a gateway here has no sluice-signer


class LabError(Exception):
    pass


def sh(*cmd):
    r = subprocess.run(cmd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if r.returncode:
        raise LabError(f"{' '.join(cmd)}: {r.stdout.strip()}")
    return r.stdout


def give(path):
    """A folder to the user the gateway becomes, where there is one."""
    subprocess.run(["chown", "sluice:", path], stderr=subprocess.DEVNULL)


def build(*targets):
    """What an instrument runs, unless somebody named a build."""
    if "SLUICE_BUILD" in os.environ:
        return
    subprocess.run([os.path.join(TOP, "scripts/deps"), "test"], check=True)
    if not os.path.exists(f"{BUILD}/build.ninja"):
        subprocess.run(["meson", "setup", BUILD, TOP], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["ninja", "-C", BUILD, *targets], check=True, stdout=subprocess.DEVNULL)


class Spaces:
    """Namespaces, one for each of ends, and the programs that run in them."""

    def __init__(self, name, ends, favour=False):
        self.name = f"{name}-{os.getpid()}-{next(COUNT)}"
        self.ends = ends
        self.favour = favour
        self.procs = []
        self.spaces = []

    def __enter__(self):
        try:
            for end in self.ends:
                sh("ip", "netns", "add", self.ns(end))
                self.spaces.append(end)
                sh("ip", "-n", self.ns(end), "link", "set", "lo", "up")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for p in reversed(self.procs):
            self.stop(p)
        for end in self.spaces:
            subprocess.run(["ip", "netns", "del", self.ns(end)], stderr=subprocess.DEVNULL)
        self.spaces = []

    def ns(self, end):
        return f"{self.name}-{end}"

    def run(self, end, *cmd):
        return sh("ip", "netns", "exec", self.ns(end), *cmd)

    def sysctl(self, end, **values):
        """net.ipv4 of one end: tcp_sack=0 and the like."""
        for k, v in values.items():
            self.run(end, "sh", "-c", f"echo '{v}' >/proc/sys/net/ipv4/{k}")

    def spawn(self, end, *cmd, ready=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, core=None):
        """Starts a program, of the build where it has no path of its own, in a namespace and on a core, and
        waits until it says that it is ready."""
        cmd = [cmd[0] if os.path.isabs(cmd[0]) else os.path.join(BUILD, cmd[0])] + [str(c) for c in cmd[1:]]
        if core is not None:
            cmd = ["taskset", "-c", str(core)] + cmd
        if end is not None:
            cmd = ["ip", "netns", "exec", self.ns(end)] + cmd
        p = subprocess.Popen(cmd, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, text=True,
                             start_new_session=self.favour, preexec_fn=self.go_first if self.favour else None)
        self.procs.append(p)
        if ready:
            self.wait_ready(p)
        return p

    @staticmethod
    def go_first(pid=0):
        """Before all else on its core: a stack that is a process shall not wait where the kernel's does not.

        The scheduler weighs sessions first (autogroup), then the threads of each."""
        os.setpriority(os.PRIO_PROCESS, pid, -20)
        try:
            with open(f"/proc/{pid or 'self'}/autogroup", "w") as f:
                f.write("-20")
        except OSError:
            pass

    @staticmethod
    def go_before_all():
        """With real-time priority, and all it starts, where a delay of a tick would be seen."""
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))

    @staticmethod
    def wait_ready(p, seconds=20):
        """Until a line "ready" on either output; what else it says goes into the error."""
        got = b""
        said, end = {p.stdout.fileno(): b"", p.stderr.fileno(): b""}, time.monotonic() + seconds
        while time.monotonic() < end:
            for fd in select.select(list(said), [], [], 0.1)[0]:
                got = os.read(fd, 4096)
                said[fd] += got
                if b"ready\n" in said[fd]:
                    return
            if p.poll() is not None and not got:
                break
        raise LabError(f"{p.args}: not ready: {b''.join(said.values()).decode()}")

    @staticmethod
    def stop(p):
        if p.poll() is None:
            p.terminate()
            try:
                p.wait(10)
            except subprocess.TimeoutExpired:
                p.kill()
                p.wait()
        for f in (p.stdout, p.stderr):
            if f:
                f.close()

    def result(self, p, seconds):
        """The line of JSON a program ends with, and its exit status as "exit"."""
        try:
            out, err = p.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            p.terminate()
            out, err = p.communicate(timeout=20)
        self.procs.remove(p)
        try:
            r = json.loads(out.strip().splitlines()[-1])
        except (IndexError, ValueError):
            raise LabError(f"{p.args}: exit {p.returncode}: {out}{err}") from None
        r["exit"], r["said"] = p.returncode, err
        return r


# --- hugepages ------------------------------------------------------------------------------------

HUGEPAGES = "/proc/sys/vm/nr_hugepages"


@contextlib.contextmanager
def hugepages(mib):
    """As many of 2 MiB as the gateway takes on a box that was set up for it; afterwards there are as many as before.
    Where the kernel has no room for them the gateway goes without, and the line about the machine says how many there are."""
    with open(HUGEPAGES) as f:
        before = int(f.read())

    def want(n):
        with open(HUGEPAGES, "w") as f:
            f.write(f"{n}\n")
    want(max(before, mib // 2))
    try:
        yield
    finally:
        want(before)


# --- what programs cost ---------------------------------------------------------------------------

TICK = os.sysconf("SC_CLK_TCK")


def descendants(pid):
    """The process and all below it that live."""
    found = [pid]
    for p in found:
        try:
            with open(f"/proc/{p}/task/{p}/children") as f:
                found += [int(c) for c in f.read().split()]
        except OSError:
            pass
    return found


def cpu_of(pid):
    """Seconds a process and all below it that live have run, in user or system mode."""
    ns = 0
    for p in descendants(pid):
        try:
            for t in os.listdir(f"/proc/{p}/task"):
                with open(f"/proc/{p}/task/{t}/schedstat") as f:
                    ns += int(f.read().split()[0])
        except OSError:
            pass
    return ns / 1e9


def core_times(core):
    """Seconds of a core since the machine started: busy (all but idle, waiting and stolen), in interrupts, stolen."""
    with open("/proc/stat") as f:
        line = next(x for x in f if x.startswith(f"cpu{core} "))
    user, nice, system, _, _, irq, softirq, steal = (int(v) / TICK for v in line.split()[1:9])
    return {"busy": user + nice + system + irq + softirq, "irq": irq + softirq, "steal": steal}


def machine():
    """What it was measured on, in a line."""
    def first(path, key):
        with open(path) as f:
            return next((x.split(":", 1)[1].strip() for x in f if x.startswith(key)), "?")

    def version(*packages):
        r = subprocess.run(["dpkg-query", "-W", "-f=${Package} ${Version}, ", *packages],
                           stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        return r.stdout.rstrip(", ")

    flags = first("/proc/cpuinfo", "flags").split()
    known = [x for x in ("aes", "vaes", "vpclmulqdq", "avx2", "avx512f", "sha_ni") if x in flags]
    huge = first("/proc/meminfo", "HugePages_Total")
    return (f"{first('/proc/cpuinfo', 'model name')} family {first('/proc/cpuinfo', 'cpu family')} model "
            f"{first('/proc/cpuinfo', 'model')}, {os.cpu_count()} cores, TSC {first('/proc/cpuinfo', 'cpu MHz')} MHz, "
            f"{' '.join(known)}; Linux {os.uname().release}, {huge} hugepages; "
            f"{version('openssh-server', 'libssl3', 'libdpdk-dev', 'libipsec-mb1')}")
