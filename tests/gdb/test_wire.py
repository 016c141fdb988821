"""Clients that are no gdb: a second one, one that vanishes, one that sends what nobody should."""
import re
import socket
import struct
import time

from matrix import with_one_gdb, without_gdb
from session import Wire
from test_session import enter_the_loop, resume

MALFORMED = [
    b"m", b"m,", b"m1000", b"m1000,", b"mzz,4", b"m1000,zz", b"m1000,4,4", b"m10000000000000000,4",
    b"m1000,10000000000000000", b"m1000,ffffffffffffffff", b"mffffffffffffffff,2", b"M1000,4", b"M1000,4:00",
    b"M1000,4:0000000000", b"M1000,2:zz00", b"X1000,4:ab", b"X1000", b"X1000,ffffffffffffffff:", b"G", b"G00", b"Gzz",
    b"p", b"pzz", b"pffffffff", b"P", b"P0", b"P0=", b"P0=zz", b"P0=00", b"Pffff=00", b"H", b"Hx1", b"Hg", b"Hgzz", b"Hgp.",
    b"T", b"Tzz", b"Z", b"Z0", b"Z0,", b"Z0,1000", b"Z0,zz,1", b"Z9,1000,1", b"Z0,1000,1,", b"z0,1000", b"vCont;", b"vCont;q",
    b"vCont;s:zz", b"vCont;r", b"vCont;r1000", b"vCont;r1000,zz", b"vCont;C", b"vCont;Czz", b"vKill;", b"vKill;zz", b"Dxyz",
    b"qXfer:features:read:target.xml", b"qXfer:features:read:target.xml:", b"qXfer:features:read:target.xml:0",
    b"qXfer:features:read:target.xml:zz,10", b"qXfer:features:read:none.xml:0,10", b"qXfer:threads:read:x:0,10",
    b"qXfer:threads:read::ffffffffffffffff,ffffffffffffffff", b"qXfer:memory-map:read::-1,5", b"qGetTIBAddr:", b"qGetTIBAddr:zz",
    b"qRcmd,z", b"qRcmd,6", b"m\x001000,4", b"\x00", b"qXfer:::::", b"m1000,4\x00",
]


@with_one_gdb
def a_second_client_is_refused(test):
    gdb, server = test.session("debuggee", "--log=rsp")
    test.expect(Wire(test, server).closed(), "a second client was let in while the guest was stopped")
    enter_the_loop(gdb)
    resume(gdb, server)
    test.expect(Wire(test, server).closed(), "a second client was let in while the guest was running")
    gdb.interrupt()
    gdb.saw("continue", [r"SIGINT"])
    gdb.do("print scenario", r"= 2$")


@without_gdb
def malformed_packets_get_an_answer_and_the_session_goes_on(test):
    server = test.serve(test.guest("debuggee"))
    client = Wire(test, server)
    client.ask("qSupported:swbreak+;hwbreak+;multiprocess+")
    registers = client.ask("g")
    for body in MALFORMED:
        answer = client.ask(body)
        test.expect(re.fullmatch(rb"|E[0-9a-f]{2}|E\..*", answer), f"{body} was answered {answer}")
    test.expect(client.ask("g") == registers, "a malformed packet changed a register")
    client.close()


@without_gdb
def broken_framing_is_survived(test):
    server = test.serve(test.guest("debuggee"))
    client = Wire(test, server)
    client.send(b"$qC#00")
    client.receive(rb"-")
    client.send(b"$qC#zz")
    client.receive(rb"-")
    client.send(b"\x03\x03+++---$$$")
    client.send(b"#" * 5 + b"}" + bytes(range(128, 256)))
    client.packet(b"")
    client.ask("?")
    client.send(b"$X1000,1:}#7d$")  # an escape with nothing behind it, and the start of a packet
    client.send(b"m" * 200000)  # longer than any packet may be
    client.send(b"#00")
    client.data = b""
    client.packet("qAttached")
    client.receive(rb"\$1#31")
    client.close()


@without_gdb
def an_answer_is_repeated_on_request(test):
    server = test.serve(test.guest("debuggee"))
    client = Wire(test, server)
    client.packet("qAttached")
    client.receive(rb"\+\$1#31")
    client.send(b"-")
    client.receive(rb"\$1#31")
    client.close()


@without_gdb
def a_client_that_vanishes_in_mid_packet_is_replaced(test):
    server = test.serve(test.guest("debuggee"))
    client = Wire(test, server)
    client.send(b"$m1000,")
    client.close()
    client = Wire(test, server)
    test.expect(client.ask("qAttached") == b"1", "qAttached was not answered")
    client.close()


SESSION = ["qSupported:swbreak+", "QStartNoAckMode", "?", "g", "Z0,20000001,1", "X20000010,2:ab", "vCont;s", "vCont;c"]


