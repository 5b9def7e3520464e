"""Two namespaces with a bad path between them, and flows over either TCP through it.

Used by perf/wan and by tests. The path is perf/middle between two TAPs; the kernel's stack has one
end's interface as any other, ours takes it with net_af_packet.
"""
import concurrent.futures
import os
import signal
import sys

from lab import BUILD, TOP, LabError, Spaces, build, sh  # noqa: F401 (for who imports this)

ADDR = {"a": "198.18.0.1", "b": "198.18.0.2"}
ADDR6 = {"a": "2001:db8::1", "b": "2001:db8::2"}
PORT = 9000
BUFFER = 32 << 20  # of the kernel's sockets: the comparison is of recovery, not of buffers
AF_PACKET = "net_af_packet0,iface=wan,framesz=2048,framecnt=4096,blocksz=65536"


class Pool(concurrent.futures.ThreadPoolExecutor):
    """Runs at once; told to end, it lets those that run finish and clean up, and begins no other."""

    def __enter__(self):
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        return super().__enter__()

    def __exit__(self, kind, *_):
        self.shutdown(wait=True, cancel_futures=kind is not None)


class Lab(Spaces):
    """Namespaces a and b, each with an interface "wan" at its end of what joins them."""

    def __init__(self, name="slw", favour=False):
        super().__init__(name, "ab", favour)

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
