"""Child processes: what programs do with them, and what a debugger sees of both sides."""
import os
import re
import subprocess

from matrix import SYSROOTS, with_dlls, with_dlls_and_gdb
from session import PATIENCE
from test_dlls import program, program_test, run_to_end, session
from test_lldb import expect, lldb
from test_session import resume

# Programs that print what is written down and end with a status.
PROGRAMS = {
    "children_are_told_inherit_and_end": ("spawn", 21),
    "processes_share_names_sections_and_handles": ("shared", 22),
    "memory_and_threads_of_others_are_reached": ("reach", 23),
    "code_and_libraries_are_injected": ("inject", 24),
    "a_hollowed_process_runs_another_program": ("hollow", 25),
    "lists_of_processes_tell_who_is_there": ("family", 26),
}
globals().update({title: program_test(title, *row) for title, row in PROGRAMS.items()})


def children_race_the_same_way_every_time(test):
    runs = [run_to_end(test, [], "spawn", "race") for _ in range(2)]
    test.expect(all(run.returncode == 20 for run in runs), "a run failed")
    test.expect(runs[0].stdout.count(b"\n") == 8 * 4 + 1, "a line is missing")
    test.expect(runs[0].stdout == runs[1].stdout, "the runs differ")


children_race_the_same_way_every_time.matrix = [(None, 64, SYSROOTS[0]), (None, 32, SYSROOTS[1])]


@with_dlls
def children_of_the_other_width_run(test):
    other = 96 - test.bits
    done = run_to_end(test, [], "launch", f"worker{other}.exe", "add", "3", "4")
    test.expect(done.returncode == 8, f"exit status {done.returncode}, not 8")
    test.expect(re.fullmatch(rf"the sum is 7\r?\nworker{other}\.exe ended with 7\r?\n", done.stdout.decode()), "it printed something else")


# What a 64-bit process sees of a 32-bit one, and the other way round.
REACHED = {
    64: """it is a narrow one: yes
its 32-bit context: done
its 64-bit context: done, the same
its PEB knows its image: yes
it is sent elsewhere: done
it ended with 5a
""",
    32: """it is a narrow one: no
its context: refused
a thread in it ended with 5a
it ended with 5a
""",
}


@with_dlls
def processes_of_the_other_width_are_reached(test):
    done = run_to_end(test, [], "narrow", f"worker{96 - test.bits}.exe")
    test.expect(done.returncode == 27, f"exit status {done.returncode}, not 27")
    test.expect(done.stdout.decode().replace("\r", "") == REACHED[test.bits], "it printed something else")


@with_dlls
def the_command_processor_starts_programs_and_pipes(test):
    folder = {64: "x86_64-windows", 32: "i386-windows"}[test.bits]
    drive = os.path.join(test.folder, "drive")
    os.mkdir(drive)
    for name, text in (("worker.exe", None), ("words.txt", b"pear\r\napple\r\nfig\r\n")):
        with open(os.path.join(drive, name), "wb") as out, open(program(test, "worker"), "rb") as exe:
            out.write(text or exe.read())
    for line, wanted in (("worker.exe add 20 22", "the sum is 42"), ("type words.txt | more", "pear\napple\nfig")):
        command = [test.winstub, "--run", "--root", test.dlls, "--drive", f"C={drive}", os.path.join(test.dlls, folder, "cmd.exe"),
                   "/c", line]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=PATIENCE, check=False)
        said = done.stdout.decode(errors="replace").replace("\r\n", "\n")
        test.transcript.add("guest", said + done.stderr.decode(errors="replace"))
        test.expect(said.strip() == wanted, f"{line} printed something else")


@with_dlls
def children_outlive_the_first_process_when_nobody_debugs(test):
    done = run_to_end(test, [], "launch", "--leave", f"worker{test.bits}.exe", "add", "1", "2")
    test.expect(done.returncode == 4, f"exit status {done.returncode}, not the first one's")
    test.expect(b"the sum is 3" in done.stdout, "the child did not run to its end")


@with_dlls
def who_has_no_dlls_for_a_child_is_told(test):
    root = os.path.join(test.folder, "root")
    os.mkdir(root)
    for name in ({64: "x86_64-windows", 32: "i386-windows"}[test.bits], "nls"):
        os.symlink(os.path.realpath(os.path.join(test.dlls, name)), os.path.join(root, name))
    other = f"worker{96 - test.bits}.exe"
    done = subprocess.run([test.winstub, "--run", "--root", root, program(test, "launch"), other, "add", "1"], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=PATIENCE, check=False)
    test.transcript.add("guest", (done.stdout + done.stderr).decode(errors="replace"))
    test.expect(re.search(rf"winstub: process \d+ cannot start C:\\{other}: .*it has only {test.bits}-bit DLLs".encode(), done.stderr),
                "nobody says why the child did not start")


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
def the_end_of_a_child_is_told(test):
    gdb, _ = session(test, "launch", worker(test), "add", "1", "2")
    gdb.do("continue", r"child process \d+ began: .*add 1 2", r"child process \d+ ended with exit code 3$", r"exited with code 04")


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


@with_dlls_and_gdb
def what_a_child_is_hollowed_for_is_debugged(test):
    server = test.serve("--root", test.dlls, "--debug-child", "*", program(test, "hollow"))
    gdb = test.debug(program(test, "hello"))
    gdb.connect(server)
    gdb.do("monitor processes", r"running +C:\\hollow\d\d\.exe", r"debugged +C:\\hollow\d\d\.exe +\"C:\\hollow\d\d\.exe\" victim")
    gdb.do("info symbol $pc", r"mainCRTStartup")  # hello's
    gdb.do("break main", r"Breakpoint 1")
    gdb.do("continue", r"Breakpoint 1, main \(argc=2")
    gdb.do('eval "monitor query %llx", (unsigned long long) $pc', r"Protect +EXECUTE_READ$", r"Type +PRIVATE$")
    gdb.do("info sharedlibrary", r"(?i)ntdll\.dll", r"(?i)msvcrt\.dll")
    gdb.do("continue", r"exited with code 052")


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