def frames(bodies):
    return b"+".join(b"$%s#%02x" % (body, sum(body) & 0xFF) for body in (text.encode() for text in bodies))


def the_next_client_finds_the_guest(test, server):
    client = Wire(test, server)
    client.ask("qSupported:swbreak+;hwbreak+;multiprocess+")
    test.expect(re.fullmatch(rb"T[0-9a-f]{2}.*", client.ask("?")), "the guest is not there any more")
    client.close()


def in_the_loop(test):
    """A server whose guest runs for ever when it is resumed: on a jump to itself."""
    return test.serve("--raw", "--arch", "x86-64", "--base", "0x20000000", test.file("loop", b"\xeb\xfe" + bytes(1 << 20)))


def whatever_the_guest(test):
    test.matrix = [(None, 64)]
    return test


def vanish(client):
    """Gone without a word, and what is on the way to it is refused."""
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


@whatever_the_guest
def a_client_may_go_at_any_byte(test):
    server = in_the_loop(test)
    session = b"+" + frames(SESSION)
    for length in range(len(session) + 1):
        client = Wire(test, server)
        client.send(session[:length])
        (vanish if length % 2 else Wire.close)(client)
        if length % 40 == 0:
            the_next_client_finds_the_guest(test, server)
    the_next_client_finds_the_guest(test, server)


@whatever_the_guest
def a_client_that_closes_only_its_own_half_gets_its_answers(test):
    server = in_the_loop(test)
    client = Wire(test, server)
    client.send(frames(["qAttached", "qAttached"]))
    client.socket.shutdown(socket.SHUT_WR)
    client.receive(rb"\+\$1#31.*\+\$1#31")
    test.expect(client.closed(), "the connection is still there")
    client = Wire(test, server)
    client.packet("vCont;c")
    client.receive(rb"\+")
    client.socket.shutdown(socket.SHUT_WR)
    test.expect(client.closed(), "the connection is still there though the guest ran")
    the_next_client_finds_the_guest(test, server)


@whatever_the_guest
def a_client_that_stalls_in_mid_packet_is_waited_for(test):
    server = in_the_loop(test)
    client = Wire(test, server)
    for piece in b"$qA", b"ttac", b"hed#", b"8", b"f":
        time.sleep(0.2)
        client.send(piece)
        test.expect(Wire(test, server).closed(), "a second client was let in")
    client.receive(rb"\+\$1#31")
    client.close()


@whatever_the_guest
def a_client_that_does_not_read_gets_everything_later(test):
    server = in_the_loop(test)
    client = Wire(test, server)
    client.ask("qSupported:swbreak+")
    client.ask("QStartNoAckMode")
    client.send(frames([f"m{0x20000000 + n:x},8000" for n in range(200)]).replace(b"+", b""))
    time.sleep(0.5)
    test.expect(Wire(test, server).closed(), "a second client was let in")
    for n in range(200):
        answer = client.receive(rb"\$([^#]*)#..").group(1)
        test.expect(len(answer) == 0x10000 and answer.startswith((b"ebfe", b"fe00", b"0000")[min(n, 2)]), f"answer {n} is wrong")
    client.close()


def flood(client, data):
    """Send until it has gone, or the server takes no more; nothing is read."""
    client.socket.settimeout(2)
    try:
        client.socket.sendall(data)
    except (TimeoutError, ConnectionError):
        pass


@whatever_the_guest
def a_client_that_floods_is_survived(test):
    server = in_the_loop(test)
    floods = [frames(["g"] * 100000), frames(["m20000000,8000"] * 20000), b"$" * 4000000, b"\x03" * 4000000, b"+-" * 2000000,
              bytes(range(256)) * 20000]
    for start in [], ["vCont;c"]:
        for data in floods:
            client = Wire(test, server)
            client.socket.sendall(frames(start))
            flood(client, data)
            vanish(client)
    with open(f"/proc/{server.process.pid}/status", encoding="utf-8") as status:
        resident = int(re.search(r"VmHWM:\s+(\d+) kB", status.read()).group(1))
    test.expect(resident < 600 << 10, f"the server took {resident >> 10} MiB")
    the_next_client_finds_the_guest(test, server)


@whatever_the_guest
def a_watch_of_gigabytes_looks_at_no_byte_of_them(test):
    client = Wire(test, in_the_loop(test))
    taken = {}
    for kind in "3", "2":  # reads, whose pages have nothing byte by byte, and stores
        start = time.monotonic()
        test.expect(client.ask(f"Z{kind},20001003,100000000") == b"OK", "a long watch was refused")
        taken[kind] = time.monotonic() - start
        test.expect(client.ask(f"z{kind},20001003,100000000") == b"OK", "a long watch was not removed")
    test.expect(taken["2"] < 6 * taken["3"], f"a watch of stores took {taken['2']:.1f} s, of reads {taken['3']:.1f} s")
    client.close()
