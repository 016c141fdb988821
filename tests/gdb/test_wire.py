"""Clients that are no gdb: a second one, one that vanishes, one that sends what nobody should."""
import re

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
