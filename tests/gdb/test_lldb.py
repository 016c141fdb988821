"""lldb: the same things that gdb does, by its own packets."""
import os
import re
import subprocess

from matrix import WIDTHS
from session import PATIENCE, Failed

TRIPLES = {64: "x86_64-pc-windows-msvc", 32: "i386-pc-windows-msvc"}


def lldb(test, server, program, *commands):
    """What lldb prints in a session of these commands."""
    command = ["lldb", "--no-lldbinit", "--no-use-colors", "--batch",
               "-o", f"settings set plugin.process.gdb-remote.packet-timeout {PATIENCE:.0f}",
               "-o", f"target create --arch {TRIPLES[test.bits]} {program}",
               "-o", f"gdb-remote 127.0.0.1:{server.port}"]
    for line in commands:
        command += ["-o", line]
    test.transcript.add("shell", " ".join(command) + "\n")
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=PATIENCE, check=False, env=dict(os.environ, TERM="dumb", HOME=test.folder))
    except subprocess.TimeoutExpired:
        raise Failed("lldb did not end") from None
    text = done.stdout.decode(errors="replace")
    test.transcript.add("lldb", text)
    return text


def expect(text, *wanted):
    for pattern in wanted:
        if not re.search(pattern, text, re.M):
            raise Failed(f"lldb did not print '{pattern}'")


def both_widths(test):
    test.matrix = [(None, bits) for bits in WIDTHS]
    return test


@both_widths
def lldb_finds_the_program_and_its_libraries(test):
    program = test.guest("debuggee")
    server = test.serve(program)
    text = lldb(test, server, program, "image list", "thread list", "process detach --keep-stopped true")
    expect(text, r"^\[  0\] .*debuggee", r"(?i)kernel32\.dll", r"name = 'main'", r"`start", r"detached")
    test.expect("0x0000000140000000" not in text, "the program is at its link address")
    test.expect(server.process.poll() is None, "the server did not stay")


@both_widths
def lldb_breaks_steps_and_calls(test):
    program = test.guest("debuggee")
    server = test.serve(program)
    text = lldb(test, server, program, "breakpoint set -n square", "continue", "bt", "thread step-over",
                "frame variable n", "register read arg1", "process plugin packet send qModuleInfo:" +
                os.path.basename(program).encode().hex() + ";", "thread step-out", "expression (int)square(12)", "register read --all",
                "breakpoint delete -f", "continue")
    expect(text, r"stop reason = breakpoint 1\.1", r"frame #1: .*sum_of_squares", r"frame #3: .*`main",
           r"stop reason = step over", r"\(int\) n = 1", r"stop reason = step out", r"exited with status = 42")
    expect(text, r"response: triple:[0-9a-f]+;file_path:[0-9a-f]+;file_offset:0;file_size:[0-9a-f]{4,};")
    if test.bits == 64:  # Windows' first argument; lldb 14 cannot call by 32-bit conventions
        expect(text, r"\(int\) \$\d+ = 144", r"rip = 0x", r"xmm15 = \{", r"^ +rcx = 0x0*1$")


@both_widths
def lldb_walks_the_memory_map(test):
    program = test.guest("debuggee")
    server = test.serve(program)
    text = lldb(test, server, program, "memory region $pc", "memory region 0",
                *["memory region"] * 12, "process detach --keep-stopped true")
    expect(text, r"r-x C:\\debuggee", r"^\[0x0+-0x")
    spans = [(int(low, 16), int(high, 16)) for low, high in re.findall(r"^\[(0x\w+)-(0x\w+)\)", text, re.M)][1:]
    test.expect(len(spans) >= 10 and all(a[1] == b[0] for a, b in zip(spans, spans[1:])), f"regions leave gaps: {spans}")


@both_widths
def lldb_shows_why_it_stopped(test):
    program = test.guest("debuggee")
    server = test.serve(program)
    text = lldb(test, server, program, "expression *(int *)&scenario = 3", "continue")
    expect(text, r"stop reason = STATUS_ACCESS_VIOLATION at .*reads")


@both_widths
def lldb_kills(test):
    program = test.guest("debuggee")
    server = test.serve(program)
    text = lldb(test, server, program, "kill")
    expect(text, r"exited with status = 9")
    test.expect("failed to send" not in text, "lldb complains about its own kill")
    server.wait()


@both_widths
def lldb_watches(test):
    program = test.guest("debuggee")
    server = test.serve(program)
    text = lldb(test, server, program, "breakpoint set -n compute", "continue", "watchpoint set variable ticks",
                "expression scenario", "continue", "process kill")
    expect(text, r"Watchpoint created: Watchpoint 1")


def lldb_unwinds_through_real_dlls(test):
    program = os.path.join(test.build, "programs", f"hello{test.bits}.exe")
    server = test.serve("--root", test.dlls, program)
    text = lldb(test, server, program, "image list", "breakpoint set -n main", "continue", "bt", "continue")
    expect(text, r"ntdll\.dll", r"stop reason = breakpoint 1\.1", r"frame #\d: .*kernel32\.dll`BaseThreadInitThunk",
           r"exited with status = 42")


lldb_unwinds_through_real_dlls.matrix = [(None, 64, "sysroot")]
