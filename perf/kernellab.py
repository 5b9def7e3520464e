"""sshd, or a relay without a cipher, between a client and a target over the kernel's TCP.

The gateway has core 0, all others share core 1. CPU time is taken in the middle of the work: logins
are over, and what is counted is what came through in the same time (perf/sock writes it to a file).

What the gateway costs is the user and system time of its processes. Over veth the kernel also works for
it in soft interrupts outside of them, so that there it is what is less of two figures that are both too much:
all of core 0's time, in which other programs of the machine may be, and the processes' time and all
interrupts of core 0, some of which are in the processes' time already.
"""
import contextlib
import json
import os
import shutil
import struct
import subprocess
import tempfile
import time

import lab

GATEWAY_CORE, OTHER_CORE = 0, 1 % os.cpu_count()
PATIENCE_S = 60
PORT_CONNS = 50000  # of one address to one port, as perf/inring.h
TRIES, UNDISTURBED = 4, 0.97
AES = "aes256-gcm@openssh.com"
SINK, SOURCE, ECHO = 9000, 9001, 9002  # the target's ports
SSH = ("-F", "none", "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", "-o", "UserKnownHostsFile=/dev/null",
       "-o", "GlobalKnownHostsFile=/dev/null", "-o", "StrictHostKeyChecking=no", "-o", "BatchMode=yes",
       "-o", "LogLevel=ERROR", "-o", "Compression=no")


