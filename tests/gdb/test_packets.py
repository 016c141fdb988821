"""How many packets gdb sends for a command: what the stub offers decides it, and it must not become more."""
import re

from matrix import GDBS
from session import marked_line

LOOP = "next over a line with a loop"  # of 64 iterations

# The mingw gdb 13.1 against a stub with range steps, expedited registers, threads in XML and so on; measured before
# there was this one. The backtrace is of three frames, a packet for each line of 64 bytes of the stack.
LIMITS = {
    "attach": 22, "continue to a breakpoint": 9, "stepi leaving a breakpoint": 9, "stepi": 7, "next": 13, "next over a call": 21,
    "step into a function": 32, "finish": 13, "backtrace": 2, "info threads": 3, "print a global": 1, "set a variable": 5,
    "call": 19, "watch and continue": 14, "find": 1, "backtrace again": 0, "dump of 64 KiB": 8, "examine 256 bytes": 256,
    LOOP: 12,
}


class Counter:
    """Counts the packets of one server, those that transfer files aside."""

    def __init__(self, test, gdb, server):
        self.test, self.gdb, self.server = test, gdb, server
        self.marks = 0
        self.seen = 0
        self.counts = {}

    def so_far(self):
        self.marks += 1
        self.gdb.do(f"maintenance packet qMark{self.marks}", r"received")
        self.server.errors.wait(rf"w qMark{self.marks}\n")
        text = self.server.errors.text
        return len(re.findall(r"^winstub\[rsp\]: w (?!vFile|qMark)", text, re.M))

    def count(self, name):
        total = self.so_far()
        self.counts[name] = total - self.seen
        self.seen = total

    def do(self, name, line, *wanted):
        self.gdb.do(line, *wanted)
        self.count(name)


def no_command_takes_more_packets_than_it_must(test):
    server = test.serve("--log=rsp", test.guest("debuggee"))
    gdb = test.debug(test.guest("debuggee"))
    counter = Counter(test, gdb, server)
    gdb.connect(server)
    counter.count("attach")
    gdb.do("break sum_of_squares", r"Breakpoint 1")
    gdb.do("stepi")  # asks vCont?, once for the session
    counter.seen = counter.so_far()
    counter.do("continue to a breakpoint", "continue", r"Breakpoint 1, sum_of_squares")
    counter.do("backtrace", "backtrace", r"#0 .*sum_of_squares")
    counter.do("backtrace again", "backtrace", r"#0 .*sum_of_squares")
    counter.do("stepi leaving a breakpoint", "stepi")
    gdb.do("next")
    counter.seen = counter.so_far()
    counter.do("next", "next", r"for \(")
    gdb.do("next", r"square\(i\)")
    gdb.do("delete")
    counter.seen = counter.so_far()
    counter.do("next over a call", "next", r"for \(")
    counter.do("stepi", "stepi")
    gdb.do("next", r"square\(i\)")
    counter.seen = counter.so_far()
    counter.do("step into a function", "step", r"square \(n=")
    counter.do("finish", "finish", r"Value returned")
    counter.do("info threads", "info threads", r"Thread")
    counter.do("print a global", "print constant", r"= 11")
    counter.do("set a variable", "set variable scenario = 1")
    counter.do("call", "call square(3)", r"= 9")
    gdb.do("watch sum", r"watchpoint")
    counter.seen = counter.so_far()
    counter.do("watch and continue", "continue", r"New value")
    gdb.do("delete")
    counter.seen = counter.so_far()
    counter.do("find", "find $sp - 0x100, +0xf0, 0x12345678")
    counter.do("examine 256 bytes", "x/256xb &scenario", r"<")
    server = test.serve("--log=rsp", "--raw", "--arch", "x86-64", "--base", "0x20000000", test.file("code", bytes(1 << 17)))
    reader = Counter(test, test.debug(), server)
    reader.gdb.do("set architecture i386:x86-64")
    reader.gdb.connect(server)
    reader.count("attach")
    reader.do("dump of 64 KiB", f"dump binary memory {test.folder}/dump 0x20000000 0x20010000")
    counter.counts["dump of 64 KiB"] = reader.counts["dump of 64 KiB"]
    over = {name: count for name, count in counter.counts.items() if count > LIMITS[name]}
    test.expect(not over, f"too many packets: {over} of {counter.counts}")
    test.expect(set(counter.counts) | {LOOP} == set(LIMITS), "a command was not counted")


def a_line_with_a_loop_takes_few_packets(test):
    server = test.serve("--log=rsp", test.guest("debuggee"))
    gdb = test.debug(test.guest("debuggee"))
    counter = Counter(test, gdb, server)
    gdb.connect(server)
    gdb.do("set variable scenario = 1")
    gdb.do(f"tbreak debuggee.c:{marked_line('debuggee.c', 'loop')}")
    gdb.do("continue", r"for \(")
    counter.seen = counter.so_far()
    counter.do(LOOP, "next", r"return n")
    test.expect(counter.counts[LOOP] <= LIMITS[LOOP], f"next over 64 iterations took {counter.counts[LOOP]} packets")


no_command_takes_more_packets_than_it_must.matrix = a_line_with_a_loop_takes_few_packets.matrix = [(GDBS[-1], 64)]
