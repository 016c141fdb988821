"""The everyday session: break, step, look, change, stop, leave, come back."""
import re

from matrix import with_each_gdb, with_one_gdb
from session import marked_line

SOURCE = "debuggee.c"
LINK_BASE = {64: 0x140000000, 32: 0x400000}


@with_each_gdb
def starts_at_the_entry_point_away_from_its_link_address(test):
    gdb, _ = test.session("debuggee")
    gdb.do("print $pc", r"<start>")
    test.expect(gdb.evaluate("$pc") >> 16 != LINK_BASE[test.bits] >> 16, "the program is at its link address")


@with_each_gdb
def is_placed_where_the_user_says(test):
    base = {64: 0x7FF612340000, 32: 0x12340000}[test.bits]
    gdb, _ = test.session("debuggee", "--base", hex(base))
    test.expect(gdb.evaluate("$pc") >> 16 == base >> 16, "the program is not at --base")
    gdb.do("break square")
    gdb.do("continue", r"Breakpoint 1, square \(n=1\)")


@with_each_gdb
def breaks_steps_and_finishes(test):
    gdb, _ = test.session("debuggee")
    gdb.do("break compute", r"Breakpoint 1 at 0x[0-9a-f]+: file .*debuggee\.c")
    gdb.do("continue", r"Breakpoint 1, compute \(\)")
    gdb.do("next", rf"^{marked_line(SOURCE, 'compute')}\s")
    gdb.do("step", r"sum_of_squares \(count=3\)")
    gdb.do("break square")
    gdb.do("continue", r"Breakpoint 2, square \(n=1\)")
    gdb.do("backtrace", r"#0  square \(n=1\)", r"#1 .* in sum_of_squares \(count=3\)", r"#2 .* in compute \(\)",
           r"#3 .* in main \(\)")
    gdb.do("continue", r"Breakpoint 2, square \(n=2\)")
    gdb.do("next", r"return result")
    gdb.do("print result", r"= 4$")
    gdb.do("finish", r"Run till exit", r"Value returned is \$\d+ = 4$")
    gdb.do("print sum", r"= 1$")
    gdb.do("print bounds", r"= \{first = 1, second = 3\}")
    gdb.do("delete")
    gdb.do("finish", r"Value returned is \$\d+ = 14$")
    gdb.do("continue", r"\[Inferior 1 \(.*\) exited with code 052\]")


@with_each_gdb
def changes_variables_and_the_exit_status(test):
    gdb, server = test.session("debuggee")
    gdb.do(f"break {SOURCE}:{marked_line(SOURCE, 'computed')}")
    gdb.do("continue", r"Breakpoint 1, compute \(\)")
    gdb.do("set variable sum = 20")
    gdb.do("print sum + count", r"= 23$")
    gdb.do("continue", r"exited with code 074\]")
    gdb.do("print $_exitcode", r"= 60$")
    test.expect(server.wait() == 0, f"winstub ended with {server.process.returncode}")


@with_each_gdb
def steps_by_instruction(test):
    gdb, _ = test.session("debuggee")
    before = gdb.evaluate("$pc")
    gdb.do("stepi")
    after = gdb.evaluate("$pc")
    test.expect(0 < after - before < 16, f"stepi went from {before:#x} to {after:#x}")
    gdb.do("tbreak main")
    gdb.do("stepi 3")
    gdb.do("continue", r"Temporary breakpoint 1, main \(\)")
    gdb.do("hbreak forever")
    gdb.do("set variable scenario = 2")
    gdb.do("continue", r"Breakpoint 2, forever \(\)")


@with_each_gdb
def shows_code_registers_modules_and_memory(test):
    gdb, _ = test.session("debuggee")
    gdb.do("break square")
    gdb.do("continue")
    lines = [line for line in gdb.do("x/16i $pc").splitlines() if re.match(r"(=>)?\s+0x[0-9a-f]+", line)]
    test.expect(len(lines) == 16, f"x/16i printed {len(lines)} instructions")
    words = ["rip", "rsp", "r15"] if test.bits == 64 else ["eip", "esp", "edi"]
    gdb.do("info registers", *[rf"^{word}\s+0x[0-9a-f]+" for word in words + ["eflags"]])
    gdb.do("info all-registers", r"^xmm7\s", r"^st0\s")
    gdb.do("info registers gs_base", r"^gs_base\s")
    gdb.do("info sharedlibrary", r"(?i)ntdll\.dll", r"(?i)kernel32\.dll")
    gdb.do("info threads", r"^\* 1 ")
    gdb.do("info mem", r"0x[0-9a-f]+\s+0x[0-9a-f]+\s+rw")
    gdb.do("monitor help", r"^map ")
    base = gdb.evaluate("(long long) &start") & ~0xFFFF
    gdb.do("monitor map", rf"(?m)^0*{base:x}-.*COMMIT.*IMAGE.*READONLY", r"EXECUTE_READ\b", r"GUARD", r"FREE")
    gdb.do("monitor no-such-command", r"help")


