"""Files that winstub serves: the program's symbols without a local file, /proc, and the tables of `info os`."""
import os

from matrix import GDBS, WIDTHS, with_dlls_and_gdb, with_each_gdb
from test_dlls import symbol


@with_each_gdb
def proc_maps_can_be_fetched(test):
    gdb, _ = test.session("debuggee")
    answer = gdb.do("info inferiors", r"process \d+")
    pid = answer.split("process ")[1].split()[0]
    gdb.do(f"remote get /proc/{pid}/maps {test.folder}/maps", r"Successfully fetched")
    with open(f"{test.folder}/maps", encoding="utf-8") as maps:
        lines = maps.read().splitlines()
    test.expect(any("r-xp" in line and line.endswith(f"/debuggee{test.bits}.exe") for line in lines),
                f"the program's code is not in the map: {lines}")
    gdb.do(f"remote get /proc/{pid}/cmdline {test.folder}/cmdline", r"Successfully fetched")
    with open(f"{test.folder}/cmdline", "rb") as cmdline:
        test.expect(f"debuggee{test.bits}.exe".encode() in cmdline.read(), "the command line is another one")
    gdb.do(f"remote get /proc/1/maps {test.folder}/none", r"No such file|not found")
    gdb.do(f"remote get /etc/passwd {test.folder}/none", r"No such file|not found")


@with_each_gdb
def symbols_come_from_the_server(test):
    server = test.serve(test.guest("debuggee"))
    gdb = test.debug()
    answer = gdb.connect(server)
    test.expect("does not support file transfer" not in answer, "file transfer is said to be missing")
    gdb.do("break main", r"Breakpoint 1 at 0x[0-9a-f]+: file .*debuggee\.c")
    gdb.do("continue", r"Breakpoint 1,.* main")
    gdb.do("info sharedlibrary", r"(?i)Yes .*kernel32\.dll")


@with_each_gdb
def no_gdb_complains_about_file_transfer(test):
    server = test.serve(test.guest("debuggee"))
    gdb = test.debug(test.guest("debuggee"))
    answer = gdb.connect(server)
    test.expect("does not support file transfer" not in answer, "file transfer is said to be missing")


@with_each_gdb
def the_program_can_be_fetched_as_it_is(test):
    gdb, _ = test.session("debuggee")
    gdb.do(f"remote get C:/debuggee{test.bits}.exe {test.folder}/copy", r"Successfully fetched")
    with open(f"{test.folder}/copy", "rb") as copy, open(test.guest("debuggee"), "rb") as original:
        test.expect(copy.read() == original.read(), "the copy is another file")


@with_each_gdb
def info_os_shows_windows_tables(test):
    gdb, _ = test.session("debuggee")
    gdb.do("info os", r"vads", r"modules")
    gdb.do("info os modules", rf"debuggee{test.bits}\.exe", r"(?i)kernel32\.dll")
    gdb.do("info os vads", r"EXECUTE_READ")
    gdb.do("info os threads", r"main")
    gdb.do("info os processes", rf"debuggee{test.bits}\.exe")


@with_dlls_and_gdb
def real_dlls_have_symbols(test):
    server = test.serve("--root", test.dlls, test.guest("debuggee"))
    gdb = test.debug()
    gdb.connect(server)
    gdb.do("info sharedlibrary", r"Yes .*ntdll\.dll")
    gdb.do(f"info symbol &{symbol(test, 'NtClose', 4)}", r"NtClose.* in section")


def files_go_into_the_guests_tree_and_out_of_it(test):
    folder = os.path.join(test.folder, "drive")
    os.mkdir(folder)
    server = test.serve("--root", test.dlls, "--drive", f"D={folder}", test.guest("debuggee"))
    gdb = test.debug(test.guest("debuggee"))
    gdb.connect(server)
    sent = test.file("sent", bytes(range(256)) * 1000)
    gdb.do(f"remote put {sent} D:/new.bin", r"Successfully sent")
    with open(os.path.join(folder, "new.bin"), "rb") as new, open(sent, "rb") as original:
        test.expect(new.read() == original.read(), "another file has arrived")
    gdb.do(f"remote get /d/new.bin {test.folder}/back", r"Successfully fetched")
    with open(f"{test.folder}/back", "rb") as back, open(sent, "rb") as original:
        test.expect(back.read() == original.read(), "another file has come back")
    gdb.do("remote delete D:/new.bin", r"Successfully deleted")
    test.expect(not os.listdir(folder), "the file is still there")
    gdb.do(f"remote put {sent} C:/Windows/System32/new.dll", r"[Pp]ermission denied|[Rr]ead-only|not permitted")
    gdb.do(f"remote put {sent} D:/../outside", r"[Nn]o such file|[Ii]s a directory|denied|Invalid|Unknown|File not found")
    test.expect(sorted(os.listdir(test.folder)) == ["back", "drive", "sent"], f"{os.listdir(test.folder)}")


files_go_into_the_guests_tree_and_out_of_it.matrix = [(GDBS[-1], bits, "sysroot") for bits in WIDTHS]
