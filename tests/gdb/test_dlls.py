"""Programs on real DLLs: what they print, how they end, what a gdb sees of it."""
import os
import re
import subprocess

from matrix import with_dlls, with_dlls_and_gdb
from session import Failed, PATIENCE, TOP


def program(test, name):
    if not os.path.exists(os.path.join(test.dlls, "version")):
        raise Failed(f"{test.dlls} is missing: run `make {os.path.basename(test.dlls)}`")
    return os.path.join(test.build, "programs", f"{name}{test.bits}.exe")


def expected(name):
    with open(os.path.join(TOP, "tests", "programs", f"{name}.out"), encoding="utf-8") as file:
        return file.read()


def run_to_end(test, options, name, *arguments, given=""):
    """Run a program to its end."""
    command = [test.winstub, "--run", "--root", test.dlls, *options, program(test, name), *arguments]
    test.transcript.add("shell", " ".join(command) + "\n")
    done = subprocess.run(command, input=given.encode(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=PATIENCE, check=False)
    test.transcript.add("guest", done.stdout.decode(errors="replace"))
    test.transcript.add("winstub", done.stderr.decode(errors="replace"))
    test.expect(done.returncode >= 0, f"winstub was killed by signal {-done.returncode}")
    return done


def prints_as_expected(test, name, *arguments, status, options=(), given=""):
    """Run a program to its end; its standard output and its exit status are those written down."""
    done = run_to_end(test, options, name, *arguments, given=given)
    said = done.stdout.decode(errors="replace").replace("\r\n", "\n")
    said = re.sub(rf"\b({name}|plugin){test.bits}\.", r"\1.", said)  # names of files tell the width
    test.expect(done.returncode == status, f"exit status {done.returncode}, not {status}")
    test.expect(said == expected(name), "it printed something else")
    return done.stderr.decode(errors="replace")


# Programs that print what is written down and end with a status.
PROGRAMS = {
    "the_exit_code_arrives": ("exit7", 7),
    "handlers_see_exceptions_and_mend_them": ("exceptions", 5),
    "handlers_in_frames_are_found": ("frames", 2),
    "libraries_of_the_system_load": ("system", 5),
    "cpp_programs_have_threads": ("cpp_threads", 7),
    "an_exhausted_stack_is_an_exception": ("overflow", 9),
    "memory_and_libraries_answer_as_windows": ("memory", 3),
    "S10_S11_stacks_are_made_as_asked": ("stacks", 5),
    "libraries_come_and_go": ("loads", 4),
    "threads_begin_run_and_end": ("threads", 33),
    "waits_take_what_they_wait_for": ("sync", 11),
    "locks_of_user_mode_hold": ("locks", 12),
    "time_and_calls_come_when_they_should": ("clocks", 13),
    "ports_and_the_thread_pool_do_their_work": ("pools", 14),
    "pipes_carry_what_threads_say": ("pipes", 15),
    "changes_of_folders_are_told": ("changes", 17),
}


def program_test(title, name, status):
    def run_program(test):
        prints_as_expected(test, name, status=status)

    run_program.__name__ = title
    return with_dlls(run_program)


globals().update({title: program_test(title, *row) for title, row in PROGRAMS.items()})


@with_dlls
def console_programs_have_arguments_environment_and_streams(test):
    errors = prints_as_expected(test, "console", "one", "two words", status=3, options=("--env", "GREETING=good day"),
                                given="first\nsecond\n")
    test.expect("to the error stream" in errors, "nothing on standard error")


@with_dlls
def the_registry_is_furnished_from_a_file(test):
    header = "Windows Registry Editor Version 5.00\r\n\r\n"
    seed = test.file("seed.reg", (header + "[HKEY_LOCAL_MACHINE\\Software\\Seed]\r\n\"Name\"=\"from the file\"\r\n").encode("utf-16"))
    width = {64: "x86_64-windows", 32: "i386-windows"}[test.bits]
    reg = os.path.join(test.dlls, width, "reg.exe")
    done = subprocess.run([test.winstub, "--run", "--root", test.dlls, "--registry", seed, reg, "query", "HKLM\\Software\\Seed"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=PATIENCE, check=False)
    test.expect(re.search(rb"Name +REG_SZ +from the file", done.stdout), f"{done.stdout} {done.stderr}")
    broken = test.file("broken.reg", (header + "[Nowhere]\r\n").encode())
    errors = test.run("--root", test.dlls, "--run", "--registry", broken, program(test, "exit7"), status=2)
    test.expect("broken.reg: line 3: a key begins with HKEY_" in errors, errors)


@with_dlls
def handlers_are_asked_in_their_order(test):
    errors = prints_as_expected(test, "handlers", status=128 + 11)
    test.expect(f"handlers{test.bits}.exe+0x" in errors, "the place of the last fault is not named")


@with_dlls
def cpp_programs_throw_and_unwind(test):
    prints_as_expected(test, "cpp", status=6, given="one two\n")


@with_dlls
def an_exception_that_nobody_catches_aborts(test):
    errors = prints_as_expected(test, "uncaught", status=3)
    test.expect("what():  nobody wants it" in errors, "the exception is not named")


@with_dlls
def an_unhandled_fault_ends_the_program(test):
    errors = prints_as_expected(test, "crash", status=128 + 11)
    test.expect("STATUS_ACCESS_VIOLATION" in errors, "the reason is not named")


@with_dlls
def F09_a_release_wants_no_size(test):
    prints_as_expected(test, "release", status=5)


@with_dlls
def files_and_folders_answer_as_windows(test):
    drive = os.path.join(test.folder, "drive")
    os.mkdir(drive)
    with open(os.path.join(test.folder, "b.txt"), "w", encoding="utf-8") as outside:
        outside.write("not the guest's")
    prints_as_expected(test, "files", status=4, options=("--drive", f"D={drive}"))
    test.expect(sorted(os.listdir(drive)) == ["link.txt", "sub2"], "the drive holds something else")
    test.expect(sorted(os.listdir(test.folder)) == ["b.txt", "drive"], "something was made outside the drive")


@with_dlls
def mapped_files_and_their_handles_agree(test):
    drive = os.path.join(test.folder, "drive")
    os.mkdir(drive)
    prints_as_expected(test, "mapped", status=6, options=("--drive", f"D={drive}"))
    with open(os.path.join(drive, "mapped.bin"), "rb") as file:
        test.expect(file.read() == b"f", "the file holds something else")


def service_table():
    """Every service and its arguments, a line each, as the hostile program reads them."""
    with open(os.path.join(TOP, "core", "nt", "services.h"), encoding="utf-8") as header:
        rows = re.findall(r'S\((\w+),\s*"([^"]*)"\)', header.read())
    return "".join(f"{name} {letters}\n" for name, letters in rows).encode()


@with_dlls
def hostile_calls_of_every_service_harm_nobody_else(test):
    drive = os.path.join(test.folder, "drive")
    os.mkdir(drive)
    os.symlink("..", os.path.join(drive, "link"))
    outside = test.file("outside.txt", b"not the guest's")
    test.file("drive/table.txt", service_table())
    names = re.findall(rb"^Nt\w+", service_table(), re.M)
    far = 0
    for seed in "123":
        done = run_to_end(test, ["--drive", f"D={drive}"], "hostile", "D:\\table.txt", seed, "12000")
        said = done.stdout.decode(errors="replace")
        counts = re.search(r"^(\d+) services, not in ntdll:(.*?)\r?$", said, re.M)
        test.expect(counts and int(counts.group(1)) + len(counts.group(2).split()) == len(names), said)
        # Wine 8 lacks some, newer ones have all but this.
        test.expect(test.dlls.endswith("8") or counts.group(2).split() in ([], ["NtGetNextProcess"]), said)
        far += "call 5000" in said  # each was called many times; a program that breaks itself gets less far
        test.expect(" succeeded with " not in said, said)
        children = re.search(r"; (\d+) children", said)
        test.expect(not children or int(children.group(1)) > 5, "hardly any call was made to a child")
        # It ends, breaks itself, or waits for what never comes.
        test.expect(done.returncode == 0 or done.returncode > 128 or b"no thread can go on" in done.stderr,
                    f"winstub ended with {done.returncode}")
        with open(outside, "rb") as file:
            test.expect(file.read() == b"not the guest's", "a file outside the drive was changed")
        test.expect(sorted(os.listdir(test.folder)) == ["drive", "outside.txt"], "something was made outside the drive")
    test.expect(far, "no run got far")


@with_dlls
def services_that_are_missing_are_named_once(test):
    errors = prints_as_expected(test, "missing", status=0, options=("--log=nt",))
    test.expect(errors.count("NtLoadDriver: winstub has no such service") == 1, "it is not named once")
    if test.bits == 64:
        test.expect("system call 0x7fff: no such service in ntdll or win32u" in errors, "the number is not named")


@with_dlls
def a_folder_without_dlls_is_refused(test):
    errors = test.run("--root", test.folder, "--run", program(test, "exit7"), status=2)
    test.expect("no ntdll.dll" in errors, errors)


def session(test, name, *arguments):
    path = program(test, name)
    server = test.serve("--root", test.dlls, path, *arguments)
    gdb = test.debug(path)
    gdb.connect(server)
    return gdb, server


@with_dlls_and_gdb
def the_first_stop_is_the_entry_point(test):
    gdb, _ = session(test, "console")
    gdb.do("info symbol $pc", r"mainCRTStartup")
    gdb.do("info sharedlibrary", r"(?i)ntdll\.dll", r"(?i)kernel32\.dll", r"(?i)msvcrt\.dll")
    gdb.do("break main", r"Breakpoint 1")
    gdb.do("continue", r"Breakpoint 1, main")
    gdb.do("print argc", r"= 1")


PLACES = {"entry": r"mainCRTStartup", "main": r"^main ", "tls": r"__dyn_tls_init|tls_callback", "loader": r"LdrInitializeThunk"}


@with_dlls_and_gdb
def the_first_stop_is_where_the_user_wants_it(test):
    path = program(test, "hello")
    for place, symbol in PLACES.items():
        server = test.serve("--root", test.dlls, "--stop", place, path)
        gdb = test.debug(path)
        gdb.connect(server)
        gdb.do("info symbol $pc", symbol)
        gdb.do("kill")


@with_dlls_and_gdb
def a_program_without_symbols_stops_at_its_entry_point(test):
    path = os.path.join(test.folder, "stripped.exe")
    subprocess.run(["x86_64-w64-mingw32-strip", "-o", path, program(test, "hello")], check=True)
    server = test.serve("--root", test.dlls, "--stop", "main", path)
    test.expect("no symbol says where main is" in server.errors.text, "it does not say so")
    gdb = test.debug(program(test, "hello"))
    gdb.connect(server)
    gdb.do("info symbol $pc", r"mainCRTStartup")


@with_dlls
def a_program_that_nobody_stops_runs_at_once(test):
    server = test.serve("--root", test.dlls, "--stop", "none", program(test, "hello"))
    test.expect(server.output.wait(r"hello from"), "it did not run")
    test.expect(server.wait() == 0, "winstub did not end with it")


@with_dlls_and_gdb
def output_goes_where_it_is_wanted(test):
    gdb, server = session(test, "hello")
    gdb.do("monitor output", r"here")
    gdb.do("monitor output gdb", r"gdb")
    gdb.do("monitor output nowhere", r"usage")
    answer = gdb.do("continue", r"hello from", r"exited with code 052")
    test.expect("hello from" not in server.output.text, "it was printed twice")
    test.expect(answer.count("hello from") == 1, "gdb showed it twice")


@with_dlls_and_gdb
def a_fault_stops_before_the_handlers_and_is_passed_on_to_them(test):
    gdb, server = session(test, "exceptions")
    gdb.do("monitor exception all", r"all")
    gdb.do("continue", r"SIGSEGV", r"in main")
    gdb.do("continue", r"SIGTRAP")  # the fault went to the handler, which mended it
    test.expect(server.output.wait(re.compile("exception c0000005")), "the handler was not asked")
    gdb.do("signal SIGTRAP", r"SIGFPE")
    gdb.do("continue", r"exception 0xe0001234 at .*kernelbase.*: raised by the program$")
    gdb.do("continue", r"SIGSEGV")  # the guard page
    gdb.do("continue", r"exited with code 05")


@with_dlls_and_gdb
def an_exception_of_the_programs_own_can_be_kept_from_it(test):
    gdb, _ = session(test, "exceptions")
    gdb.do("handle SIGSEGV SIGFPE SIGTRAP nostop noprint pass")
    gdb.do("monitor exception all", r"all")
    gdb.do(f"break *(void *) &{symbol(test, 'RtlRaiseException', 4)}")
    gdb.do("continue", r"Breakpoint 1,.* RtlRaiseException")
    gdb.do("continue", r"exception 0xe0001234 at .*: raised by the program$")
    gdb.do("backtrace", r"RaiseException", r" main \(\)")
    gdb.do("signal 0", r"exited with code 04")  # one less than the program counts without a debugger


@with_dlls_and_gdb
def cpp_exceptions_are_the_programs_business(test):
    gdb, _ = session(test, "cpp")
    gdb.do("catch throw", r"Catchpoint 1")
    gdb.do("continue", r"Catchpoint 1 \(exception thrown\)")
    gdb.do("backtrace", r"deep \(n=n@entry=3\)", r"main \(\)")
    gdb.do("delete")
    gdb.do("continue", r"exited with code 06")


SYSCALL = {64: 0x050F, 32: 0x2ECD}  # the instruction's two bytes: syscall, int 2eh


def symbol(test, name, argument_bytes):
    """What gdb calls a function of a DLL; a 32-bit one says in its name how much it pops."""
    return name if test.bits == 64 else f"'{name}@{argument_bytes}'"


@with_dlls_and_gdb
def a_step_over_a_system_call_stops_behind_it(test):
    gdb, _ = session(test, "console")
    gdb.do(f"tbreak *(void *) &{symbol(test, 'NtWriteFile', 36)}")
    gdb.do("continue", r"NtWriteFile")
    for _ in range(10):
        if gdb.evaluate("*(unsigned short *) $pc") == SYSCALL[test.bits]:
            break
        gdb.do("stepi")
    before = gdb.evaluate("$pc")
    gdb.do("stepi")
    if test.bits == 64:
        test.expect(gdb.evaluate("$pc") == before + 2, "the step did not stop behind the system call")
    gdb.do("info symbol $pc", r"NtWriteFile")  # a 32-bit DLL's call is made elsewhere and returns to it


@with_dlls
def the_place_of_a_fatal_fault_is_named(test):
    errors = test.run("--root", test.dlls, "--run", program(test, "loads"), "fault", status=128 + 11)
    test.expect(re.search(r"ACCESS_VIOLATION at 0x[0-9a-f]+ \(plugin\d\d\.dll\+0x[0-9a-f]+\).* reads 4 bytes at 0x10",
                          errors), errors)


@with_dlls_and_gdb
def a_library_can_be_caught_before_its_dllmain_runs(test):
    gdb, _ = session(test, "loads")
    gdb.do("catch load plugin")
    gdb.do("continue", r"Inferior loaded .*plugin\d\d\.dll", r"NtMapViewOfSection")
    gdb.do("backtrace", r"in LdrLoadDll", r"in main ")
    gdb.do("print attached", r"= 0$")
    gdb.do("break plugin.c:10")
    gdb.do("continue", r"DllMain(@12)? \(self=0x[0-9a-f]+, reason=1,")
    gdb.do("finish", r"Run till exit")
    gdb.do("print attached", r"= 42$")


@with_dlls_and_gdb
def backtraces_lead_through_libraries(test):
    gdb, _ = session(test, "loads", "fault")
    gdb.do("break back")
    gdb.do("continue", r"Breakpoint 1, back \(n=4\)")
    gdb.do("backtrace", r"#1 .* plugin_call \(.* n=4\)", r"#2 .* main \(argc=2")
    gdb.do("break compare")
    gdb.do("continue", r"Breakpoint 2, compare")
    gdb.do("backtrace", r" qsort \(", r" main \(argc=2")
    gdb.do("delete")
    gdb.do("continue", r"plugin\d\d\.dll\+0x[0-9a-f]+\).* reads 4 bytes at 0x10", r"SIGSEGV",
           r"in plugin_read \(from=0x10\)")
    gdb.do("backtrace", r"#1 .* main \(argc=2")
    gdb.do("continue", r"exited with code 030000000005")


@with_dlls_and_gdb
def texts_of_the_program_can_be_read(test):
    gdb, _ = session(test, "missing")
    gdb.do("break main")
    gdb.do("continue", r"Breakpoint 1, main")
    gdb.do("x/s narrow", r'"a narrow text"$')
    gdb.do("x/hs wide", r'u"a wide text"$')
    gdb.do("print narrow", r'0x[0-9a-f]+ .*"a narrow text"$')


@with_dlls_and_gdb
def functions_of_the_program_can_be_called(test):
    gdb, _ = session(test, "loads")
    gdb.do("break compare")
    gdb.do("continue", r"Breakpoint 1, compare")
    gdb.do("delete")
    gdb.do("print answer()", r"= 42$")
    if test.bits == 32 or "mingw" in test.gdb:  # the others pass 64-bit arguments as Linux does
        gdb.do("print add_up(1, 2, 3, 4, 5)", r"= 54321$")
        gdb.do("print plugin_call(back, 5)", r"= 52$")
    gdb.do("backtrace", r"#0 +compare", r" main \(argc=1")
    gdb.do("continue", r"exited with code 04")
