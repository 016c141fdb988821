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
    gdb.do("handle SIGTRAP nostop noprint pass")
    gdb.do("break main", r"Breakpoint 1")
    gdb.do("continue", r"Breakpoint 1, main")
    return gdb, server


def check_output(test, server):
    server.wait()
    server.output.wait(r"code: \w+\s")
    said = server.output.text.replace("\r\n", "\n")
    test.expect(said == expected("antidebug"), f"it printed something else:\n{said}")


def to_the_end(test, gdb, server, *commands):
    """Type the commands over and over until the program has ended, and look at its output; how many that took."""
    for stops in range(400):
        if re.search(r"exited normally", gdb.do(commands[stops % len(commands)])):
            check_output(test, server)
            return stops
    test.expect(False, "it has not ended after 400 commands")
    return 0


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
    test.expect(to_the_end(test, gdb, server, "continue") > 100, "hardly anything stopped")


@with_dlls_and_gdb
def it_finds_no_watchpoints(test):
    gdb, server = begin(test)
    gdb.do("watch variable", r"Hardware watchpoint")
    gdb.do("rwatch *(char (*)[8]) called", r"Hardware read watchpoint")
    gdb.do("awatch resume_at", r"Hardware access")
    gdb.do("monitor coverage start")
    gdb.do("monitor trace reads peb,ldr,exports on")
    gdb.do("monitor break-on exec-after-write log")
    test.expect(to_the_end(test, gdb, server, "continue") > 100, "hardly anything stopped")


@with_dlls_and_gdb
def it_finds_no_steps(test):
    gdb, server = begin(test)
    gdb.do("delete")
    for function in ("breakpoints", "trap_flag", "debug_registers", "guard_page", "timing"):
        gdb.do(f"tbreak {function}")
    steps = to_the_end(test, gdb, server, "continue", "stepi 10", "next", "next", "next", "step")
    test.expect(steps > 10, "hardly anything was stepped")


@with_dlls_and_gdb
def it_finds_no_single_steps(test):
    gdb, server = begin(test)
    gdb.do("delete")
    gdb.do("tbreak trap_flag")
    gdb.do("continue", r"Temporary breakpoint \d+, trap_flag")
    gdb.do("stepi 1500")
    to_the_end(test, gdb, server, "continue")
