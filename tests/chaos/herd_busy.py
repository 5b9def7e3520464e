# Busy connections among idle ones: herd_busy.py ADDR SECONDS <PORTS. Each port is an agent's listener at ADDR whose tunnel
# leads to 127.0.0.1:8080, where this program answers; through each goes one request after the other, 20 ms apart, 1 KiB of
# bytes that are no other's. Says how many were answered and how long that took; 1: one was wrong, or did not come.
import asyncio, hashlib, resource, sys, time

addr, seconds = sys.argv[1], float(sys.argv[2])
ports = [int(p) for p in sys.stdin.read().split()]
SIZE, PAUSE = 1024, 0.02

async def answer(r, w):
    try:
        while True:
            w.write((await r.readexactly(SIZE))[::-1])
    except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
        w.close()

async def busy(port, until, took):
    r, w = await asyncio.open_connection(addr, port)
    n = 0
    while time.monotonic() < until:
        said = hashlib.shake_128(b'%d %d' % (port, n)).digest(SIZE)
        began = time.monotonic()
        w.write(said)
        if await r.readexactly(SIZE) != said[::-1]:
            raise ValueError('port %d: answer %d is not what was said' % (port, n))
        took.append(time.monotonic() - began)
        n += 1
        await asyncio.sleep(PAUSE)
    w.close()
    return n

async def main():
    server = await asyncio.start_server(answer, '127.0.0.1', 8080, backlog=4096)
    until, took = time.monotonic() + seconds, []
    done = await asyncio.gather(*(busy(p, until, took) for p in ports), return_exceptions=True)
    server.close()
    bad = [d for d in done if isinstance(d, BaseException)]
    took = sorted(took) or [0]
    print('busy: %d connections, %d requests in %.0f s, the least %d of one; p50 %.1f ms, p99 %.1f ms; %d failed%s' %
          (len(ports), len(took), seconds, min((d for d in done if not isinstance(d, BaseException)), default=0),
           1000 * took[len(took) // 2], 1000 * took[len(took) * 99 // 100], len(bad), ': ' + repr(bad[0]) if bad else ''), flush=True)
    return not ports or bool(bad)

resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
sys.exit(asyncio.run(main()))
