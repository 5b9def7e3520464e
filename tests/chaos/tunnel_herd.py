# Many agents of one gateway that is restarted under them: tunnel_herd.py SLUICE AGENTS CONFIG [TARGET]
# CONFIG has what holds for Host herd*, and Host person. Says "up" once all are; then waits until some are not, and says
# how long it took until all were again, and what people waited who logged in meanwhile, to TARGET: one who is refused
# tries again at once, and is counted when he is in.
import json, os, socket, subprocess, sys, time

sluice, agents, config = sys.argv[1], int(sys.argv[2]), sys.argv[3]
target = sys.argv[4] if len(sys.argv) > 4 else '127.0.0.1:2204'
EACH = 500 # hosts of a process

def start(i, hosts):
    return subprocess.Popen([sluice, 'tunnel', '--json', '-F', config, '-o', 'StatusSocket=%s/herd.%d' % (os.getcwd(), i), *hosts],
                            preexec_fn=lambda: os.nice(5), # machines of their own, in truth
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

# A login and a channel; whether it came to that.
def login():
    r = subprocess.run([sluice, 'ssh', '-F', config, '-W', target, 'person'], stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=open('person.log', 'a'))
    return r.returncode == 0

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
print('up: %d agents in %.1f s, %.1f KiB and %.2f ms of CPU time each' %
      (agents, time.monotonic() - began, kib / agents, 1000 * cpu / agents), flush=True)
until(lambda: all_up() < agents, 'restarted')
while not login(): # the gateway is not there
    time.sleep(0.05)
began, refused, waits = time.monotonic(), 0, []
while all_up() < agents:
    came = time.monotonic()
    while not login():
        refused += 1
        if time.monotonic() - began > 300: sys.exit('not back: %d of %d are up' % (all_up(), agents))
    waits.append(time.monotonic() - came)
    if time.monotonic() - began > 300: sys.exit('not back: %d of %d are up' % (all_up(), agents))
took = time.monotonic() - began
waits = sorted(waits) or [0]
spent = (weight()[1] - cpu) * 1000 / agents
print('back: %d agents in %.1f s, %.2f ms of CPU time each; %d logins of people beside, %d refused, p50 %.2f s, p99 %.2f s' %
      (agents, took, spent, len(waits), refused, waits[len(waits) // 2], waits[len(waits) * 99 // 100]), flush=True)
for x in p: x.terminate()
sys.exit(any([x.wait() for x in p]))
