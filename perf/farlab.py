"""A client far from its gateway: 50 ms each way, a link of 2 Gbit/s that loses nothing.

Client in a, gateway in b, target in t behind it. What is measured is what one channel carries in a second, not
what it costs: windows decide. A gateway is Sluice with interfaces of its own ("sluice"), Sluice over the kernel's
sockets ("host") or sshd; a client is stock ssh or our own.
"""
import os
import time

import kernellab
import lab
import wanlab

DELAY_MS, MBIT = 50, 2000
SETTLE_S = 3  # windows have grown until then
GATEWAY, INSIDE, TARGET = "198.18.0.2", "198.19.0.2", "198.19.0.1"


class Far(wanlab.Lab):
    def __init__(self, files, mbit=MBIT):
        super().__init__("slf", favour=True)
        self.ends = "abt"
        self.files, self.mbit = files, mbit

    def __enter__(self):
        super().__enter__()
        try:
            lab.sh("ip", "-n", self.ns("b"), "link", "add", "inside", "type", "veth", "peer", "name", "eth0",
                   "netns", self.ns("t"))
            self.run("t", "ip", "addr", "add", f"{TARGET}/24", "dev", "eth0")
            self.run("t", "ip", "link", "set", "eth0", "up")
            self.path("--mbit", self.mbit, "--queue", self.mbit * 1e6 / 8 * DELAY_MS / 500, "--delay", DELAY_MS, life=120)
            self.kernel_end("a")
            self.served = kernellab.Counts(self.files.path(self.name))
            self.spawn("t", "perf/sock", "serve", self.served.path, TARGET, kernellab.SINK, core=kernellab.OTHER_CORE)
        except BaseException:
            self.__exit__()
            raise
        return self

    def sluice(self):
        run, conf = self.files.path(f"{self.name}.run"), self.files.path(f"{self.name}.conf")
        os.mkdir(run)
        lab.give(run)
        self.stack_end("b")
        for space, dev in (("b", "inside"), ("t", "eth0")):
            self.run(space, "ethtool", "-K", dev, "tx", "off", "tso", "off", "gso", "off", "gro", "off")
        self.run("b", "sh", "-c", "echo 1 >/proc/sys/net/ipv6/conf/inside/disable_ipv6; ip link set inside arp off up")
        ring = "framesz=2048,framecnt=4096,blocksz=65536"
        with open(conf, "w") as f:
            f.write(f"Dataplane far\nLcores {kernellab.GATEWAY_CORE}\nMemory 1G\n"
                    f"Interface outside net_af_packet0,iface=wan,{ring}\nInterface inside net_af_packet1,iface=inside,{ring}\n"
                    f"InterfaceAddress outside {GATEWAY}/24\nInterfaceAddress inside {INSIDE}/24\n"
                    f"ListenAddress {GATEWAY}:22\nHostKey {self.files.path('host')}\n"
                    f"AuthorizedKeysFile {self.files.path('keys/%u')}\n")
        self.programs(run, conf)

    def programs(self, run, conf):
        env = ("/usr/bin/env", f"SLUICE_RUN={run}")
        for program in ("dataplane/sluice-dataplane", "control/sluice-control"):
            self.spawn("b", *env, os.path.join(lab.BUILD, program), "-f", conf, ready=False)

    def host(self):
        run, conf = self.files.path(f"{self.name}.run"), self.files.path(f"{self.name}.conf")
        os.mkdir(run)
        lab.give(run)
        self.kernel_gateway()
        with open(conf, "w") as f:
            f.write(f"Lcores {kernellab.GATEWAY_CORE}\nListenAddress {GATEWAY}:22\nHostKey {self.files.path('host')}\n"
                    f"AuthorizedKeysFile {self.files.path('keys/%u')}\nPermitOpen {TARGET}:*\n")
        self.programs(run, conf)

    def kernel_gateway(self):
        self.kernel_end("b")
        self.run("b", "ip", "addr", "add", f"{INSIDE}/24", "dev", "inside")
        self.run("b", "ip", "link", "set", "inside", "up")

    def sshd(self):
        self.kernel_gateway()
        self.spawn("b", *kernellab.sshd_command(self.files, self.name, GATEWAY), ready=False, core=kernellab.GATEWAY_CORE)

    def line(self):
        """No gateway: TCP alone to the target, by the same line."""
        self.kernel_gateway()
        self.sysctl("b", ip_forward=1)
        self.sysctl("t", tcp_rmem=f"4096 131072 {wanlab.BUFFER}", tcp_wmem=f"4096 65536 {wanlab.BUFFER}")
        self.run("a", "ip", "route", "add", f"{TARGET}/32", "via", GATEWAY)
        self.run("t", "ip", "route", "add", "198.18.0.0/24", "via", INSIDE)

    def carry(self, seconds, up=True, client=kernellab.ssh_command, cipher=kernellab.AES, settle=SETTLE_S):
        """From when the windows have grown; client None: TCP alone. It tries until somebody listens."""
        end = time.monotonic() + kernellab.PATIENCE_S
        port = kernellab.SINK if up else kernellab.SOURCE
        to = (GATEWAY, 22) if client else (TARGET, port)
        while kernellab.refused(self.ns("a"), *to):
            if time.monotonic() > end:
                raise lab.LabError("the gateway does not listen")
            time.sleep(0.1)
        mine = kernellab.Counts(self.files.path(f"{self.name}.client"))
        if client:
            to = ("--", *client(self.files, cipher, GATEWAY, "-W", f"{TARGET}:{port}"))
        self.spawn("a", "perf/sock", "up" if up else "down", mine.path, *to, core=kernellab.OTHER_CORE)
        counts = self.served if up else mine
        while counts.read()["bytes"] == 0:
            if time.monotonic() > end:
                raise lab.LabError("nothing comes through the gateway")
            time.sleep(0.05)
        time.sleep(settle)
        t, a, steal = time.monotonic(), counts.read(), lab.core_times(0)["steal"]
        time.sleep(seconds)
        dt, b = time.monotonic() - t, counts.read()
        if b["wrong"]:
            raise lab.LabError("wrong bytes came through the gateway")
        return {"n": b["bytes"] - a["bytes"], "cpu": dt, "steal": lab.core_times(0)["steal"] - steal}


def carry(files, gateway, seconds, mbit=MBIT, **how):
    with Far(files, mbit) as far:
        getattr(far, gateway)()
        return far.carry(seconds, **how)
