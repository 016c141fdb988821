"""Conditions and dprintf that winstub evaluates itself, as gdb compiles them."""
import re

from matrix import with_each_gdb, with_one_gdb
from session import marked_line

SOURCE = "debuggee.c"


def here(mark):
    return f"{SOURCE}:{marked_line(SOURCE, mark)}"


def conditions_only_in_winstub(gdb):
    """From here on a condition that gdb cannot hand over is refused by gdb."""
    gdb.do("set breakpoint condition-evaluation target")


def stops_of(gdb, server, packet=r"r T05"):
    """How often winstub (with --log=rsp) has reported a stop."""
    return len(re.findall(packet, server.errors.text))


@with_each_gdb
def a_condition_is_evaluated_by_winstub(test):
    gdb, _ = test.session("debuggee", "--log=rsp")
    conditions_only_in_winstub(gdb)
    gdb.do("break square if n == 2")
    gdb.do("continue", r"Breakpoint 1, square \(n=2\)")
    gdb.do("info breakpoints", r"stop only if n == 2 \(target evals\)$", r"already hit 1 time$")
    gdb.do("continue", r"exited with code 052\]")


@with_each_gdb
def conditions_look_at_registers_memory_and_structures(test):
    gdb, _ = test.session("debuggee")
    word, stack, frame = {64: ("long long", "$rsp", "$rbp"), 32: ("int", "$esp", "$ebp")}[test.bits]
    conditions_only_in_winstub(gdb)
    gdb.do("tbreak compute")
    gdb.do("continue", r"compute \(\)")
    top = gdb.evaluate(stack)
    gdb.do(f"break {here('call')} if i > 1 && bounds.second - bounds.first == 2 || i == -1")
    gdb.do("continue", r"Breakpoint 2, sum_of_squares")
    gdb.do("print i", r"= 2$")
    gdb.do("delete")
    gdb.do(f"break square if {stack} < {top} && *(unsigned {word} *) {frame} != 0 && (n << 3) % 16 == 8 && !(n & 4)")
    gdb.do("continue", r"Breakpoint 3, square \(n=3\)")
    gdb.do("print constant", r"= 11$")
    gdb.do("delete")
    gdb.do(f"break {here('sum')} if *clock == ticks && clock == &ticks && constant == 11 && sum == 14")
    gdb.do("continue", r"Breakpoint 4, sum_of_squares")
    gdb.do("continue", r"exited with code 052\]")


@with_each_gdb
def a_condition_holds_in_a_loop_only_where_it_should(test):
    gdb, server = test.session("debuggee", "--log=rsp")
    conditions_only_in_winstub(gdb)
    gdb.do("tbreak sum_of_squares")
    gdb.do("continue", r"sum_of_squares \(count=3\)")
    gdb.do("set variable count = 2000")
    gdb.do(f"break {here('call')} if sum > 1000 && (char) i == 50")
    gdb.do("continue", r"Breakpoint 2, sum_of_squares")
    gdb.do("print i", r"= 50$")
    gdb.do("print sum", r"= 40425$")
    gdb.do("condition 2 i == 60")
    gdb.do("continue", r"Breakpoint 2, sum_of_squares")
    gdb.do("print i", r"= 60$")
    gdb.do("condition 2")
    gdb.do("continue", r"Breakpoint 2, sum_of_squares")
    gdb.do("print i", r"= 61$")
    gdb.do("condition 2 i > 2000")
    gdb.do("continue", r"exited with code")
    test.expect(stops_of(gdb, server) < 12, "winstub stopped where the condition is false")


@with_each_gdb
def two_breakpoints_share_a_place(test):
    gdb, _ = test.session("debuggee")
    conditions_only_in_winstub(gdb)
    gdb.do("break square if n == 2")
    gdb.do("break square if n == 3")
    gdb.do("continue", r"Breakpoint 1, square \(n=2\)")
    gdb.do("continue", r"Breakpoint 2, square \(n=3\)")
    gdb.do("continue", r"exited with code 052\]")


