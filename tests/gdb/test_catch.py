"""Catches, traces, coverage and steps that winstub makes by itself, as a user of gdb asks for them."""
import os
import re
import struct

from matrix import with_each_gdb, with_one_gdb, with_dlls_and_gdb
from session import TOP
from test_dlls import program

GDBINIT = os.path.join(TOP, "gdbinit")


def session_on_dlls(test, name, *arguments):
    path = program(test, name)
    server = test.serve("--root", test.dlls, *arguments, path)
    gdb = test.debug(path)
    gdb.connect(server)
    return gdb, server


class Drcov:
    """A file of drcov's, version 2, read as Lighthouse reads it: a table of modules, then blocks of 8 bytes."""

    def __init__(self, path):
        with open(path, "rb") as file:
            data = file.read()
        head, _, rest = data.partition(b"BB Table: ")
        lines = head.decode().splitlines()
        assert lines[0] == "DRCOV VERSION: 2" and lines[1] == "DRCOV FLAVOR: drcov", lines[:2]
        count = int(re.fullmatch(r"Module Table: version 2, count (\d+)", lines[2]).group(1))
        names = lines[3].removeprefix("Columns: ").split(", ")
        assert names == ["id", "base", "end", "entry", "checksum", "timestamp", "path"], names
        self.modules = []
        for number, line in enumerate(lines[4:]):
            cells = [cell.strip() for cell in line.split(", ", len(names) - 1)]
            assert int(cells[0]) == number, line
            self.modules.append((int(cells[1], 16), int(cells[2], 16), cells[6]))
        assert len(self.modules) == count
        blocks, _, table = rest.partition(b" bbs\n")
        assert len(table) == 8 * int(blocks), (blocks, len(table))
        self.blocks = [struct.unpack_from("<IHH", table, 8 * i) for i in range(int(blocks))]
        for start, size, module in self.blocks:
            base, end, _ = self.modules[module]
            assert start + size <= end - base, (start, size, module)

    def covered(self, name):
        """Offsets of blocks in modules whose path ends with name."""
        return {start for start, _, module in self.blocks if self.modules[module][2].lower().endswith(name)}


# ---- Bare mode ----

@with_each_gdb
def functions_are_caught_without_symbols_of_theirs(test):
    gdb, _ = test.session("imports")
    gdb.do("monitor break kernel32!createfile*", r"catch 1: \d places$")
    gdb.do("continue", r"catch 1: kernel32!CreateFileA\(0x[0-9a-f]+ \"C:.notes", r"called from 0x[0-9a-f]+ \(imports")
    gdb.do("monitor breaks", r"^1 +function .* 1 +1 +stop +kernel32!createfile\*$")
    gdb.do("monitor delete 1")
    gdb.do("monitor delete 1", r"there is no '1'")
    gdb.do("monitor catch api Nowhere*", r"catch 2: no such function yet")


@with_each_gdb
def a_catch_stops_gdbs_own_next(test):
    gdb, _ = test.session("debuggee")
    gdb.do("break compute")
    gdb.do("continue", r"Breakpoint 1, compute")
    square = gdb.evaluate("(unsigned long long) &square")
    gdb.do(f"monitor break {square:#x}", r"catch 1")
    gdb.do("next")
    gdb.do("next", r"catch 1: reached", r"square \(")
    gdb.do("monitor delete all")
    gdb.do("finish", r"sum_of_squares")
    gdb.do("continue", r"exited with code 052\]")


@with_each_gdb
def steps_over_and_out_take_one_packet(test):
    gdb, server = test.session("debuggee", "--log=rsp")
    gdb.do(f"source {GDBINIT}")
    gdb.do("break compute")
    gdb.do("continue", r"Breakpoint 1, compute")
    gdb.do("winstub next", r"MARK compute \*/")
    gdb.do("winstub next", r"MARK computed")
    gdb.do("monitor step out")
    gdb.do("monitor step over")
    bent = server.errors.wait(r"w qRcmd,73746570206f766572\n(?s:.*)w qRcmd,73746570206f766572\n(.*\n)*?(?=.*w qRcmd,73746570206f7574)")
    stops = re.findall(r"r T05", bent.group(0).rsplit("w qRcmd", 1)[1])
    test.expect(len(stops) == 1, f"{len(stops)} stops instead of one")
    gdb.do("print sum", r"= 14$")
    gdb.do("continue", r"exited with code 052\]")


@with_each_gdb
def out_needs_no_frame(test):
    gdb, _ = test.session("debuggee")
    gdb.do(f"source {GDBINIT}")
    gdb.do("break square")
    gdb.do("continue", r"Breakpoint 1, square \(n=1\)")
    gdb.do("winstub out", r"sum_of_squares \(count=3\)")
    gdb.do("winstub over")
    gdb.do("winstub out", r"Breakpoint 1, square \(n=2\)")
    gdb.do("delete")
    gdb.do("winstub out", r"sum_of_squares")
    gdb.do("winstub out", r"compute \(\)")
    gdb.do("continue", r"exited with code 052\]")


