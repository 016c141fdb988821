"""Faults stop at the instruction that made them, with the right signal and one line that explains them."""
import re

from matrix import with_each_gdb, with_one_gdb

# scenario of debuggee.c, what gdb says, where the pc is, what the explaining line says
FAULTS = [
    (3, "SIGSEGV", "(long long)&fault_read", r"reads? .*0x66660000.*free"),
    (4, "SIGSEGV", "0x66660000", r"at 0x66660000.*execut.*0x66660000.*free"),
    (5, "SIGSEGV", "(long long)&fault_write", r"writ.*READONLY|writ.*read-only"),
    (6, "SIGILL", "(long long)&fault_ud2", r"illegal.instruction"),
    (7, "SIGTRAP", "(long long)&fault_int3", r"breakpoint|int3"),
    (8, "SIGFPE", "(long long)&fault_divide", r"divi.*zero"),
    (9, "SIGILL", "(long long)&fault_hlt", r"privileged.instruction"),
]


@with_each_gdb
def every_fault_stops_at_its_instruction(test):
    gdb, _ = test.session("debuggee")
    gdb.do("set $entry_pc = $pc")
    gdb.do("set $entry_sp = $sp")
    for scenario, signal, pc, explanation in FAULTS:
        gdb.do(f"set variable scenario = {scenario}")
        line = gdb.do("signal 0", rf"Program received signal {signal}", rf"(?i){explanation}")
        if "fault_" in pc:
            test.expect(re.search(r"debuggee\d\d\.exe\+0x[0-9a-f]+", line), f"scenario {scenario} is not located: {line}")
        test.expect(gdb.evaluate(f"$pc == {pc}") == 1, f"scenario {scenario} did not stop at {pc}")
        gdb.do("set $pc = $entry_pc")
        gdb.do("set $sp = $entry_sp")
    gdb.do("set variable scenario = 0")
    gdb.do("signal 0", r"exited with code 052\]")


@with_one_gdb
def a_fault_that_nobody_handles_ends_the_program(test):
    gdb, _ = test.session("debuggee")
    gdb.do("set variable scenario = 3")
    gdb.do("continue", r"SIGSEGV")
    gdb.do("backtrace", r"#0 .*fault \(which=FAULT_READ\)", r"main \(\)")
    gdb.do("continue", r"(exited with code|terminated with signal)")


@with_one_gdb
def a_fault_is_survived_when_its_cause_is_mended(test):
    gdb, _ = test.session("debuggee")
    gdb.do("set variable scenario = 3")
    gdb.do("continue", r"SIGSEGV")
    gdb.do("set variable nowhere = &ticks")
    gdb.do("set variable ticks = 7")
    # The instruction before the fault loads `nowhere` into the register that the fault read through.
    gdb.do("set $pc = $pc - " + {64: "4", 32: "3"}[test.bits])
    gdb.do("signal 0", r"exited with code 07\]")
