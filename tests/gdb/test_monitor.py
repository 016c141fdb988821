"""What `monitor` says and does with real programs; transcripts have its words, these tests that they are true."""
import json
import re

from matrix import GDBS, WIDTHS, with_one_gdb


def records(gdb, command):
    return json.loads(gdb.do(f"monitor {command} --json"))


@with_one_gdb
def memory_can_be_made_and_changed(test):
    gdb, _ = test.session("debuggee")
    gdb.do("monitor vm reserve 0x12340000 128K", r"STATUS_SUCCESS", r"^BaseAddress +0x12340000$")
    gdb.do("x/xb 0x12340000", r"Cannot access memory")
    gdb.do("monitor vm commit 12340000 8K rw+guard", r"STATUS_SUCCESS")
    gdb.do("set variable *(char *)0x12340000 = 7")  # a debugger does not run into guards
    gdb.do("print *(char *)0x12340000", r"= 7 ")
    gdb.do("monitor query 12340000", r"^Protect +READWRITE\|GUARD$", r"^RegionSize +0x2000$")
    gdb.do("monitor vm protect 12340000 4K rx", r"^OldProtect +READWRITE\|GUARD$")
    gdb.do("monitor vm decommit 12340000 8K", r"STATUS_SUCCESS")
    gdb.do("monitor vm release 12340000", r"^RegionSize +0x20000$")
    gdb.do("monitor vm release 12340000", r"STATUS_MEMORY_NOT_ALLOCATED")
    gdb.do("monitor vm commit 0 4K", r"STATUS_SUCCESS")


@with_one_gdb
def blocks_say_where_things_are(test):
    gdb, _ = test.session("debuggee")
    teb, peb = records(gdb, "teb"), records(gdb, "peb")
    test.expect(int(teb["StackLimit"], 16) <= gdb.evaluate("(long long) $sp") <= int(teb["StackBase"], 16),
                "$sp is not on the TEB's stack")
    test.expect(teb["Self"] == teb["TEB"] and teb["ProcessEnvironmentBlock"] == peb["PEB"], f"{teb} {peb}")
    test.expect(int(peb["ImageBaseAddress"], 16) == gdb.evaluate("(long long) &start") & ~0xFFFF, f"{peb}")
    test.expect("debuggee" in peb["CommandLine"] and peb["CurrentDirectory"] == "C:\\", f"{peb}")


NAMES = {64: "NtCreateFile", 32: "'NtCreateFile@44'"}  # as a linker decorates them


def real_dlls_have_exports_and_handles(test):
    server = test.serve("--root", test.dlls, test.guest("debuggee"))
    gdb = test.debug(test.guest("debuggee"))
    gdb.connect(server)
    found = records(gdb, "exports ntdll NtCreateFile")
    close = gdb.evaluate(f"(long long) &{NAMES[test.bits]}")
    test.expect([int(row["Address"], 16) for row in found] == [close], f"{found}, and gdb says {close:#x}")
    gdb.do("monitor handles", r"^0x0050 +File", r"C:\\")
    gdb.do("info os handles", r"File")


real_dlls_have_exports_and_handles.matrix = [(GDBS[-1], bits, "sysroot") for bits in WIDTHS]


@with_one_gdb
def the_process_is_listed(test):
    server = test.serve(test.guest("debuggee"), "-q", "two words")
    gdb = test.debug(test.guest("debuggee"))
    gdb.connect(server)
    own = records(gdb, "processes")
    test.expect(len(own) == 1 and own[0]["parent"] == 0 and own[0]["state"] == "debugged", f"{own}")
    test.expect(own[0]["program"] == own[0]["command"].split(" ")[0] and own[0]["command"].endswith(' -q "two words"'), f"{own}")
    gdb.do("info os processes", rf"^{own[0]['pid']} .*two words")


@with_one_gdb
def every_command_has_help_and_json(test):
    gdb, _ = test.session("debuggee")
    words = {"map": "", "query": "10000", "vm": "query 10000", "info": "mem", "exports": "kernel32", "hash": "876f8b31",
             "break": "kernel32!WinExec", "watch": "10000 4", "catch": "load x", "break-on": "exec-after-write",
             "delete": "all", "trace": "reads peb on", "coverage": "start", "step": "over"}
    for row in records(gdb, "help"):
        test.expect(row["Help"], f"{row['Command']} has no help")
        gdb.do(f"monitor help {row['Command']}", rf"^{row['Command']} ")
        answer = gdb.do(f"monitor {row['Command']} {words.get(row['Command'], '')} --json")
        json.loads(answer)


@with_one_gdb
def long_tables_come_in_pieces(test):
    server = test.serve("--log=rsp", test.guest("debuggee"))
    gdb = test.debug(test.guest("debuggee"))
    gdb.connect(server)
    exports = gdb.do("monitor exports kernel32")
    test.expect(len(re.findall(r"^0x", exports, re.M)) > 1, "nothing is exported")
