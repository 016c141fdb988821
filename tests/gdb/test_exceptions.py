"""Exceptions as gdb sees them: as $_siginfo, by name, and not at all."""
import os

from matrix import with_each_gdb, with_one_gdb


@with_one_gdb
def siginfo_is_the_exception_record(test):
    gdb, _ = test.session("debuggee")
    gdb.do("set variable scenario = 3")
    gdb.do("continue", r"SIGSEGV")
    test.expect(gdb.evaluate("(unsigned)$_siginfo.ExceptionCode == 0xc0000005u") == 1, "the code is another one")
    test.expect(gdb.evaluate("(long long)$_siginfo.ExceptionAddress == (long long)$pc") == 1, "the address is another one")
    test.expect(gdb.evaluate("$_siginfo.NumberParameters") == 2, "there are more or fewer parameters")
    test.expect(gdb.evaluate("$_siginfo.ExceptionInformation[1] == 0x66660000") == 1, "another address was read")


@with_each_gdb
def the_exception_can_be_asked_for(test):
    gdb, _ = test.session("debuggee")
    gdb.do("monitor exception", r"not stopped at an exception")
    gdb.do("set variable scenario = 5")
    gdb.do("continue", r"SIGSEGV")
    gdb.do("monitor exception", r"STATUS_ACCESS_VIOLATION", r"^access +write$", r"^parameter 0 +0x1$")
    gdb.do("monitor exception --json", r'"code": "0xc0000005"')
    gdb.do("monitor why", r"^reason +exception$")


@with_each_gdb
def a_passed_signal_stops_nobody(test):
    gdb, _ = test.session("debuggee")
    gdb.do("handle SIGSEGV nostop noprint pass")
    gdb.do("set variable scenario = 3")
    gdb.do("continue", r"exited with code 030000000005\]|terminated")


def throws_of_cplusplus_do_not_stop(test):
    program = os.path.join(test.build, "programs", f"cpp{test.bits}.exe")
    server = test.serve("--root", test.dlls, program)
    gdb = test.debug(program)
    gdb.connect(server)
    gdb.do("continue", r"exited")
    test.expect("signal" not in gdb.output.text, "gdb was stopped by a signal")


throws_of_cplusplus_do_not_stop.matrix = [("x86_64-w64-mingw32-gdb", 64, "sysroot"), ("gdb", 32, "sysroot")]