@with_each_gdb
def stops_an_endless_loop_then_leaves_and_comes_back(test):
    gdb, server = test.session("debuggee", "--log=rsp")
    enter_the_loop(gdb)
    interrupt_the_loop(gdb, server)
    gdb.do("print ticks > 0", r"= 1$")
    first = gdb.evaluate("ticks")
    gdb.do("detach", r"\[Inferior 1 \(.*\) detached\]")

    again = test.debug(test.guest("debuggee"))
    again.connect(server)
    again.do("print $pc", r"<forever\+?\d*>")
    test.expect(again.evaluate("ticks") != first, "the guest did not go on after detach")
    interrupt_the_loop(again, server)
    again.do("kill", r"\[Inferior 1 \(.*\) killed\]")
    test.expect(server.wait() == 0, f"winstub ended with {server.process.returncode}")


def enter_the_loop(gdb):
    gdb.do("set variable scenario = 2")
    gdb.do(f"tbreak {SOURCE}:{marked_line(SOURCE, 'tick')} if ticks > 0")
    gdb.do("continue", r"forever \(\)")


def resume(gdb, server):
    """Continue; returns when winstub (with --log=rsp) has got the packet that says so."""
    mark = f"qTestMark{server.marks}"
    server.marks += 1
    gdb.do(f"maintenance packet {mark}")
    before = server.errors.wait(f"w {mark}").end()
    gdb.type("continue")
    server.errors.wait(r"w vCont;c:", before)


def interrupt_the_loop(gdb, server):
    resume(gdb, server)
    gdb.interrupt()
    gdb.saw("continue", [r"Program received signal SIGINT"])
    gdb.do("backtrace", r"#0 .*forever \(\)", r"main \(\)")


@with_each_gdb
def keeps_the_guest_when_the_debugger_dies(test):
    gdb, server = test.session("debuggee")
    gdb.do("break square")
    gdb.do("continue", r"square \(n=1\)")
    gdb.close()

    again = test.debug(test.guest("debuggee"))
    again.connect(server)
    again.do("print n", r"= 1$")
    # The breakpoint died with its debugger: nothing stops the guest before its end.
    again.do("continue", r"exited with code 052\]")


@with_one_gdb
def stops_the_guest_when_the_debugger_dies_while_it_runs(test):
    gdb, server = test.session("debuggee", "--log=rsp")
    enter_the_loop(gdb)
    resume(gdb, server)
    gdb.close()

    again = test.debug(test.guest("debuggee"))
    again.connect(server)
    ticks = again.evaluate("ticks")
    test.expect(ticks == again.evaluate("ticks"), "the guest runs on with nobody there")
    again.do("backtrace", r"forever \(\)")


@with_each_gdb
def works_over_standard_input_and_output(test):
    program = test.guest("debuggee")
    gdb = test.debug(program)
    gdb.do(f"target remote | {test.winstub} --stdio {program}", r"Remote debugging using")
    gdb.do("break square")
    gdb.do("continue", r"square \(n=1\)")
    gdb.do("delete")
    gdb.do("continue", r"exited with code 052\]")


@with_each_gdb
def needs_few_packets_for_a_line_with_a_loop(test):
    log = test.file("remote.log", b"")
    server = test.serve(test.guest("debuggee"))
    gdb = test.debug(test.guest("debuggee"))
    gdb.do(f"set remotelogfile {log}")
    gdb.connect(server)
    gdb.do("set variable scenario = 1")
    line = marked_line(SOURCE, "loop")
    gdb.do(f"tbreak {SOURCE}:{line}")
    gdb.do("continue", rf"^{line}\s")
    before = packets(log)
    gdb.do("next", r"return n")
    sent = packets(log) - before
    test.expect(0 < sent <= 15, f"next over 64 iterations took {sent} packets")
    gdb.do("print n", r"= 2016$")


def packets(log):
    """How many packets gdb has sent, in the log that `set remotelogfile` writes."""
    with open(log, encoding="latin-1") as lines:
        return sum(line.count("$") for line in lines if line.startswith("w "))


@with_each_gdb
def calls_functions_of_the_guest(test):
    gdb, _ = test.session("debuggee")
    gdb.do("break square")
    gdb.do("continue", r"square \(n=1\)")
    gdb.do("delete")
    if test.bits == 32 or "mingw" in test.gdb:  # the others pass 64-bit arguments as Linux does
        gdb.do("print square(9)", r"= 81$")
    gdb.do("print (int) compute()", r"= 42$")
    gdb.do("backtrace", r"#0  square \(n=1\)")