@with_each_gdb
def hits_are_counted(test):
    gdb, _ = test.session("debuggee")
    gdb.do("set breakpoint condition-evaluation target")
    gdb.do("break square if n == 3")
    gdb.do("continue", r"Breakpoint 1, square \(n=3\)")
    gdb.do("monitor breaks", r"breakpoint +0x[0-9a-f]+ +1 +3 +1 +gdb's +debuggee")
    gdb.do("monitor breaks --json", r'"Reached": 3, "Hits": 1')


@with_each_gdb
def unchanged_writes_stop_on_demand(test):
    gdb, _ = test.session("debuggee")
    gdb.do("set variable scenario = 2")
    ticks = gdb.evaluate("(unsigned long long) &ticks")
    gdb.do(f"monitor watch {ticks:#x} 4 write any", r"catch 1")
    gdb.do("continue", r"catch 1: pc 0x[0-9a-f]+ \(debuggee\d\d.exe\+0x[0-9a-f]+\) (writes|changes) 4 bytes at "
           r"0x[0-9a-f]+: 0x00000000 -> 0x00000001", r"forever")


@with_one_gdb
def shellcode_is_seen_walking_to_its_function(test):
    arch = {64: "x86-64", 32: "x86"}[test.bits]
    server = test.serve("--raw", "--arch", arch, test.guest("shell_peb", "bin"))
    gdb = test.debug()
    gdb.connect(server)
    gdb.do("monitor trace reads peb,ldr,exports on")
    gdb.do("monitor break kernel32!WinExec", r"catch 1: 1 place")
    gdb.do("monitor hash 876f8b31", r"KERNEL32.DLL!WinExec +ror 13, add +module \(UTF-16, upper case, NUL\) \+ name \(NUL\)")
    gdb.do("continue", r"pc 0x[0-9a-f]+ reads PEB\.Ldr \(0x[0-9a-f]+\) +mov ", r"reads PEB_LDR_DATA\.",
           r"reads loader entry of kernel32.dll\.DllBase", r"reads kernel32.dll export names, \d+ names",
           r"reads kernel32.dll export addresses", r"catch 1: kernel32!WinExec\(0x[0-9a-f]+ \"calc.exe\", 0x1",
           r"called from 0x[0-9a-f]+")
    gdb.do("monitor teb", r"(?i)ProcessEnvironmentBlock|PEB")


@with_one_gdb
def coverage_is_saved_where_winstub_runs(test):
    gdb, _ = test.session("debuggee")
    name = f"check-{os.getpid()}-{test.bits}.drcov"
    gdb.do("monitor coverage save x", r"there is no coverage")
    square = gdb.evaluate("(unsigned long long) &square")
    base = gdb.evaluate("(unsigned long long) &start") & ~0xFFF
    gdb.do("break compute")
    gdb.do("monitor coverage start")
    gdb.do("continue", r"Breakpoint 1, compute")
    gdb.do("monitor coverage save /tmp/x", r"'/tmp/x' is no plain file name")
    gdb.do("finish", r"main")
    gdb.do(f"monitor coverage save {name}", rf"coverage saved in {name}")
    gdb.do(f"monitor coverage save {name}", r"is there already")
    try:
        file = Drcov(name)
    finally:
        os.unlink(name)
    test.expect(square - base + 0x1000 in file.covered(f"debuggee{test.bits}.exe"), "square is not covered")


# ---- On DLLs ----

@with_dlls_and_gdb
def an_unpacked_page_stops_when_it_runs(test):
    gdb, _ = session_on_dlls(test, "unpack")
    gdb.do("monitor break-on exec-after-write private", r"catch 1")
    writer = gdb.evaluate("(unsigned long long) &second_layer")
    text = gdb.do("continue", r"catch 1: first execution of a written page", r"last written by pc 0x[0-9a-f]+ \(unpack",
                  r"thread \d+; \d+ pages written", r"Program stopped")
    pc = int(re.search(r"last written by pc (0x[0-9a-f]+)", text).group(1), 16)
    test.expect(writer <= pc < writer + 0x60, f"{pc:#x} is not in second_layer ({writer:#x})")
    gdb.do("x/2i $pc", r"mov +\$0x6,%eax", r"imul")
    gdb.do("monitor writers", r"code +0x0*%x" % pc)
    code = gdb.evaluate("(unsigned long long) $pc")
    name = os.path.join(test.folder, "unpacked.bin")
    gdb.do(f"dump binary memory {name} {code:#x} {code + 9:#x}")
    with open(name, "rb") as file:
        test.expect(file.read() == bytes.fromhex("b8060000006bc007c3"), "what was dumped is not what was unpacked")
    gdb.do("continue", r"exited with code 052\]")


