"""Sessions by paramiko (terminals, their size) and asyncssh (signals, breaks, many at once)."""
import asyncio
import sys

import asyncssh
import paramiko

host, port, key = sys.argv[1], int(sys.argv[2]), sys.argv[3]


def by_paramiko():
    c = paramiko.SSHClient()
    c.set_missing_host_key_policy(paramiko.AutoAddPolicy())
    c.connect(host, port, "demo", key_filename=key, allow_agent=False, look_for_keys=False)
    _, out, err = c.exec_command("echo one; echo two >&2; exit 3")
    assert out.read() == b"one\n" and err.read() == b"two\n"
    assert out.channel.recv_exit_status() == 3

    ch = c.get_transport().open_session()
    ch.get_pty("vt100", 99, 33)
    ch.exec_command("stty size; read x; stty size; echo $TERM")
    said = ch.recv(64)
    assert said == b"33 99\r\n", said
    ch.resize_pty(120, 50)
    ch.sendall(b"x\n")
    said = b""
    while more := ch.recv(4096):
        said += more
    assert b"50 120\r\n" in said and b"vt100" in said, said

    ch = c.get_transport().open_session()
    ch.exec_command("true")
    try:  # one program a channel
        ch.exec_command("true")
        raise AssertionError("a second command on one channel")
    except paramiko.SSHException:
        pass
    sftp = c.open_sftp()
    with sftp.open("hello", "w") as f:
        f.write("x" * 100000)
    assert sftp.stat("hello").st_size == 100000
    c.close()


async def by_asyncssh():
    async with asyncssh.connect(host, port, username="demo", client_keys=[key], known_hosts=None, config=[]) as c:
        p = await c.create_process("echo ready; exec sleep 30")
        assert await p.stdout.readline() == "ready\n"
        p.send_signal("TERM")
        r = await p.wait()
        assert r.exit_signal is not None and r.exit_signal[0] == "TERM", r.exit_signal

        p = await c.create_process("trap 'echo caught' USR1; echo ready; while :; do sleep 0.05; done")
        assert await p.stdout.readline() == "ready\n"
        p.send_signal("USR1")
        assert await p.stdout.readline() == "caught\n"
        p.kill()
        assert (await p.wait()).exit_signal[0] == "KILL"

        rs = await asyncio.gather(*(c.run(f"echo {i}; exit {i}") for i in range(3)))
        assert [(r.stdout, r.exit_status) for r in rs] == [(f"{i}\n", i) for i in range(3)]
        ps = [await c.create_process("cat") for _ in range(3)]
        try:
            await c.create_process("true")
            raise AssertionError("more than MaxSessions")
        except asyncssh.ChannelOpenError:
            pass
        for p in ps:
            p.stdin.write_eof()
            assert (await p.wait()).exit_status == 0


async def held():
    """A program that is hung up on as sluice-helper ends: why its client is told."""
    async with asyncssh.connect(host, port, username="demo", client_keys=[key], known_hosts=None, config=[]) as c:
        p = await c.create_process("trap 'exit 0' HUP; echo here; while :; do sleep 0.1; done")
        print((await p.stdout.readline()).strip(), flush=True)
        print(*(await p.wait()).exit_signal[:3])


async def kept():
    """A terminal and a command that control is started anew under: what may be asked of them then."""
    async with asyncssh.connect(host, port, username="demo", client_keys=[key], known_hosts=None, config=[]) as c:
        t = await c.create_process("trap 'echo caught' USR1; echo ready; while read x; do stty size; done",
                                   term_type="vt100", term_size=(99, 33))
        p = await c.create_process("trap 'echo caught' USR1; echo ready; while :; do sleep 0.05; done")
        for s in t, p:
            assert (await s.stdout.readline()).strip() == "ready"
        print("here", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        t.change_terminal_size(120, 50)
        t.stdin.write("\n")
        while (said := (await t.stdout.readline()).strip()) == "":
            pass
        assert said == "50 120", said
        p.send_signal("USR1")
        assert (await p.stdout.readline()).strip() == "caught"
        # RFC 4335: its answer is not to be had by asyncssh's own call
        ask = (lambda s: s.channel._make_request(b"break", asyncssh.packet.UInt32(500)))
        assert await ask(t) and not await ask(p)
        p.kill()
        assert (await p.wait()).exit_signal[0] == "KILL"
        t.stdin.write("\x04")
        assert (await t.wait()).exit_status == 0


if sys.argv[4:] == ["held"]:
    asyncio.run(held())
elif sys.argv[4:] == ["kept"]:
    asyncio.run(kept())
else:
    by_paramiko()
    asyncio.run(by_asyncssh())
