"""Extended mode: one gdb runs the program again and again, and the server outlives it."""
import os
import re

from matrix import GDBS, WIDTHS, with_each_gdb, with_one_gdb
from session import Wire


def extended(test, program, *arguments):
    server = test.serve(*arguments, program)
    gdb = test.debug(program)
    gdb.do(f"target extended-remote 127.0.0.1:{server.port}", r"Remote debugging using")
    return gdb, server


@with_each_gdb
def a_program_is_run_again(test):
    gdb, server = extended(test, test.guest("debuggee"))
    gdb.do("break square", r"Breakpoint 1")
    gdb.do("continue", r"Breakpoint 1, square \(n=1\)")
    first = gdb.evaluate("(long long) $pc")
    gdb.do("run", r"Breakpoint 1, square \(n=1\)")
    test.expect(gdb.evaluate("(long long) $pc") == first, "it lies elsewhere the second time")
    gdb.do("delete")
    gdb.do("continue", r"exited with code 052\]")
    gdb.do("tbreak compute")
    gdb.do("run", r"Temporary breakpoint 2, compute")
    gdb.do("kill", r"killed\]")
    gdb.do("tbreak compute")
    gdb.do("run", r"Temporary breakpoint 3, compute")
    gdb.do("continue", r"exited with code 052\]")
    gdb.quit()
    test.expect(server.process.poll() is None, "the server did not stay")


@with_each_gdb
def the_next_client_runs_what_has_ended(test):
    gdb, server = extended(test, test.guest("debuggee"))
    gdb.do("continue", r"exited with code 052\]")
    gdb.quit()
    again = test.debug(test.guest("debuggee"))
    again.do(f"target extended-remote 127.0.0.1:{server.port}", r"Remote debugging using")
    again.do("tbreak compute")
    again.do("run", r"Temporary breakpoint 1, compute")


@with_each_gdb
def images_lie_elsewhere_when_gdb_wants_that(test):
    gdb, _ = extended(test, test.guest("debuggee"))
    gdb.do("break square", r"Breakpoint 1")
    gdb.do("set disable-randomization off")
    places = set()
    for _ in range(3):
        gdb.do("run", r"Breakpoint 1, square \(n=1\)")
        places.add(gdb.evaluate("(long long) $pc"))
    test.expect(len(places) == 3, f"three runs were at {places}")
    gdb.do("next", r"return result")


def arguments_environment_and_directory_arrive(test):
    program = os.path.join(test.build, "programs", f"hello{test.bits}.exe")
    gdb, _ = extended(test, program, "--root", test.dlls, "--env", "KEEP=1", "--env", "GONE=1")
    gdb.do("break main", r"Breakpoint 1")
    gdb.do("set environment ADDED two words")
    gdb.do("unset environment GONE")
    gdb.do("set cwd C:\\\\windows")
    gdb.do("run first \"second one\"", r"Breakpoint 1, .*main \(argc=3")
    gdb.do("print argv[2]", r"\"second one\"$")
    for name, pattern in (("environ", r"(^|\0)ADDED=two words\0"), ("environ", r"\0KEEP=1\0")):
        pid = gdb.do("info inferiors", r"process \d+").split("process ")[1].split()[0]
        gdb.do(f"remote get /proc/{pid}/{name} {test.folder}/{name}", r"Successfully fetched")
        with open(f"{test.folder}/{name}", encoding="utf-8") as text:
            content = text.read()
        test.expect(re.search(pattern, content), f"{pattern!r} is not in {content!r}")
        test.expect("GONE" not in content, f"GONE is in {content!r}")
    gdb.do("monitor peb", r"^CurrentDirectory +C:\\windows\\$")


def what_was_asked_for_by_name_stays(test):
    program = os.path.join(test.build, "programs", f"hello{test.bits}.exe")
    gdb, _ = extended(test, program, "--root", test.dlls)
    gdb.do("set disable-randomization off")
    gdb.do("monitor catch load nothing*", r"catch 1")
    gdb.do("monitor break ntdll!NtTerminateProcess", r"catch 2: 1 place")
    gdb.do("monitor delete 1")
    gdb.do("continue", r"catch 2: ntdll(\.dll)?!NtTerminateProcess")
    first = gdb.evaluate("(long long) $pc")
    gdb.do("run", r"catch 2: ntdll(\.dll)?!NtTerminateProcess")
    test.expect(gdb.evaluate("(long long) $pc") != first, "it lies in the same place")


what_was_asked_for_by_name_stays.matrix = [(gdb, bits, "sysroot") for gdb in GDBS[1:2] for bits in WIDTHS]
arguments_environment_and_directory_arrive.matrix = [(gdb, bits, "sysroot") for gdb in GDBS[1:] for bits in WIDTHS]


@with_one_gdb
def a_guest_that_was_left_alone_is_taken_back(test):
    gdb, server = extended(test, test.guest("debuggee"))
    gdb.do("set variable scenario = FOREVER")
    pid = gdb.do("info inferiors", r"process \d+").split("process ")[1].split()[0]
    gdb.do("detach", r"detached\]")
    gdb.do(f"attach {pid}", r"Attaching to")
    gdb.do("print scenario", r"= FOREVER$|= 2$")
    gdb.do("print ticks > 0 || $pc != start", r"= 1$")
    gdb.do("kill", r"killed\]")
    gdb.do(f"attach {pid}", r"failed|No such|no such")
    gdb.do("tbreak compute")
    gdb.do("run", r"Temporary breakpoint 1, compute")
    test.expect(server.process.poll() is None, "the server has ended")


@with_one_gdb
def only_its_own_program_can_be_run(test):
    server = test.serve(test.guest("debuggee"))
    client = Wire(test, server)
    test.expect(client.ask("!") == b"OK", "there is no extended mode")
    test.expect(client.ask("vRun;" + "/etc/passwd".encode().hex()) == b"E02", "a file of the host was run")
    test.expect(client.ask("vRun;").startswith(b"T05"), "the program was not run")
    client.close()
