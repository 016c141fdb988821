"""A program that looks for debuggers prints the same with and without breakpoints, watchpoints and steps."""
import re

from matrix import with_dlls, with_dlls_and_gdb
from test_catch import session_on_dlls
from test_dlls import expected, prints_as_expected
from session import TOP


def line(mark):
    with open(f"{TOP}/tests/programs/antidebug.c", encoding="utf-8") as source:
        for number, text in enumerate(source, 1):
            if f"MARK {mark} */" in text:
                return f"antidebug.c:{number}"
    raise KeyError(mark)


def begin(test):
    """At main, with every exception left to the program."""
    gdb, server = session_on_dlls(test, "antidebug")
    gdb.do("handle all nostop noprint pass")
    gdb.do("break main", r"Breakpoint 1")
    gdb.do("continue", r"Breakpoint 1, main")
    return gdb, server


def to_the_end(test, gdb, server, command="continue", limit=400):
    """Go on until the program has ended; how often it stopped, and its output must be what is written down."""
    for stops in range(limit):
        if re.search(r"exited normally", gdb.do(command)):
            break
    else:
        test.expect(False, f"it has not ended after {limit} stops")
    server.wait()
    server.output.wait(r"code: \w+\s")
    said = server.output.text.replace("\r\n", "\n")
    test.expect(said == expected("antidebug"), f"it printed something else:\n{said}")
    return stops


@with_dlls
def it_finds_nothing_without_a_debugger(test):
    prints_as_expected(test, "antidebug", status=0)


@with_dlls_and_gdb
def it_finds_no_breakpoints(test):
    gdb, server = begin(test)
    for place in ("called", line("write"), line("guard"), "questions", "trap_flag", line("call")):
        gdb.do(f"break {place}", r"Breakpoint \d+")
    gdb.do(f"break {line('checksum')} if from == 0")
    gdb.do(f"tbreak {line('checksum')}")
    gdb.do("monitor break kernel32!GetTickCount", r"place")
    gdb.do("monitor catch syscall NtQuery* log")
    test.expect(to_the_end(test, gdb, server) > 100, "hardly anything stopped")


@with_dlls_and_gdb
def it_finds_no_watchpoints(test):
    gdb, server = begin(test)
    gdb.do("watch variable", r"Hardware watchpoint")
    gdb.do("rwatch *(char (*)[8]) called", r"Hardware read watchpoint")
    gdb.do("awatch resume_at", r"Hardware access")
    gdb.do("monitor coverage start")
    gdb.do("monitor trace reads peb,ldr,exports on")
    gdb.do("monitor break-on exec-after-write log")
    test.expect(to_the_end(test, gdb, server) > 100, "hardly anything stopped")


@with_dlls_and_gdb
def it_finds_no_steps(test):
    gdb, server = begin(test)
    gdb.do("delete")
    gdb.do("break trap_flag")
    gdb.do("break debug_registers")
    gdb.do("break timing")
    for function in ("trap_flag", "debug_registers", "timing"):
        gdb.do("continue", rf"Breakpoint \d+, {function}")
        gdb.do("stepi 40")
        for _ in range(12):
            gdb.do("next")
    gdb.do("delete")
    to_the_end(test, gdb, server)
