"""Bare mode: no DLLs, so a call of one stops in the debugger, who may answer in its stead."""
import os

from matrix import with_each_gdb, with_one_gdb
from session import marked_line

GDBINIT = os.path.join(os.path.dirname(__file__), "..", "..", "gdbinit")


@with_each_gdb
def a_call_of_a_dll_stops_and_can_be_answered(test):
    gdb, _ = test.session("imports")
    gdb.do(f"source {GDBINIT}")
    gdb.do("continue", r"KERNEL32!CreateFileA called from 0x[0-9a-f]+ \(imports\d\d\.exe\+0x[0-9a-f]+\)")
    gdb.do("winstub return 40 28", r"start \(\)")
    gdb.do("continue", r"KERNEL32!GetTickCount called from")
    gdb.do(f"break imports.c:{marked_line('imports.c', 'both back')}")
    gdb.do("winstub return 2")
    gdb.do("continue", r"Breakpoint 1, start \(\)")
    gdb.do("print (int) (long long) file", r"= 40$")
    gdb.do("print ticks", r"= 2$")
    gdb.do("continue", r"exited with code 052\]")


@with_each_gdb
def next_does_not_run_through_a_function_that_is_not_there(test):
    gdb, _ = test.session("hello")
    gdb.do("break main")
    gdb.do("continue", r"Breakpoint 1")
    gdb.do(f"until {marked_line('hello.c', 'get handle')}")
    gdb.do("next", r"KERNEL32!GetStdHandle called from", r"received signal SIGSYS")


@with_each_gdb
def shellcode_finds_a_function_by_its_hash(test):
    arch = {64: "x86-64", 32: "x86"}[test.bits]
    server = test.serve("--raw", "--arch", arch, test.guest("shell_peb", "bin"))
    gdb = test.debug()
    gdb.connect(server)
    gdb.do("continue", r"KERNEL32!WinExec called from 0x[0-9a-f]+ \(shell_peb\d\d\.bin")


@with_one_gdb
def raw_code_runs(test):
    # mov $6, %eax; imul $7, %eax; ret
    code = test.file("code.bin", bytes.fromhex("b806000000" "6bc007" "c3"))
    arch = {64: "x86-64", 32: "x86"}[test.bits]
    server = test.serve("--raw", "--arch", arch, "--base", "0x20000000", code)
    gdb = test.debug()
    gdb.connect(server)
    gdb.do("output/x $pc", r"0x20000000")
    gdb.do("stepi")
    gdb.do("print $eax", r"= 6$")
    gdb.do("x/2i $pc", r"imul", r"ret")
    gdb.do("monitor map 0x20000000", r"COMMIT")
    gdb.do("continue", r"exited with code 052\]")


@with_one_gdb
def raw_code_starts_at_its_entry(test):
    code = test.file("code.bin", bytes.fromhex("0f0b" "b82a000000" "c3"))
    arch = {64: "x86-64", 32: "x86"}[test.bits]
    test.run("--raw", "--arch", arch, "--entry", "2", "--run", code, status=42)
