"""A service manager in small: starts the four programs as their units do, hears what they say.

Usage: notify_peer.py BUILD [UNIT_OF_DATAPLANE]. Each gets $NOTIFY_SOCKET and $WATCHDOG_USEC; what it says is taken from its own process
alone, as NotifyAccess=main does.
"""
import atexit
import os
import pathlib
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

WATCHDOG_US = 500_000
PATIENCE = 30  # seconds, for a machine that does other things


class Service:
    def __init__(self, name, command, folder, env):
        self.name = name
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        path = f"{folder}/{name}.notify"
        self.socket.bind(path)
        os.chmod(path, 0o777)  # as systemd has it; who speaks is told by the kernel
        self.log = open(f"{folder}/{name}.log", "w+b")
        env = env | {"NOTIFY_SOCKET": path, "WATCHDOG_USEC": str(WATCHDOG_US)}
        self.process = subprocess.Popen(command, env=env, stdout=self.log, stderr=self.log)
        atexit.register(self.process.kill)  # one that has ended is not there any more: nothing is sent

    def hear(self):
        """The next datagram, as a dictionary, and when it came."""
        self.socket.settimeout(PATIENCE)
        try:
            text, control, _, _ = self.socket.recvmsg(4096, socket.CMSG_SPACE(12))
        except TimeoutError:
            self.log.seek(0)
            sys.exit(f"{self.name} said nothing for {PATIENCE} s; its log:\n{self.log.read().decode()}")
        pid, _, _ = struct.unpack("3i", control[0][2])
        if pid != self.process.pid:
            sys.exit(f"{self.name}: process {pid} spoke for {self.process.pid}")
        return dict(line.split("=", 1) for line in text.decode().splitlines()), time.monotonic()

    def wait(self, key):
        """Until it says so; beats may come before."""
        while True:
            said, when = self.hear()
            if key in said:
                return said, when
            if list(said) != ["WATCHDOG"]:
                sys.exit(f"{self.name}: {said} in the place of {key}")

    def beats(self, n):
        """So many, each in time: judged by the longest gap, which a busy machine makes longer but not for ever."""
        before = None
        for _ in range(n):
            _, when = self.wait("WATCHDOG")
            gap, before = (when - before if before else 0), when
            if gap > 10 * WATCHDOG_US / 1e6:
                sys.exit(f"{self.name}: {gap:.1f} s between beats")

    def end(self):
        self.process.send_signal(signal.SIGQUIT)  # as SIGTERM, with sshd
        self.wait("STOPPING")
        if self.process.wait(PATIENCE) != 0:
            sys.exit(f"{self.name} ended with {self.process.returncode}")


def low_port():
    """One below 1024 that is free, as 22 may not be here."""
    for port in range(1023, 0, -1):
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass
    sys.exit("no port below 1024 is free")


def unit_bounds(service):
    """What setpriv needs to leave a program the capabilities that its unit does."""
    for line in pathlib.Path(service).read_text().splitlines():
        if line.startswith("CapabilityBoundingSet="):
            names = line.partition("=")[2].lower().split()
            return ",".join(["-all", *("+" + n.removeprefix("cap_") for n in names)])
    sys.exit(f"{service} has no CapabilityBoundingSet")


def low_port_by_unit(build, unit, folder, env):
    """The default port is a low one: root's program opens it with what its unit leaves it."""
    port = low_port()
    conf = pathlib.Path(f"{folder}/low.conf")
    conf.write_text(f"ListenAddress 127.0.0.1:{port}\nMemory 128M\nHugepages no\nMaxConnections 500\n"
                    f"HostKey {folder}/host\n")
    os.mkdir(f"{folder}/low", 0o700)
    bounds = ["setpriv", "--bounding-set", unit_bounds(unit)]
    s = Service("low", [*bounds, f"{build}/dataplane/sluice-dataplane", "-f", str(conf)], folder,
                env | {"SLUICE_RUN": f"{folder}/low"})
    s.wait("READY")
    s.end()
    print("dataplane: a port below 1024 by the capabilities of its unit")


def main():
    build, *unit = sys.argv[1:]
    folder = tempfile.mkdtemp(prefix="sluice-notify-")
    os.mkdir(f"{folder}/run", 0o700)
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{folder}/host"], check=True)
    conf = pathlib.Path(f"{folder}/sluice.conf")
    conf.write_text(f"ListenAddress 127.0.0.1:{port}\nMemory 128M\nHugepages no\nMaxConnections 500\n"
                    f"HostKey {folder}/host\n")
    # As root the programs would become another user, whom this folder is closed to.
    drop = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"] if os.getuid() == 0 else []
    if drop:
        subprocess.run(["chown", "-R", "nobody:nogroup", folder], check=True)
    env = os.environ | {"SLUICE_RUN": f"{folder}/run", "SLUICE_KEYS_IN_CONTROL": "yes"}
    if unit and os.getuid() == 0:
        low_port_by_unit(build, unit[0], folder, env)
    programs = ("control/sluice-signer", "control/sluice-helper", "dataplane/sluice-dataplane", "control/sluice-control")
    services = []
    for p in programs:
        s = Service(p.split("-")[1], [*drop, f"{build}/{p}", "-f", str(conf)], folder, env)
        services.append(s)
        said, _ = s.wait("READY")
        print(f"{s.name}: READY, STATUS={said['STATUS']}")
    for s in services:
        s.beats(3)
    control = services[-1]
    for text in ("LogLevel VERBOSE\n", "NoSuchKeyword yes\n"):  # one that is taken, one that is not
        with conf.open("a") as f:
            f.write(text)
        before = time.monotonic()
        control.process.send_signal(signal.SIGHUP)
        said, _ = control.wait("RELOADING")
        if not before <= int(said["MONOTONIC_USEC"]) / 1e6 + 1e-6 <= time.monotonic():
            sys.exit(f"control: RELOADING at {said['MONOTONIC_USEC']}")
        control.wait("READY")
    print("control: RELOADING and READY, with a right file and a wrong one")
    for s in reversed(services):
        s.end()
    print("STOPPING and status 0 from all")
    subprocess.run(["rm", "-rf", folder], check=True)


main()
