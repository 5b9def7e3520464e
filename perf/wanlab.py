"""Two namespaces with a bad path between them, and flows over either TCP through it.

Used by perf/wan and by tests. The path is perf/middle between two TAPs; the kernel's stack has one
end's interface as any other, ours takes it with net_af_packet. Everything started here is ended
here, and the namespaces are of this process alone.
"""
import concurrent.futures
import itertools
import json
import os
import select
import signal
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.environ.get("SLUICE_BUILD", os.path.join(TOP, "build"))
ADDR = {"a": "198.18.0.1", "b": "198.18.0.2"}
ADDR6 = {"a": "2001:db8::1", "b": "2001:db8::2"}
PORT = 9000
BUFFER = 32 << 20  # of the kernel's sockets: the comparison is of recovery, not of buffers
AF_PACKET = "net_af_packet0,iface=wan,framesz=2048,framecnt=4096,blocksz=65536"
COUNT = itertools.count()


class LabError(Exception):
    pass


class Pool(concurrent.futures.ThreadPoolExecutor):
    """Runs at once; told to end, it lets those that run finish and clean up, and begins no other."""

    def __enter__(self):
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        return super().__enter__()

    def __exit__(self, kind, *_):
        self.shutdown(wait=True, cancel_futures=kind is not None)


def sh(*cmd):
    r = subprocess.run(cmd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if r.returncode:
        raise LabError(f"{' '.join(cmd)}: {r.stdout.strip()}")
    return r.stdout


class Lab:
    """Namespaces a and b, each with an interface "wan" at its end of what joins them."""

    def __init__(self, name="slw", favour=False):
        self.name = f"{name}-{os.getpid()}-{next(COUNT)}"
        self.favour = favour
        self.procs = []
        self.spaces = []

    def __enter__(self):
        try:
            for end in "ab":
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

    def spawn(self, end, *cmd, ready=True, stdout=subprocess.PIPE):
        """Starts a program of the build in a namespace and waits until it says that it is ready."""
        cmd = [os.path.join(BUILD, cmd[0])] + [str(c) for c in cmd[1:]]
        if end is not None:
            cmd = ["ip", "netns", "exec", self.ns(end)] + cmd
        p = subprocess.Popen(cmd, stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE, text=True,
                             start_new_session=self.favour)
        self.procs.append(p)
        if self.favour:
            self.go_first(p.pid)
        if ready:
            self.wait_ready(p)
        return p

    @staticmethod
    def go_first(pid):
        """Before all else on its core: a stack that is a process shall not wait where the kernel's does not.

        The scheduler weighs sessions first (autogroup), then the threads of each."""
        os.setpriority(os.PRIO_PROCESS, pid, -20)
        try:
            with open(f"/proc/{pid}/autogroup", "w") as f:
                f.write("-20")
        except OSError:
            pass

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

    def path(self, *options, life=120):
        """Joins the ends by a bad path; options are those of perf/middle."""
        self.middle = self.spawn(None, "perf/middle", f"{self.ns('a')}:wan", f"{self.ns('b')}:wan",
                                 "--life", life, *options)
        for end in "ab":
            self.run(end, "ip", "link", "set", "wan", "txqueuelen", "10000")

    def veth(self):
        """Joins the ends by a pair of veth; whole frames with whole checksums, as a wire has them."""
        sh("ip", "-n", self.ns("a"), "link", "add", "wan", "type", "veth", "peer", "name", "wan", "netns", self.ns("b"))
        for end in "ab":
            self.run(end, "ethtool", "-K", "wan", "tx", "off", "tso", "off", "gso", "off", "gro", "off")

    def tap_of(self, end, iface):
        """Moves the interface that net_tap made at one end to the other, as its "wan"."""
        other = "b" if end == "a" else "a"
        sh("ip", "-n", self.ns(end), "link", "set", iface, "netns", self.ns(other), "name", "wan")

    def path_end(self):
        self.middle.terminate()
        return self.result(self.middle, 10)

    def kernel_end(self, end, buffers=True):
        """The kernel's stack has the end."""
        self.run(end, "ip", "addr", "add", f"{ADDR[end]}/24", "dev", "wan")
        self.run(end, "ip", "-6", "addr", "add", f"{ADDR6[end]}/64", "dev", "wan", "nodad")
        self.run(end, "ip", "link", "set", "wan", "up")
        self.sysctl(end, tcp_no_metrics_save=1)
        if buffers:
            self.sysctl(end, tcp_rmem=f"4096 131072 {BUFFER}", tcp_wmem=f"4096 65536 {BUFFER}")

    def stack_end(self, end):
        """The end is left to a program of ours."""
        self.run(end, "sh", "-c", "echo 1 >/proc/sys/net/ipv6/conf/wan/disable_ipv6")
        self.run(end, "ip", "link", "set", "wan", "arp", "off", "up")

    def flow(self, end, stack, *args, device=AF_PACKET, addr=None, ready=True):
        """An end of flows: flow_stack when stack, else flow_kernel with the same arguments."""
        if not stack:
            return self.spawn(end, "perf/flow_kernel", *args, ready=ready)
        own = addr or f"{ADDR[end]}/24"
        return self.spawn(end, "perf/flow_stack", *args, "--device", device, "--own", own,
                          "--counters", 1, ready=ready)