class Files:
    """Keys and a folder, for whatever is compared."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="sluice-compare.")
        os.chmod(self.dir, 0o755)
        for name in ("host", "id"):
            lab.sh("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.path(name))
        os.mkdir(self.path("keys"))
        shutil.copy(self.path("id.pub"), self.path("keys/root"))

    def path(self, name):
        return os.path.join(self.dir, name)

    def remove(self):
        shutil.rmtree(self.dir, ignore_errors=True)


def ssh_command(files, cipher, gateway, *args):
    return ("ssh", *SSH, "-i", files.path("id"), "-c", cipher, *args, f"root@{gateway}")


def sluice_command(files, cipher, gateway, *args):
    """The same by our own."""
    return (os.path.join(lab.BUILD, "client/sluice"), *ssh_command(files, cipher, gateway, *args))


def sshd_command(files, name, address, *more):
    """more: lines of its configuration."""
    os.makedirs("/run/sshd", exist_ok=True)
    conf = files.path(f"{name}.sshd")
    with open(conf, "w") as f:
        f.write(f"ListenAddress {address}\nPort 22\nHostKey {files.path('host')}\nPidFile none\n"
                f"AuthorizedKeysFile {files.path('keys/root')}\nStrictModes no\nPermitRootLogin yes\n"
                "UsePAM no\nMaxStartups 1000\nMaxSessions 100\n")
        f.writelines(line + "\n" for line in more)
    return "/usr/sbin/sshd", "-D", "-e", "-f", conf


def refused(space, address, port):
    """Whether nobody listens there (yet)."""
    return subprocess.run(["ip", "netns", "exec", space, "bash", "-c", f"exec 3<>/dev/tcp/{address}/{port}"],
                          stderr=subprocess.DEVNULL).returncode != 0


class Counts:
    """What perf/sock did so far."""

    def __init__(self, path):
        self.path = path

    def read(self):
        try:
            with open(self.path, "rb") as f:
                b = f.read(24)
        except FileNotFoundError:
            b = b""
        return dict(zip(("bytes", "ops", "wrong"), struct.unpack("QQQ", b) if len(b) == 24 else (0, 0, 0)))


class KernelLab(lab.Spaces):
    """mtu None: all over the loopback interface of one namespace; else veth between three."""

    def __init__(self, files, mtu=None, offloads=True):
        super().__init__("slc", ("all",) if mtu is None else ("client", "gw", "target"), favour=True)
        self.files, self.mtu, self.offloads = files, mtu, offloads
        self.client, self.gw, self.target = self.ends * 3 if mtu is None else self.ends
        self.out, self.target_addr = ("127.0.0.1",) * 2 if mtu is None else ("198.18.0.2", "198.19.0.1")
        self.gateway = None
        self.n = 0

    def __enter__(self):
        super().__enter__()
        try:
            if self.mtu is not None:
                self.veth("client", "198.18.0.1", "outside", "198.18.0.2")
                self.veth("target", "198.19.0.1", "inside", "198.19.0.2")
            for end in self.ends:
                self.sysctl(end, tcp_tw_reuse=1, ip_local_port_range="10240 65000")
            self.served = self.counts()
            self.spawn(self.target, "perf/sock", "serve", self.served.path, self.target_addr, SINK, core=OTHER_CORE)
        except BaseException:
            self.__exit__()
            raise
        return self

    def veth(self, end, addr, name, gw_addr):
        lab.sh("ip", "-n", self.ns("gw"), "link", "add", name, "type", "veth", "peer", "name", "eth0",
               "netns", self.ns(end))
        for space, dev, a in ((end, "eth0", addr), ("gw", name, gw_addr)):
            self.run(space, "ip", "addr", "add", f"{a}/24", "dev", dev)
            self.run(space, "ip", "link", "set", dev, "mtu", str(self.mtu), "up")
            if not self.offloads:
                self.run(space, "ethtool", "-K", dev, "tx", "off", "tso", "off", "gso", "off", "gro", "off")

    def counts(self):
        self.n += 1
        return Counts(self.files.path(f"{self.name}-{self.n}"))

    def sock(self, *args):
        """A client; its counts."""
        c = self.counts()
        p = self.spawn(self.client, "perf/sock", args[0], c.path, *args[1:], core=OTHER_CORE)
        return p, c

    def now(self, counts):
        return (time.monotonic(), counts.read(), lab.cpu_of(self.gateway.pid), lab.core_times(GATEWAY_CORE),
                lab.core_times(OTHER_CORE))

    def window(self, counts, key, seconds):
        """What happened, and what the gateway cost, in some seconds from now."""
        end = time.monotonic() + PATIENCE_S
        first = counts.read()[key]
        while counts.read()[key] - first < (1 << 20 if key == "bytes" else 10):
            if time.monotonic() > end:
                raise lab.LabError("nothing comes through the gateway")
            time.sleep(0.02)
        for p in lab.descendants(self.gateway.pid):
            with contextlib.suppress(ProcessLookupError):
                self.go_first(p)
        time.sleep(min(0.3, seconds / 4))
        a = self.now(counts)
        time.sleep(seconds)
        while counts.read()[key] == a[1][key] and time.monotonic() < end:
            time.sleep(0.05)
        b = self.now(counts)
        if b[1]["wrong"]:
            raise lab.LabError("wrong bytes came through the gateway")
        if b[1][key] == a[1][key]:
            raise lab.LabError("nothing comes through the gateway any more")
        own = b[2] - a[2]
        core = {k: b[3][k] - a[3][k] for k in a[3]}
        cpu = own if self.mtu is None else min(core["busy"], own + core["irq"])
        return {"n": b[1][key] - a[1][key], "seconds": b[0] - a[0], "cpu": cpu, "own": own, "core": core["busy"],
                "other": b[4]["busy"] - a[4]["busy"], "steal": core["steal"]}

    def end(self, p, result=False):
        """Ends a client; its line of JSON, where it has one."""
        p.terminate()
        r = self.result(p, 10) if result else None
        if not result:
            self.procs.remove(p)
            self.stop(p)
        return r


class Sshd(KernelLab):
    """OpenSSH's, with stock clients."""

    def __enter__(self):
        super().__enter__()
        try:
            with open(self.files.path(f"{self.name}.log"), "w") as f: # a pipe nobody reads would stop it
                self.gateway = self.spawn(self.gw, *sshd_command(self.files, self.name, self.out), ready=False,
                                          stdout=subprocess.DEVNULL, stderr=f, core=GATEWAY_CORE)
            end = time.monotonic() + PATIENCE_S
            while refused(self.ns(self.client), self.out, 22) and time.monotonic() < end:
                time.sleep(0.05)
        except BaseException:
            self.__exit__()
            raise
        return self

    def ssh(self, cipher, *args):
        return ssh_command(self.files, cipher, self.out, *args)

    def bulk(self, way, cipher, seconds):
        port = SINK if way == "up" else SOURCE
        p, mine = self.sock(way, "--", *self.ssh(cipher, "-W", f"{self.target_addr}:{port}"))
        try:
            return self.window(self.served if way == "up" else mine, "bytes", seconds)
        finally:
            self.end(p)

    def forwards(self, stack, cipher, n):
        """n logins with a forward each, to the target's echo; local ports from 20000 on."""
        for i in range(n):
            cmd = self.ssh(cipher, "-N", "-o", "ExitOnForwardFailure=yes", "-L",
                           f"127.0.0.1:{20000 + i}:{self.target_addr}:{ECHO}")
            p = self.spawn(self.client, "/usr/bin/" + cmd[0], *cmd[1:], ready=False, core=OTHER_CORE)
            stack.callback(self.end, p)
        for i in range(n):
            end = time.monotonic() + PATIENCE_S
            while refused(self.ns(self.client), "127.0.0.1", 20000 + i):
                if time.monotonic() > end:
                    raise lab.LabError("ssh does not log in")
                time.sleep(0.05)

    def small(self, work, cipher, logins, conns, seconds):
        """Round trips, or channels opened, over as many logins."""
        with contextlib.ExitStack() as stack:
            self.forwards(stack, cipher, logins)
            p, mine = self.sock(work, "--conns", conns, "--ports", logins, "127.0.0.1", 20000)
            r = self.window(mine, "ops", seconds)
            r.update(self.end(p, result=True))
        return r


    def latency(self, cipher, seconds, whole=False):
        """Of one request after the other: through the gateway, less what it takes without."""
        direct, _ = self.sock("trips", self.target_addr, ECHO)
        time.sleep(min(1, seconds))
        without = self.end(direct, result=True)
        through = self.small("trips", cipher, 1, 1, seconds)
        if whole:
            without = {"p50_us": 0, "p99_us": 0}
        return {k: through[f"{k}_us"] - without[f"{k}_us"] for k in ("p50", "p99")} | {"steal": through["steal"]}

    def latency_beside(self, cipher, load, seconds):
        """The same beside a login that uploads: at a part of what that comes to alone."""
        alone = self.bulk("up", cipher, seconds / 2)
        rate = load * alone["n"] / alone["cpu"]
        p, _ = self.sock("up", "--rate", int(rate), "--", *self.ssh(cipher, "-W", f"{self.target_addr}:{SINK}"))
        try:
            return self.latency(cipher, seconds) | {"rate": rate}
        finally:
            self.end(p)


