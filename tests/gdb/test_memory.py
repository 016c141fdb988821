"""Memory in bulk: what gdb finds, sums up and copies."""
from matrix import with_each_gdb


@with_each_gdb
def find_searches_on_the_server(test):
    gdb, server = test.session("debuggee", "--log=rsp")
    address = gdb.evaluate("&scenario")
    gdb.do("set var scenario = 0x1badb002")
    gdb.do(f"find /w {address} - 0x100, +0x1000, 0x1badb002", rf"^{address:#x}\b", r"1 pattern found")
    gdb.do("find /w 0, +0x7ffe0000, 0x1badb002", r"[Pp]attern")
    server.errors.wait(r"qSearch:memory:")


@with_each_gdb
def a_dump_is_what_memory_holds(test):
    gdb, _ = test.session("debuggee")
    address = gdb.evaluate("&scenario")
    gdb.do("set var scenario = 0x1badb002")
    gdb.do(f"dump binary memory {test.folder}/dump {address} {address}+4")
    with open(f"{test.folder}/dump", "rb") as dump:
        test.expect(dump.read() == bytes.fromhex("02b0ad1b"), "the dump holds something else")
    gdb.do("set var scenario = 0")
    gdb.do(f"restore {test.folder}/dump binary {address}", r"Restoring")
    gdb.do("print/x scenario", r"= 0x1badb002$")
