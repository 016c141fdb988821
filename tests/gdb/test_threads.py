"""Programs with many threads: what they print, that it is the same in every run, what a gdb sees of them."""
import re
import subprocess

from matrix import with_dlls
from session import PATIENCE, TOP
from test_dlls import prints_as_expected, program, session
from test_session import resume


def with_each_gdb_on_dlls(test):
    test.matrix = [("gdb", 64, "sysroot"), ("gdb", 32, "sysroot8"), ("gdb-multiarch", 64, "sysroot8"),
                   ("x86_64-w64-mingw32-gdb", 64, "sysroot"), ("x86_64-w64-mingw32-gdb", 32, "sysroot8")]
    return test


@with_dlls
def a_thread_that_waits_for_a_pipe_is_named(test):
    errors = test.run("--root", test.dlls, "--run", program(test, "pipes"), "stuck", status=2)
    test.expect(re.search(r"thread \d+ reading from File \\Device\\NamedPipe\\talk \(handle 0x[0-9a-f]+\)", errors), errors)


@with_dlls
def threads_also_run_by_the_clock_of_the_host(test):
    prints_as_expected(test, "threads", status=33, options=("--fast",))
    prints_as_expected(test, "locks", status=12, options=("--fast",))


def run_races(test):
    command = [test.winstub, "--run", "--root", test.dlls, program(test, "races")]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=PATIENCE, check=False)
    test.transcript.add("guest", done.stdout.decode())
    test.expect(done.returncode == 16, f"exit status {done.returncode}")
    return done.stdout.decode().replace("\r\n", "\n")


@with_dlls
def races_end_alike_in_every_run(test):
    first = run_races(test)
    test.expect("mixed" in first, "the threads did not run side by side")
    test.expect(run_races(test) == first, "the second run was another")


@with_each_gdb_on_dlls
def races_end_alike_in_a_debugger(test):
    alone = run_races(test)
    gdb, server = session(test, "races")
    gdb.do("break put", r"Breakpoint 1")
    for _ in range(3):
        gdb.do("continue", r"hit Breakpoint 1|Breakpoint 1, ")
    gdb.do("delete")
    gdb.do("continue", r"exited with code 020")
    test.expect(server.output.wait(re.escape(alone.strip())), "it came out differently in the debugger")


@with_each_gdb_on_dlls
def races_end_alike_however_they_are_looked_at(test):
    alone = run_races(test)
    gdb, server = session(test, "races")
    gdb.do("break look if next == 40", r"Breakpoint 1")
    gdb.do("continue", r"hit Breakpoint 1|Breakpoint 1, ")
    gdb.do("stepi 60")  # through all of the rep stosb
    gdb.do("next")
    gdb.do("delete")
    gdb.do("watch next", r"atchpoint 2: next")
    for _ in range(5):
        gdb.do("continue", r"Old value")
    gdb.do("delete")
    gdb.do("break put", r"Breakpoint 3")
    for command in ("continue", "step", "finish", "next", "stepi", "nexti", "until", "continue"):
        gdb.do(command)
    gdb.do("watch *(char *) $sp")
    gdb.do("stepi 20")
    gdb.do("delete")
    gdb.do("continue", r"exited with code 020")
    test.expect(server.output.wait(re.escape(alone.strip())), "it came out differently in the debugger")


@with_dlls
def threads_that_wait_for_each_other_are_named(test):
    errors = test.run("--root", test.dlls, "--run", program(test, "deadlock"), status=2)
    test.expect(len(re.findall(r"thread \d+ waiting for Mutant \(handle 0x[0-9a-f]+\)", errors)) == 2, errors)


@with_each_gdb_on_dlls
def a_deadlock_stops_in_the_debugger(test):
    gdb, _ = session(test, "deadlock")
    gdb.do("continue", r"no thread can go on: thread \d+ waiting for Mutant", r"SIGINT")
    gdb.do("info threads", r'"main" \(waiting for Mutant', r"waiting for Mutant")
    gdb.do("thread apply all backtrace", r"take_both", r" main ")
    gdb.do("continue", r"no thread can go on")
    gdb.do("kill")


def line_of(name, mark):
    with open(f"{TOP}/tests/programs/{name}.c", encoding="utf-8") as file:
        return 1 + next(i for i, line in enumerate(file) if f"MARK {mark} " in line)


@with_each_gdb_on_dlls
def threads_have_names_states_and_stacks(test):
    gdb, _ = session(test, "crew")
    gdb.do(f"break crew.c:{line_of('crew', 'round')}", r"Breakpoint 1")
    gdb.do("continue", r"the crew begins", r"work \(")
    gdb.do("info threads", r'"main" \(waiting for all of 2: Thread \d+', r'"the waiter" \(waiting for Event \(handle 0x',
           r"^\* .*\(running\) +work")
    gdb.do("thread apply all backtrace", r"#\d+ .* main \(", r"#\d+ .* wait_for_it \(", r"#\d+ .* work \(")
    gdb.do("continue", r"work \(")


@with_each_gdb_on_dlls
def one_thread_can_be_stepped_while_the_others_stand_or_run(test):
    gdb, _ = session(test, "crew")
    line = line_of("crew", "round")
    gdb.do(f"break crew.c:{line}", r"Breakpoint 1")
    gdb.do("continue", r"work \(")
    thread, mine = gdb.evaluate("$_thread"), gdb.evaluate("mine")
    gdb.do("delete")
    gdb.do(f"break crew.c:{line} thread {thread}", r"Breakpoint 2")
    gdb.do("set scheduler-locking on")
    others = gdb.evaluate(f"rounds[{1 - mine}]")
    for _ in range(4):
        gdb.do("next")
    test.expect(gdb.evaluate(f"rounds[{mine}]") >= 2, "the thread did not go round")
    test.expect(gdb.evaluate(f"rounds[{1 - mine}]") == others, "the other thread ran too")
    gdb.do("set scheduler-locking off")
    gdb.do("continue", r"work \(")
    test.expect(gdb.evaluate("$_thread") == thread, "another thread stopped")
    test.expect(gdb.evaluate(f"rounds[{1 - mine}]") > others, "the other thread did not run")


@with_each_gdb_on_dlls
def a_step_over_a_wait_comes_back_when_it_is_over(test):
    gdb, _ = session(test, "crew")
    gdb.do(f"tbreak crew.c:{line_of('crew', 'wait')}", r"breakpoint 1")
    gdb.do("continue", r"main \(")
    gdb.do("next", r"MARK waited")
    test.expect(gdb.evaluate("rounds[0] + rounds[1]") == 10, "the wait was not over")


@with_each_gdb_on_dlls
def an_interrupt_is_reported_on_the_thread_that_runs(test):
    path = program(test, "crew")
    server = test.serve("--root", test.dlls, "--log=rsp", path)
    gdb = test.debug(path)
    gdb.connect(server)
    gdb.do("tbreak spin", r"breakpoint 1")
    gdb.do("continue", r"spin \(")
    resume(gdb, server)
    gdb.interrupt()
    gdb.saw("continue", [r"SIGINT", r"spin \("])
    gdb.do("set variable stop_spinning = 1")
    gdb.do("continue", r"exited with code 017")