class Copy(KernelLab):
    """No cipher: read and write, or splice."""

    def __init__(self, files, mtu, splice):
        super().__init__(files, mtu)
        self.splice = splice

    def bulk(self, way, _cipher, seconds):
        port = SINK if way == "up" else SOURCE
        args = ("--splice",) if self.splice else ()
        self.gateway = self.spawn(self.gw, "perf/copy", self.out, 22, self.target_addr, port, *args, core=GATEWAY_CORE)
        try:
            p, mine = self.sock(way, self.out, 22)
            try:
                return self.window(self.served if way == "up" else mine, "bytes", seconds)
            finally:
                self.end(p)
        finally:
            self.end(self.gateway)


class InRing:
    """The shard, its traffic in the same process on the same core; with two cores two of each."""

    def __init__(self, files):
        self.files = files
        self.n = 0

    def configure(self, run, shard, mtu, conns, memory):
        with open(os.path.join(run, f"sluice{shard}.conf"), "w") as f:
            f.write(f"Dataplane inring\nLcores {shard}\nMemory {memory}M\nMaxConnections {max(conns + 16, 64)}\n"
                    f"MaxChannels {max(4096, 4 * conns)}\nMaxStartups 1000\nLoginGraceTime 2m\nSlowPathRate 10000000\n"
                    f"Interface outside net_ring_out{shard} mtu={mtu}\nInterface inside net_ring_in{shard} mtu={mtu}\n"
                    "InterfaceAddress outside 198.18.0.2/24\nInterfaceAddress inside 198.19.0.2/24\n"
                    + "".join(f"ListenAddress 198.18.0.2:{22 + k}\n" for k in range(1 + (conns - 1) // PORT_CONNS)) +
                    f"HostKey {self.files.path('host')}\n"
                    f"AuthorizedKeysFile {self.files.path('keys/%u')}\n")

    def latency(self, cipher, seconds, **options):
        """Of requests, in us by the shard's clock, beside what the options say."""
        work = options.pop("work", "idle")
        w = self.run_once(work, cipher, 1500, beside=4, seconds=seconds, realtime=True,
                          **{"conns": 1, "chans": 1, **options})[0]
        return w | w["latency"]

    def run(self, *args, **options):
        """An object for each core. TSC time goes on while others have the core: such a run is made again, a few times,
        and the one that was least disturbed counts."""
        best = None
        for _ in range(TRIES):
            worlds = self.run_once(*args, **options)
            if best is None or self.ran(worlds) > self.ran(best):
                best = worlds
            if self.ran(best) > UNDISTURBED:
                break
        return best

    @staticmethod
    def ran(worlds):
        return min(w["ran"] / w["seconds"] for w in worlds)

    def run_once(self, work, cipher, mtu, conns, chans, seconds, size=32768, cores=(GATEWAY_CORE,), memory=512,
                 beside=0, rate=0, load=0, conf=(), realtime=False, keyed=False):
        self.n += 1
        run = self.files.path(f"ring{self.n}")
        os.mkdir(run)
        lab.give(run)
        for i in range(len(cores)):
            self.configure(run, i, mtu, conns + beside, memory)
            with open(os.path.join(run, f"sluice{i}.conf"), "a") as f:
                f.writelines(line + "\n" for line in conf)
        cmd = [os.path.join(lab.BUILD, "perf/inring"), "--run", run, "--control",
               os.path.join(lab.BUILD, "control/sluice-control"), "--key", self.files.path("id"), "--user", "root",
               "--work", work, "--cipher", cipher, "--mtu", str(mtu), "--conns", str(conns), "--chans", str(chans),
               "--size", str(size), "--seconds", str(seconds)]
        for c in cores:
            cmd += ["--core", str(c)]
        if keyed:
            cmd.append("--keyed")
        for name, value in (("beside", beside), ("rate", rate), ("load", load)):
            if value:
                cmd += [f"--{name}", str(value)]
        steal = lab.core_times(cores[0])["steal"]
        p = subprocess.Popen(cmd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                             start_new_session=True, preexec_fn=lab.Spaces.go_before_all if realtime else lab.Spaces.go_first)
        try:
            out, err = p.communicate(timeout=240 + 0.01 * conns + seconds)
        except BaseException:
            p.terminate()
            p.communicate(timeout=20)
            raise
        shutil.rmtree(run, ignore_errors=True)
        if p.returncode != 0:
            raise lab.LabError(f"inring {work} {cipher}: {err[-600:]}")
        worlds = json.loads(out.strip().splitlines()[-1])
        for w in worlds:
            w["n"] = w["bytes"] if work in ("up", "down") else w["ops"]
            w["cpu"] = w["stages"] + w["driver"] + w["control"]
            w["all"] = w["turns"] + w["driver"] + w["control"]  # with turns that found nothing to do
            w["steal"] = lab.core_times(cores[0])["steal"] - steal
        return worlds


class Load:
    """The gateway as it is, over net_memif, driven by perf/load from the other core."""

    PROGRAM = os.path.join(lab.TOP, "perf/load")

    def __init__(self, files):
        self.out = files.path("load.json")

    @classmethod
    def is_here(cls):
        return os.path.exists(cls.PROGRAM)

    def run(self, mode, seconds, patience=180, **options):
        """Its rows, by the name behind the mode; the note of the first."""
        cmd = [self.PROGRAM, "--mode", mode, "--seconds", str(seconds), "--json", self.out]
        for k, v in options.items():
            cmd += ["--" + k.replace("_", "-"), str(v)]
        steal = lab.core_times(GATEWAY_CORE)["steal"]
        p = subprocess.Popen(cmd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                             start_new_session=True)
        try:
            out, _ = p.communicate(timeout=patience)
        except BaseException:  # it ends what it started, when it is asked, once
            p.terminate()
            p.communicate(timeout=30)
            raise
        if p.returncode:
            raise lab.LabError(f"perf/load --mode {mode}: {out[-600:]}")
        with open(self.out) as f:
            rows = json.load(f)
        found = {x["what"].removeprefix(mode + " "): x["sluice"] for x in rows}
        return found | {"note": rows[0]["note"], "steal": lab.core_times(GATEWAY_CORE)["steal"] - steal}
