"""Child processes: what programs do with them, and what a debugger sees of both sides."""
import re

from matrix import SYSROOTS, with_dlls, with_dlls_and_gdb
from test_dlls import program, run_to_end
from test_lldb import expect, lldb
from test_session import resume

# Programs that print what is written down and end with a status.
@with_dlls
def children_race_the_same_way_every_time(test):
    runs = [run_to_end(test, [], "spawn", "race") for _ in range(3)]
    test.expect(all(run.returncode == 20 for run in runs), "a run failed")
    test.expect(runs[0].stdout.count(b"\n") == 8 * 4 + 1, "a line is missing")
    test.expect(all(run.stdout == runs[0].stdout for run in runs), "the runs differ")


@with_dlls
def children_outlive_the_first_process_when_nobody_debugs(test):
    done = run_to_end(test, [], "launch", "--leave", f"worker{test.bits}.exe", "add", "1", "2")
    test.expect(done.returncode == 4, f"exit status {done.returncode}, not the first one's")
    test.expect(b"the sum is 3" in done.stdout, "the child did not run to its end")


def worker(test):
    return f"worker{test.bits}.exe"


@with_dlls_and_gdb
def the_parent_is_debugged_while_its_child_runs(test):
    server = test.serve("--log=rsp", "--root", test.dlls, program(test, "launch"), worker(test), "spin")
    gdb = test.debug(program(test, "launch"))
    gdb.connect(server)
    gdb.do("break tick", r"Breakpoint 1")
    began = gdb.do("continue", rf"child process \d+ began: .*C:\\{worker(test)}.* spin$", r"Breakpoint 1, tick")
    child = re.search(r"child process (\d+) began", began).group(1)
    gdb.do("backtrace", r"#0  tick \(\)", r"#1 .* main \(argc=3")
    own = re.search(r"process (\d+)", gdb.do("info inferiors")).group(1)
    gdb.do("monitor processes", rf"^{own} +0 +debugged +C:\\launch\d\d\.exe", rf"^{child} +{own} +running +C:\\{worker(test)}")
    gdb.do("info os processes", rf"{own} +0 +debugged", rf"{child} +{own} +running")
    gdb.do("continue", r"Breakpoint 1, tick")
    gdb.do("delete")
    resume(gdb, server)
    gdb.interrupt()
    gdb.saw("continue", [r"SIGINT"])
    gdb.do("kill")
    test.expect(server.errors.wait(rf"child process {child} \(.*{worker(test)}\) was ended"), "its end is not told")


@with_dlls_and_gdb
def a_child_is_debugged_in_its_parents_stead(test):
    server = test.serve("--root", test.dlls, "--debug-child", worker(test), program(test, "launch"), worker(test), "add", "3", "4")
    gdb = test.debug(program(test, "worker"))
    gdb.connect(server)
    gdb.do("info symbol $pc", r"mainCRTStartup")
    gdb.do("break add", r"Breakpoint 1")
    gdb.do("continue", r"Breakpoint 1, add \(sum=0, n=3\)")
    gdb.do("backtrace", r"#1 .* in add_all \(argc=4", r"#2 .* in main \(argc=4")
    gdb.do("monitor processes", r"running +C:\\launch\d\d\.exe", r"debugged +C:\\worker\d\d\.exe")
    gdb.do("finish", r"Value returned is \$\d+ = 3$")
    gdb.do("delete")
    gdb.do("continue", r"exited with code 07")
    test.expect(server.wait() == 0, "winstub did not end with the child")


@with_dlls_and_gdb
def a_child_is_debugged_from_main(test):
    server = test.serve("--log=rsp", "--root", test.dlls, "--debug-child", "*", "--stop", "main", program(test, "launch"), worker(test), "spin")
    gdb = test.debug(program(test, "worker"))
    gdb.connect(server)
    gdb.do("info symbol $pc", r"^main ")
    gdb.do("tbreak spin")
    gdb.do("continue", r"spin \(\)")
    resume(gdb, server)
    gdb.interrupt()
    gdb.saw("continue", [r"SIGINT", r"in spin \(\)|spin \(\)"])
    gdb.do("set variable go_on = 1")
    gdb.do("continue", r"exited with code 013")


@with_dlls
def a_child_that_never_comes_is_an_error(test):
    errors = test.run("--root", test.dlls, "--gdb", "0", "--debug-child", "other.exe", program(test, "launch"), worker(test), "add", "1",
                      status=125)
    test.expect("no child process whose program is other.exe" in errors, errors)


def a_child_is_debugged_by_lldb(test):
    server = test.serve("--root", test.dlls, "--debug-child", worker(test), program(test, "launch"), worker(test), "add", "5", "6")
    text = lldb(test, server, program(test, "worker"), "breakpoint set -n add", "continue", "frame variable n", "breakpoint delete -f",
                "continue")
    expect(text, r"stop reason = breakpoint 1\.1", r"\(int\) n = 5", r"exited with status = 11")


a_child_is_debugged_by_lldb.matrix = [(None, 64, SYSROOTS[0])]
