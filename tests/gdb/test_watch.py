"""Watchpoints: stop behind the access, with the right kind, for globals and locals."""
from matrix import with_each_gdb, with_one_gdb

FOREVER = 2


@with_each_gdb
def a_watched_variable_stops_behind_each_write(test):
    gdb, _ = test.session("debuggee")
    gdb.do(f"set variable scenario = {FOREVER}")
    gdb.do("watch ticks", r"Hardware watchpoint 1: ticks")
    for value in range(3):
        gdb.do("continue", r"Hardware watchpoint 1: ticks", rf"Old value = {value}$", rf"New value = {value + 1}$",
               r"forever \(\)")
    gdb.do("delete 1")
    gdb.do("info breakpoints", r"No breakpoints or watchpoints")


@with_each_gdb
def a_local_is_watched_to_the_end_of_its_scope(test):
    gdb, _ = test.session("debuggee")
    gdb.do("break sum_of_squares")
    gdb.do("continue", r"sum_of_squares \(count=3\)")
    gdb.do("next")
    gdb.do("next")
    gdb.do("watch sum", r"Hardware watchpoint 2: sum")
    for old, new in ((0, 1), (1, 5), (5, 14)):
        gdb.do("continue", rf"Old value = {old}$", rf"New value = {new}$", r"sum_of_squares \(count=3\)")
    gdb.do("continue", r"Watchpoint 2 deleted because the program has left the block")
    gdb.do("continue", r"exited with code 052\]")


@with_each_gdb
def reads_and_accesses_are_told_apart(test):
    gdb, _ = test.session("debuggee")
    gdb.do(f"set variable scenario = {FOREVER}")
    gdb.do("rwatch scenario", r"Hardware read watchpoint 1: scenario")
    gdb.do("continue", r"Hardware read watchpoint 1: scenario", rf"Value = {FOREVER}$", r"main \(\)")
    gdb.do("delete 1")
    gdb.do("awatch ticks", r"Hardware access \(read/write\) watchpoint 2: ticks")
    gdb.do("continue", r"Hardware access \(read/write\) watchpoint 2: ticks", r"Value = 0$", r"forever \(\)")
    gdb.do("continue", r"Hardware access \(read/write\) watchpoint 2: ticks", r"forever \(\)")


@with_one_gdb
def a_watched_array_may_be_of_any_length(test):
    gdb, _ = test.session("debuggee")
    gdb.do(f"set variable scenario = {FOREVER}")
    gdb.do("set $page = (unsigned long long) &ticks & ~0xfffULL")
    gdb.do("watch *(char (*)[4096]) $page", r"Hardware watchpoint 1")
    gdb.do("continue", r"Hardware watchpoint 1", r"forever \(\)")