@with_each_gdb
def a_condition_that_fails_stops_and_says_so(test):
    gdb, _ = test.session("debuggee")
    conditions_only_in_winstub(gdb)
    gdb.do("break square if 10 / (n - 2) == 99")
    gdb.do("continue", r"the condition cannot be evaluated: division by zero", r"Division by zero", r"square \(n=2\)")
    gdb.do("condition 1 *(int *) 0x66660000 == 1")
    gdb.do("continue", r"the condition cannot be evaluated: memory at 0x66660000 cannot be read", r"square \(n=3\)")


@with_each_gdb
def dprintf_prints_without_stopping(test):
    gdb, server = test.session("debuggee", "--log=rsp")
    gdb.do("set dprintf-style agent")
    gdb.do('dprintf square,"n=%d of %s at %p\\n", n, (char *) 0, &ticks')
    gdb.do(f'dprintf {here("sum")},"sum=%5d|%-4x|%c\\n", sum, sum, 65')
    ticks = gdb.evaluate("(unsigned long long) &ticks")
    text = gdb.do("continue", r"exited with code 052\]")
    lines = [line.strip() for line in text.splitlines() if re.match(r"n=|sum=", line)]
    wanted = [f"n={n} of (null) at {ticks:#x}" for n in (1, 2, 3)] + ["sum=   14|e   |A"]
    test.expect(lines == wanted, f"wanted {wanted}, got {lines}")
    test.expect(stops_of(gdb, server, r"r T05swbreak") == 0, "winstub stopped at a dprintf")


@with_each_gdb
def dprintf_takes_a_condition_and_lives_beside_a_breakpoint(test):
    gdb, _ = test.session("debuggee")
    gdb.do("set dprintf-style agent")
    gdb.do('dprintf square,"square of %d\\n", n')
    gdb.do("condition 1 n != 2")
    gdb.do("break compute")
    gdb.do(f"break {here('computed')}")
    gdb.do("continue", r"Breakpoint 2, compute")
    text = gdb.do("continue", r"square of 1", r"square of 3", r"Breakpoint 3, compute")
    test.expect("square of 2" not in text, "the condition does not count")
    gdb.do("next", r"\d")


@with_each_gdb
def stepping_runs_through_a_dprintf(test):
    gdb, _ = test.session("debuggee")
    gdb.do("set dprintf-style agent")
    gdb.do(f"break {here('compute')}")
    gdb.do("continue", r"Breakpoint 1, compute")
    gdb.do('dprintf square,"square of %d\\n", n')
    gdb.do("next", r"square of 1[^$]*square of 2[^$]*square of 3[^$]*MARK computed")


@with_one_gdb
def text_comes_while_the_guest_runs(test):
    gdb, _ = test.session("debuggee")
    gdb.do("set dprintf-style agent")
    gdb.do("set variable scenario = 2")
    gdb.do('dprintf forever,"%d so far\\n", *clock')
    gdb.do("condition 1 *clock % 1000 == 999")
    gdb.type("continue")
    for number in (999, 1999, 2999):
        test.expect(gdb.output.wait(rf"{number} so far"), "gdb ended")
    gdb.interrupt()
    gdb.saw("continue", [r"Program received signal SIGINT"])


@with_one_gdb
def a_flood_of_text_can_be_interrupted(test):
    gdb, _ = test.session("debuggee")
    gdb.do("set dprintf-style agent")
    gdb.do("set variable scenario = 2")
    gdb.do('dprintf forever,"%d so far\\n", *clock')
    gdb.type("continue")
    test.expect(gdb.output.wait(r"20000 so far"), "gdb ended")
    gdb.interrupt()
    text = gdb.saw("continue", [r"Program received signal SIGINT"])
    numbers = [int(number) for number in re.findall(r"(\d+) so far", text)]
    test.expect(numbers == list(range(len(numbers))), "text is lost or out of order")


@with_one_gdb
def dprintf_goes_on_after_detach(test):
    gdb, server = test.session("debuggee")
    gdb.do("set dprintf-style agent")
    gdb.do("set disconnected-dprintf on")
    gdb.do("set breakpoint always-inserted on")
    gdb.do('dprintf square,"square of %d\\n", n')
    gdb.do("tbreak compute")
    gdb.do("continue", r"compute \(\)")
    gdb.do("detach", r"detached\]")
    test.expect(server.errors.wait(r"square of 1\nsquare of 2\nsquare of 3\n"), "nothing is printed after detach")
    test.expect(server.wait() == 0, f"winstub ended with {server.process.returncode}")
