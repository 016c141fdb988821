"""The gdbinit: it loads in every gdb, and its commands do what their help says."""
import os
import re

from matrix import with_each_gdb

GDBINIT = os.path.join(os.path.dirname(__file__), "..", "..", "gdbinit")
COMMANDS = ["connect", "exports", "map", "peb", "persona", "query", "return", "teb", "why"]


def with_gdbinit(test, name, options=()):
    server = test.serve(test.guest(name))
    gdb = test.debug(test.guest(name), options)
    answer = gdb.do(f"source {GDBINIT}")
    test.expect("rror" not in answer, f"sourcing gdbinit printed: {answer}")
    gdb.do(f"winstub connect {server.port}", r"start \(\)")
    return gdb


@with_each_gdb
def has_help_for_its_commands(test):
    gdb = with_gdbinit(test, "debuggee")
    gdb.do("help winstub", *[rf"^winstub {command} -- \w" for command in COMMANDS + ["call", "mem"]])


@with_each_gdb
def shows_the_map_in_the_columns_of_gdb(test):
    gdb = with_gdbinit(test, "debuggee")
    rows = gdb.do("info proc mappings", r"Start Addr +End Addr +Size +Offset +Perms +objfile",
                  r"(?i)r--p .*debuggee", r"(?i)r-xp .*debuggee", r"(?i)rw-p .*stack", r"---p .*")
    code = gdb.evaluate("(long long) &start")
    held = [row for row in re.findall(r"^ *0x(\w+) +0x(\w+) .*(r-xp) ", rows, re.M)
            if int(row[0], 16) <= code < int(row[1], 16)]
    test.expect(held, "no executable mapping holds the program's code")


@with_each_gdb
def shows_windows_own_map(test):
    gdb = with_gdbinit(test, "debuggee")
    gdb.do("winstub map", r"IMAGE", r"FREE")
    one = gdb.do("winstub map &start", r"EXECUTE_READ\b.*(?i:debuggee)")
    test.expect("FREE" not in one, "the map of one allocation holds free memory")


@with_each_gdb
def refreshes_the_memory_list_of_gdb(test):
    gdb = with_gdbinit(test, "debuggee")
    gdb.do("winstub mem", r"0x[0-9a-f]+\s+0x[0-9a-f]+\s+rw")
    gdb.do("x/i $pc", r"=> 0x")


@with_each_gdb
def shows_the_environment_blocks(test):
    gdb = with_gdbinit(test, "debuggee")
    base = gdb.evaluate("(long long) &start") & ~0xFFFF
    answer = gdb.do("winstub teb", r"^ProcessEnvironmentBlock +0x[1-9a-f]")
    low, high = (re.search(rf"^{name} +0x(\w+)$", answer, re.M).group(1) for name in ("StackLimit", "StackBase"))
    test.expect(int(low, 16) <= gdb.evaluate("(long long) $sp") <= int(high, 16), "$sp is not on that stack")
    gdb.do("winstub peb", rf"^ImageBaseAddress +0x{base:x}$", r"^Ldr +0x[1-9a-f]", r"^CommandLine .*debuggee")


@with_each_gdb
def answers_what_users_ask_first(test):
    gdb = with_gdbinit(test, "debuggee")
    gdb.do("winstub query &start", r"^Protect +EXECUTE_READ$")
    gdb.do("winstub exports kernel32", r"GetStdHandle")
    gdb.do("winstub exports kernel32 Std", r"GetStdHandle")
    gdb.do("winstub why", r"^reason +step")
    gdb.do("winstub persona", r"Windows" if "mingw" in test.gdb else r"GNU/Linux")


@with_each_gdb
def calls_functions_as_windows_does(test):
    gdb = with_gdbinit(test, "debuggee")
    before = gdb.do("info registers")
    gdb.do("set variable ticks = 7")
    gdb.do("winstub call digits_of(1, 2, 3, 4, 5, 6, &ticks)", r"= 7654321$")
    gdb.do("winstub call digits_of(square(1), 2.0, 3 + 0, 4, 5, 6, clock)", r"= 7654321$")
    gdb.do('winstub call find_letter("a, (b) and c", 98)', r'= 0x[0-9a-f]+ "b\) and c"$')
    gdb.do("winstub call *square(5)", r"= 25$")
    gdb.do("winstub call square()", r"(1 arguments|Too few arguments)")
    gdb.do("winstub call constant(1)", r"(no function|Cannot perform call|not a function|Invalid data type)")
    gdb.do("winstub call nothing_of_that_name(1)", r'No symbol "nothing_of_that_name"')
    gdb.do("winstub call square((int) sizeof(char))", r"= 1$")
    gdb.do("winstub call square", r"winstub call FUNCTION\(ARGUMENTS\)")
    gdb.do("winstub call square(*(int *) 0)", r"Cannot access memory at address 0x0")
    gdb.do("break square")
    gdb.do("winstub call square(6)", r"Breakpoint 1, square \(n=6\)", r"stopped while in a function called from GDB")
    gdb.do("finish", r"= 36$")
    gdb.do("set variable ticks = 0")
    test.expect(gdb.do("info registers") == before, "registers are not what they were")


def writes_cores(test):
    gdb = with_gdbinit(test, "debuggee")
    gdb.do(f"gcore {test.folder}/core", r"Saved corefile")


writes_cores.matrix = [("gdb", 64), ("gdb-multiarch", 64)]


@with_each_gdb
def works_without_python(test):
    gdb = with_gdbinit(test, "debuggee", ["--data-directory=/nonexistent"])
    gdb.do("help winstub", *[rf"^winstub {command} -- \w" for command in COMMANDS])
    gdb.do("winstub map", r"IMAGE")
    gdb.do("info proc mappings", r"IMAGE")
    gdb.do("winstub teb", r"^TEB +0x")
