# Many agents of one gateway that is restarted under them: tunnel_herd.py SLUICE AGENTS CONFIG
# CONFIG has what holds for Host herd*, and Host person. Says "up" once all are; then waits until some are not, and says
# how long it took until all were again, and what people who logged in meanwhile waited.
import json, os, socket, subprocess, sys, time

sluice, agents, config = sys.argv[1], int(sys.argv[2]), sys.argv[3]
EACH = 500 # hosts of a process

def start(i, hosts):
    return subprocess.Popen([sluice, 'tunnel', '--json', '-F', config, '-o', 'StatusSocket=%s/herd.%d' % (os.getcwd(), i), *hosts],
                            stdin=subprocess.DEVNULL, stdout=open('herd.%d.out' % i, 'w'), stderr=open('herd.%d.log' % i, 'w'))

def up(i):
    try:
        s = socket.socket(socket.AF_UNIX)
        s.connect('herd.%d' % i)
        s.sendall(b'status nobody\n')
        n = json.loads(s.makefile().readline())['up']
        s.close()
        return n
    except (OSError, ValueError):
        return 0

def all_up():
    return sum(up(i) for i in range(len(p)))

def until(condition, what):
    for _ in range(6000):
        if condition(): return
        time.sleep(0.05)
    sys.exit('not %s: %d of %d are up' % (what, all_up(), agents))

# Seconds of a login and a channel; None: it failed.
def login():
    began = time.monotonic()
    r = subprocess.run([sluice, 'ssh', '-F', config, '-W', '127.0.0.1:2204', 'person'], stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=open('person.log', 'a'))
    return time.monotonic() - began if r.returncode == 0 else None

# KiB of memory and seconds of CPU time of all.
def weight():
    kib = cpu = 0
    for x in p:
        kib += sum(int(l.split()[1]) for l in open('/proc/%d/smaps_rollup' % x.pid) if l.startswith('Pss:'))
        cpu += sum(map(int, open('/proc/%d/stat' % x.pid).read().split(') ')[1].split()[11:13])) / os.sysconf('SC_CLK_TCK')
    return kib, cpu

hosts = ['herd%d' % i for i in range(agents)]
began = time.monotonic()
p = [start(i, hosts[at:at + EACH]) for i, at in enumerate(range(0, agents, EACH))]
until(lambda: all_up() == agents, 'up')
kib, cpu = weight()
time.sleep(1)
print('up: %d agents in %.1f s, %.1f KiB and %.2f ms of CPU time each; idle %.4f of a core' %
      (agents, time.monotonic() - began - 1, kib / agents, 1000 * cpu / agents, weight()[1] - cpu), flush=True)
until(lambda: all_up() < agents, 'restarted')
while login() is None: # the gateway is not there
    time.sleep(0.05)
began, tried, waits = time.monotonic(), 0, []
while all_up() < agents:
    tried += 1
    waits += [w for w in [login()] if w is not None]
    if time.monotonic() - began > 300: sys.exit('not back: %d of %d are up' % (all_up(), agents))
took = time.monotonic() - began
waits = sorted(waits) or [0]
print('back: %d agents in %.1f s; %d logins of people beside, %d refused, p50 %.2f s, p99 %.2f s' %
      (agents, took, tried, tried - len(waits), waits[len(waits) // 2], waits[len(waits) * 99 // 100]), flush=True)
for x in p: x.terminate()
sys.exit(any([x.wait() for x in p]))