@with_dlls_and_gdb
def pending_functions_and_modules_are_caught_when_they_come(test):
    gdb, _ = session_on_dlls(test, "unpack")
    gdb.do("monitor break version!GetFileVersionInfoSizeA", r"catch 1: no such function yet")
    gdb.do("monitor catch load version*", r"catch 2")
    for _ in range(2):
        gdb.do("continue", r"catch 2: version.dll loaded at 0x")
        gdb.do("info sharedlibrary", r"version.dll")
        gdb.do("continue", r"catch 1: version!GetFileVersionInfoSizeA\(0x[0-9a-f]+ \"nothere.dll\"", r"called from 0x[0-9a-f]+ \(unpack")
    gdb.do("continue", r"exited with code 052\]")


@with_dlls_and_gdb
def an_unpacked_page_is_found_at_full_speed(test):
    gdb, _ = session_on_dlls(test, "unpack")
    gdb.do("monitor break-on exec-after-write private first", r"catch 1")
    writer = gdb.evaluate("(unsigned long long) &first_layer")
    text = gdb.do("continue", r"catch 1: first execution of a written page", r"written (first )?by pc 0x[0-9a-f]+ \(unpack",
                  r"Program stopped")
    pc = int(re.search(r"written (?:first )?by pc (0x[0-9a-f]+)", text).group(1), 16)
    test.expect(writer <= pc < writer + 0x60, f"{pc:#x} is not in first_layer ({writer:#x})")
    gdb.do("continue", r"exited with code 052\]")


@with_dlls_and_gdb
def breakpoints_wait_for_their_library_to_come_back(test):
    gdb, _ = session_on_dlls(test, "unpack")
    gdb.do("monitor catch load version*", r"catch 1")
    gdb.do("continue", r"catch 1: version.dll loaded at 0x")
    text = gdb.do("monitor exports version GetFileVersionInfoSizeA", r"GetFileVersionInfoSizeA")
    place = re.search(r"(0x[0-9a-f]+)", text).group(1)
    gdb.do(f"break *{place}", r"Breakpoint 1")
    gdb.do(f"hbreak *{place}", r"breakpoint 2")
    gdb.do("monitor delete 1")
    gdb.do("continue", r"Breakpoint 1")
    gdb.do("continue", r"Breakpoint 1")  # it was freed and loaded again in between
    gdb.do("delete 1")
    gdb.do("continue", r"exited with code 052\]")


@with_dlls_and_gdb
def services_are_caught_before_they_are_served(test):
    gdb, _ = session_on_dlls(test, "unpack")
    gdb.do("monitor catch syscall NtProtectVirtualMem*", r"catch 1")
    gdb.do("break second_layer")
    gdb.do("continue", r"Breakpoint 1|catch 1")
    gdb.do("monitor catch syscall unknown log", r"catch 2")
    gdb.do("delete")
    gdb.do("continue", r"catch 1: NtProtectVirtualMemory\(0xffffffff", r"returning to 0x[0-9a-f]+ \(")
    gdb.do("stepi")  # serves it
    gdb.do("monitor delete 1")
    gdb.do("continue", r"exited with code 052\]")


@with_dlls_and_gdb
def services_that_are_missing_are_caught(test):
    gdb, _ = session_on_dlls(test, "missing")
    gdb.do("monitor catch syscall unknown", r"catch 1")
    for _ in range(2):
        gdb.do("continue", r"catch 1: NtLoadDriver\(0x0", r"returning to 0x[0-9a-f]+ \(")
    gdb.do("monitor delete 1")
    gdb.do("continue", r"exited normally")


@with_dlls_and_gdb
def services_trigger_watchpoints(test):
    gdb, _ = session_on_dlls(test, "unpack")
    gdb.do("watch got[1]", r"Hardware watchpoint 1: got\[1\]")
    gdb.do("continue", r"Hardware watchpoint 1: got\[1\]", r"New value = 101 'e'")
    gdb.do("delete 1")
    gdb.do("rwatch given[2]", r"Hardware read watchpoint 2: given\[2\]")
    given = gdb.evaluate("(unsigned long long) &given")
    gdb.do(f"monitor watch {given + 5:x} 1 read log")
    gdb.do("continue", r"catch 1: a system service called from 0x[0-9a-f]+ .* reads at", r"Hardware read watchpoint 2: given\[2\]", r"Value = 118 'v'")
    gdb.do("continue", r"exited with code 052\]")


@with_dlls_and_gdb
def coverage_survives_a_library_that_goes(test):
    gdb, _ = session_on_dlls(test, "unpack")
    name = f"check-{os.getpid()}-{test.gdb}-{test.bits}.drcov"
    listed = gdb.do("monitor modules", r"unpack")
    base = int(re.search(r"^(0x[0-9a-f]+) .*unpack", listed, re.M).group(1), 16)
    main = gdb.evaluate("(unsigned long long) &first_layer") - base
    gdb.do(f"monitor coverage start {name}")
    gdb.do("continue", rf"coverage saved in {name}", r"exited with code 052\]")
    try:
        file = Drcov(name)
    finally:
        os.unlink(name)
    test.expect(main in file.covered(f"unpack{test.bits}.exe"), "first_layer is not covered")
    test.expect(len(file.covered("version.dll")) > 1, "version.dll is not covered")
    test.expect(any(name.startswith("[") for _, _, name in file.modules), "the unpacked page is missing")
